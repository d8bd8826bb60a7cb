"""How replacing values of a code changes a loss: exact in the stem, first order after it."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lossy_lightning.attacks._features import packed
from lossy_lightning.attacks.gradient_step import Bound, per_channel

_FEATURES_AT_ONCE = 2**18
"""Of how many features differences are taken at once, so that they stay in a processor's cache."""

_TRIED_POSITIONS = 16
"""At how many positions of the grid a stem is tried for what it reads around them."""

_ROUNDING = 1e-6
"""Up to which share of the greatest feature a difference is rounding."""


class Reads(NamedTuple):
    """What of a code each feature of a stem reads, found by trial.

    Attributes:
        owner: int64, one channel for each feature of a position, -1 if none changed it. None if a feature reads two
            channels, if the features are on another grid than the code, or if there is one channel, which owns them.
        reach: How many positions away a feature reads, along each axis of the grid; zeros if only its own.
    """

    owner: Tensor | None
    reach: tuple[int, ...]


@torch.no_grad()
def first_order_change(
    stem: nn.Module,
    code: Tensor,
    other: Tensor,
    feature_gradient: Tensor,
    reads: Reads,
    features: Tensor | None = None,
) -> Tensor:
    """Change of a loss when each value of a code alone is replaced.

    If features lie on the code's own grid, or on a multiple of it, values whose features do not meet are replaced in
    one run of the stem: all channels if each feature has one owner, and all positions further apart than it reaches. On
    any other grid the stem is run once for each value.

    Args:
        stem: Codes to features.
        code: ``(N, C, *grid)``, integer.
        other: The replacements, of the same shape.
        feature_gradient: Of the loss with respect to the stem's features, `packed`.
        reads: What the features read, from `what_it_reads`.
        features: The stem's, of the code, `packed`; None: they are computed.

    Returns:
        ``(N, C, *grid)``.
    """
    given = (code, other, feature_gradient) if features is None else (code, other, feature_gradient, features)
    count = _examples_at_once(feature_gradient)
    parts = zip(*(torch.split(tensor, count) for tensor in given), strict=True)
    return torch.cat([_change(stem, reads, *part) for part in parts])


@torch.no_grad()
def what_it_reads(stem: nn.Module, code: Tensor, low: Bound, high: Bound) -> Reads:
    """What the features of a stem read, found by trial.

    Each channel alone goes through its values along the positions of the grid; the features that change are its own.
    Then all channels of one position change. A feature is taken to read one channel, or one position, only if no trial
    shows the effect of another.

    Args:
        stem: Codes to features.
        code: ``(N, C, *grid)``, integer: examples to try it on, of which the first few are taken.
        low: Least code value.
        high: Greatest code value, inclusive.
    """
    features = packed(stem.forward(code[:1]), code)
    if not _on_grid(features, code):
        return Reads(None, (0,) * (code.ndim - 2))
    least, greatest = per_channel(low, code), per_channel(high, code)
    place = torch.arange(code.shape[2:].numel(), device=code.device).view(code.shape[2:])
    swept, turned = least + place % (greatest - least + 1), least + greatest - code[0]
    others = torch.stack([code[0], swept.expand_as(turned).to(code.dtype), turned.to(code.dtype)])
    reach = _reach(stem, code[:1], others)
    if code.shape[1] == 1:
        return Reads(None, reach)
    code = code[: _examples_at_once(features)]
    return Reads(_owner(stem, code, least, greatest), reach)


def _owner(stem: nn.Module, code: Tensor, least: Tensor, greatest: Tensor) -> Tensor | None:
    features = packed(stem.forward(code), code)
    place = torch.arange(code[:, 0].numel(), device=code.device).view_as(code[:, :1])
    swept = (least + place % (greatest - least + 1)).to(code.dtype)

    def changed(channel: Tensor) -> Tensor:
        difference = packed(stem.forward(torch.where(channel, swept, code)), code) != features
        return difference.transpose(0, 1).flatten(1).any(1)

    reads = torch.stack([changed(channel) for channel in _each(code, 1)])
    if bool((reads.sum(0) > 1).any()):
        return None
    return torch.where(reads.any(0), reads.int().argmax(0), -1)


