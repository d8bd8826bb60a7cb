"""A black-box attack, which no masked gradient can mislead."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from lossy_lightning.attacks._kept import Kept
from lossy_lightning.attacks.fixed import Fixed
from lossy_lightning.attacks.gradient_step import Bound, check_code
from lossy_lightning.attacks.losses import margin
from lossy_lightning.attacks.projected import within_reach
from lossy_lightning.core import InputError

_HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""After how many of 10 000 queries the share of changed values is halved, as in the authors' code."""


@torch.no_grad()
def square_attack(
    forward: Callable[[Tensor], Tensor],
    code: Tensor,
    target: Tensor,
    budget: Bound,
    low: Bound,
    high: Bound,
    *,
    queries: int = 1000,
    share: float = 0.8,
    fixed: Fixed | None = None,
    start: Tensor | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Random squares at the bounds of the budget, on the code's own grid, kept if they help.

    It starts from random stripes along the first axis of the grid, and then sets one square of the grid (an interval
    for one axis, a cube for three) at a time, each channel to one of its bounds. Only values of the model are used. An
    example that fools the model is asked about no more.

    Args:
        forward: Integer codes ``(N, C, *grid)`` to logits ``(N, K)``.
        code: ``(N, C, *grid)``, integer.
        target: ``(N,)``, the true classes.
        budget: Greatest change of a value, in code values.
        low: Least code value.
        high: Greatest code value, inclusive.
        queries: Codes of each example that the model is asked about, at most.
        share: Share of the grid that the first squares cover; it is halved on the authors' schedule.
        fixed: From codes to a mask of the values that stay, such as `fixed_values`; None: all may change.
        start: Codes within the budget to start from, such as another attack's, with squares of a tenth of the share;
            None: stripes.
        generator: Of the squares, on the code's device.

    Returns:
        Codes of the same shape and dtype, each within the budget.

    Raises:
        ValueError: If the code does not fit its range or has no grid, or a number is out of range.

    Source: Andriushchenko et al., Square Attack, ECCV 2020, algorithms 1 and 2, with the margin as loss.
    """
    check_code(code, low, high, fixed)
    if queries < 1 or not 0 < share <= 1 or code.ndim < 3:
        raise InputError(
            f"the square attack takes 1 query or more, a share in (0, 1] and a code (N, C, *grid); "
            f"got {queries=}, {share=} and a code of shape {tuple(code.shape)}"
        )
    least, most = (bound.to(code.dtype) for bound in within_reach(code, budget, low, high, fixed))
    kept = Kept(code)
    stripes = (*code.shape[:2], 1, *code.shape[3:])
    candidate = torch.where(_coins(stripes, code, generator), most, least) if start is None else start
    first = share if start is None else share / 10
    left = torch.arange(len(code), device=code.device)
    for query in range(queries):
        logits = forward(candidate)
        kept.offer(candidate, logits, margin(logits, target[left]), target[left], index=left)
        left = torch.nonzero(~kept.success).squeeze(1)
        if not len(left):
            break
        current = kept.code[left]
        corner = torch.where(
            _coins((*current.shape[:2], *[1] * (code.ndim - 2)), code, generator), most[left], least[left]
        )
        square = _squares(current, _share(first, query, queries), generator)
        candidate = torch.where(square, corner, current)
    return kept.code


def _share(first: float, query: int, queries: int) -> float:
    """Share of the grid that a square covers."""
    halvings = sum(query * 10_000 // queries > after for after in _HALVINGS)
    return first * 0.5**halvings


def _coins(shape: tuple[int, ...], code: Tensor, generator: Generator | None) -> Tensor:
    return torch.rand(shape, device=code.device, generator=generator) < 0.5


def _squares(code: Tensor, share: float, generator: Generator | None) -> Tensor:
    """A random square of each example as a mask: ``(N, 1, *grid)``."""
    inside = torch.ones(len(code), 1, *[1] * (code.ndim - 2), dtype=torch.bool, device=code.device)
    for axis, size in enumerate(code.shape[2:], start=2):
        width = max(1, round(size * share ** (1 / (code.ndim - 2))))
        start = torch.rand(len(code), device=code.device, generator=generator) * (size - width + 1)
        offset = torch.arange(size, device=code.device) - start.floor().unsqueeze(1)
        shape = [len(code), 1, *[1] * (code.ndim - 2)]
        shape[axis] = size
        inside = inside & ((offset >= 0) & (offset < width)).view(shape)
    return inside
