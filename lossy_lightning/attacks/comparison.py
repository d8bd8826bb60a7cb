"""Robust accuracy as several attacks find it, and how far the model's own gradient can be trusted."""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from lossy_lightning.attacks.fixed import Fixed
from lossy_lightning.attacks.gradient_step import Bound, quantized_gradient_step
from lossy_lightning.attacks.losses import Loss
from lossy_lightning.attacks.projected import loss_and_slope, within_reach
from lossy_lightning.attacks.self_check import Attacks, is_right
from lossy_lightning.attacks.surrogates import Forward

MASKING_THRESHOLD = 0.1
"""A masking index above it says that the model's own gradient hides how weak the model is."""

_DRAWS = 10
"""Answers of a model that draws random numbers, of which the share that is right counts."""


class Comparison(NamedTuple):
    """Results of the attacks of one budget on a batch.

    Attributes:
        code: Of the adaptive attack, ``(N, C, *grid)``.
        accuracy: Accuracy under it.
        naive_accuracy: Accuracy under the naive attack.
        strongest_accuracy: The same under the attack that is strongest on each example.
    """

    code: Tensor
    accuracy: float
    naive_accuracy: float
    strongest_accuracy: float

    @property
    def masking_index(self) -> float:
        """Naive less strongest accuracy: the robustness that the model's own gradient only feigns."""
        return self.naive_accuracy - self.strongest_accuracy

    @property
    def masked(self) -> bool:
        """Whether the masking index is above `MASKING_THRESHOLD`."""
        return self.masking_index > MASKING_THRESHOLD


def compare_attacks(forward: Forward, code: Tensor, target: Tensor, attacks: Attacks) -> Comparison:
    """Accuracy of a model under each attack and under the strongest, example by example.

    A check runs only on examples that hold against all attacks before it. If the model draws random numbers, the mean
    of ten answers counts, and for the strongest attack ten others than those by which it was chosen.

    Args:
        forward: Codes ``(N, C, *grid)`` to logits ``(N, K)``; the judge.
        code: ``(N, C, *grid)``, integer.
        target: ``(N,)``, the true classes.
        attacks: Of one budget.
    """
    draws = 1 if _is_fixed(forward, code[:1]) else _DRAWS

    def right(code: Tensor, target: Tensor) -> Tensor:
        return torch.stack([is_right(forward, code, target).float() for _ in range(draws)]).mean(0)

    moved = attacks.adaptive(code, target)
    share = right(moved, target)
    accuracy = naive_accuracy = float(share.mean())
    worst = moved.clone()

    def take(index: Tensor, other: Tensor) -> Tensor:
        found = right(other, target[index])
        better = found < share[index]
        worst[index[better]], share[index[better]] = other[better], found[better]
        return found

    if attacks.naive is not attacks.adaptive:
        everything = torch.arange(len(code), device=code.device)
        naive_accuracy = float(take(everything, attacks.naive(code, target)).mean())
    for check in attacks.checks:
        left = torch.nonzero(share > 0).squeeze(1)
        if len(left):
            take(left, check(code[left], target[left]))
    strongest = share if draws == 1 else right(worst, target)
    return Comparison(moved, accuracy, naive_accuracy, float(strongest.mean()))


def uphill(
    forward: Forward,
    own: Forward | None,
    code: Tensor,
    target: Tensor,
    size: int,
    low: Bound,
    high: Bound,
    *,
    loss: Loss,
    fixed: Fixed | None = None,
    seed: int = 0,
) -> float:
    """Share of examples whose loss rises more along the model's own gradient than in a random direction.

    Near 1 for a gradient that can be trusted; 0.5 is what a random one gives, and 0 what a dead one does.

    Args:
        forward: Codes ``(N, C, *grid)`` to logits ``(N, K)``.
        own: The same as a function of the code's values, with the model's own gradient; None: there is none.
        code: ``(N, C, *grid)``, integer.
        target: ``(N,)``, the true classes.
        size: Of the step, in code values.
        low: Least code value.
        high: Greatest code value, inclusive.
        loss: Of each example.
        fixed: From codes to a mask of the values that stay, such as `fixed_values`; None: all may change.
        seed: Of the random direction.
    """
    if own is None:
        return 0.0
    slope = loss_and_slope(own, code, target, loss)[2]
    generator = Generator(code.device).manual_seed(seed)
    random = torch.randn(code.shape, generator=generator, device=code.device)
    least, most = within_reach(code, size, low, high, fixed)
    rises = []
    for direction in (slope, random):
        moved = quantized_gradient_step(code, direction, size, least, most)
        with torch.no_grad():
            rises.append(loss(forward(moved), target))
    along, aside = rises
    alive = slope.flatten(1).any(1)
    return float(((along > aside) & alive).float().mean())


@torch.no_grad()
def _is_fixed(forward: Forward, code: Tensor) -> bool:
    """Whether a model answers the same twice."""
    return torch.equal(forward(code), forward(code))