def _reach(stem: nn.Module, code: Tensor, others: Tensor) -> tuple[int, ...]:
    """How far from a changed position of one example features change, by axis, over some spread positions.

    The first of the others is the example itself: differences that are rounding, as between batches of unlike size, are
    no effect.
    """
    grid = code.shape[2:]
    if not grid:
        return ()
    chosen = torch.linspace(0, grid.numel() - 1, min(grid.numel(), _TRIED_POSITIONS)).round().long()
    furthest = [0] * len(grid)
    for flat in chosen.tolist():
        here = torch.zeros(grid.numel(), dtype=torch.bool, device=code.device)
        here[flat] = True
        tried = packed(stem.forward(torch.where(here.view(grid), others, code)), others)
        difference = (tried[1:] - tried[:1]).abs().amax((0, 1))
        changed = (difference > _ROUNDING * tried.abs().max()).nonzero()
        centre = torch.tensor(torch.unravel_index(torch.tensor(flat), grid), device=code.device)
        if len(changed):
            offsets = (changed - centre).abs().amax(0).tolist()
            furthest = [max(pair) for pair in zip(furthest, offsets, strict=True)]
    return tuple(furthest)


def _change(
    stem: nn.Module,
    reads: Reads,
    code: Tensor,
    other: Tensor,
    feature_gradient: Tensor,
    features: Tensor | None = None,
) -> Tensor:
    """`first_order_change` of a part of the batch."""
    features = packed(stem.forward(code), code) if features is None else features

    def gain(replaced: Tensor) -> Tensor:
        return (packed(stem.forward(torch.where(replaced, other, code)), code) - features) * feature_gradient

    if not _on_grid(features, code):
        return torch.stack([gain(place).flatten(1).sum(1) for place in _each(code, code.ndim - 1)], 1).view_as(code)
    total = feature_gradient.new_zeros(code.shape)
    for place in _apart(code, reads.reach):
        total += torch.where(place, _by_channel(gain, place, reads, code), 0)
    return total


def _by_channel(gain: Callable[[Tensor], Tensor], place: Tensor, reads: Reads, code: Tensor) -> Tensor:
    """Change by each channel at some positions that do not meet, ``(N, C, *grid)``."""
    owner = reads.owner
    if owner is not None:
        found = _around(gain(place), reads.reach)
        if not bool(found[:, owner < 0].any()):
            return found.new_zeros(code.shape).index_add_(1, owner.clamp(min=0), found)
    return torch.stack([_around(gain(channel & place).sum(1), reads.reach) for channel in _each(code, 1)], 1)


def _apart(code: Tensor, reach: tuple[int, ...]) -> Iterator[Tensor]:
    """The positions of the grid in groups, as masks: those of one group are further apart than features reach."""
    strides = [min(2 * far + 1, size) for far, size in zip(reach, code.shape[2:], strict=True)]
    for first in product(*map(range, strides)):
        mask = torch.zeros(code.shape[2:], dtype=torch.bool, device=code.device)
        mask[tuple(slice(start, None, stride) for start, stride in zip(first, strides, strict=True))] = True
        yield mask


def _around(gain: Tensor, reach: tuple[int, ...]) -> Tensor:
    """The sum over what each position reaches, along the last axes."""
    for axis, far in enumerate(reach, start=gain.ndim - len(reach)):
        if far:
            shifts = range(-min(far, gain.shape[axis] - 1), min(far, gain.shape[axis] - 1) + 1)
            gain = torch.stack([_shifted(gain, axis, shift) for shift in shifts]).sum(0)
    return gain


def _shifted(x: Tensor, axis: int, shift: int) -> Tensor:
    """Along an axis, zeros where nothing comes from."""
    kept = x.narrow(axis, max(-shift, 0), x.shape[axis] - abs(shift))
    pad = torch.zeros_like(x.narrow(axis, 0, abs(shift)))
    return torch.cat([pad, kept] if shift > 0 else [kept, pad], axis)


def _each(code: Tensor, axes: int) -> Tensor:
    """The positions along the first axes of an example, one after another, as masks that broadcast over the code."""
    shape = code.shape[1 : 1 + axes]
    masks = torch.eye(shape.numel(), dtype=torch.bool, device=code.device)
    return masks.view(-1, *shape, *[1] * (code.ndim - 1 - axes))


def _on_grid(features: Tensor, code: Tensor) -> bool:
    return features.ndim == code.ndim and features.shape[2:] == code.shape[2:]


def _examples_at_once(features: Tensor) -> int:
    return max(1, _FEATURES_AT_ONCE // features[0].numel())
