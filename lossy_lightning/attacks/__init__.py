"""Quantized gradient attacks on codes, and their self-checks."""

from lossy_lightning.attacks.comparison import MASKING_THRESHOLD, Comparison, compare_attacks, uphill
from lossy_lightning.attacks.distillation import distilled_attack
from lossy_lightning.attacks.fixed import Fixed, fixed_values
from lossy_lightning.attacks.gradient_step import Bound, quantized_gradient_step
from lossy_lightning.attacks.least import BudgetedAttack, Least, Size, Succeeds, by_budget, least_budget, lower_budget
from lossy_lightning.attacks.losses import Loss, at_temperature, cross_entropy, margin
from lossy_lightning.attacks.projected import projected_attack, signal_budget, worst_case
from lossy_lightning.attacks.self_check import (
    Attack,
    Attacks,
    categorical_attacks,
    is_right,
    ordinal_attacks,
)
from lossy_lightning.attacks.square import square_attack
from lossy_lightning.attacks.substitution import substitution_attack, substitution_scores
from lossy_lightning.attacks.surrogates import (
    Forward,
    NoGradientError,
    differentiable,
    find_stem,
    straight_through,
    through_stem,
)
from lossy_lightning.attacks.undoing import undo_needless

__all__ = [
    "MASKING_THRESHOLD",
    "Attack",
    "Attacks",
    "Bound",
    "BudgetedAttack",
    "Comparison",
    "Fixed",
    "Forward",
    "Least",
    "Loss",
    "NoGradientError",
    "Size",
    "Succeeds",
    "at_temperature",
    "by_budget",
    "categorical_attacks",
    "compare_attacks",
    "cross_entropy",
    "differentiable",
    "distilled_attack",
    "find_stem",
    "fixed_values",
    "is_right",
    "least_budget",
    "lower_budget",
    "margin",
    "ordinal_attacks",
    "projected_attack",
    "quantized_gradient_step",
    "signal_budget",
    "square_attack",
    "straight_through",
    "substitution_attack",
    "substitution_scores",
    "through_stem",
    "undo_needless",
    "uphill",
    "worst_case",
]
