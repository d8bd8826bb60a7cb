"""Pure functions on tensors and models: nothing here keeps state."""

from lossy_lightning.functional.attack import projected_attack, signal_budget, worst_case
from lossy_lightning.functional.bits import to_bits, to_gray
from lossy_lightning.functional.blocks import crop, from_blocks, to_blocks
from lossy_lightning.functional.gradient_step import quantized_gradient_step
from lossy_lightning.functional.losses import at_temperature, cross_entropy, margin
from lossy_lightning.functional.self_check import categorical_attacks, compare_attacks, ordinal_attacks
from lossy_lightning.functional.square import square_attack
from lossy_lightning.functional.straight_through import differentiable, find_stem, straight_through, through_stem
from lossy_lightning.functional.substitution import substitution_attack, substitution_scores
from lossy_lightning.functional.vq import nearest_codewords

__all__ = [
    "at_temperature",
    "categorical_attacks",
    "compare_attacks",
    "crop",
    "cross_entropy",
    "differentiable",
    "find_stem",
    "from_blocks",
    "margin",
    "nearest_codewords",
    "ordinal_attacks",
    "projected_attack",
    "quantized_gradient_step",
    "signal_budget",
    "square_attack",
    "straight_through",
    "substitution_attack",
    "substitution_scores",
    "through_stem",
    "to_bits",
    "to_blocks",
    "to_gray",
    "worst_case",
]
