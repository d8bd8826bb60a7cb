"""How replacing values of a code changes a loss: exact in the stem, first order after it."""

import torch
from torch import Tensor, nn

from lossy_lightning.attacks._features import packed
from lossy_lightning.attacks.gradient_step import Bound, per_channel

_FEATURES_AT_ONCE = 2**18
"""Of how many features differences are taken at once, so that they stay in a processor's cache."""


@torch.no_grad()
def first_order_change(
    stem: nn.Module,
    code: Tensor,
    other: Tensor,
    feature_gradient: Tensor,
    owner: Tensor | None = None,
    features: Tensor | None = None,
) -> Tensor:
    """Change of a loss when each value of a code alone is replaced.

    Features on the code's own grid, or on a multiple of it, are taken to depend on the code at their position only.
    Then the stem is run once for all channels if each feature has one owner, else once per channel; on any other grid,
    once per value.

    Args:
        stem: Codes to features.
        code: ``(N, C, *grid)``, integer.
        other: The replacements, of the same shape.
        feature_gradient: Of the loss with respect to the stem's features, `packed`.
        owner: The channel that each feature reads, from `feature_owners`.
        features: The stem's, of the code, `packed`; None: they are computed.

    Returns:
        ``(N, C, *grid)``.
    """
    given = (code, other, feature_gradient) if features is None else (code, other, feature_gradient, features)
    count = _examples_at_once(feature_gradient)
    parts = zip(*(torch.split(tensor, count) for tensor in given), strict=True)
    return torch.cat([_change(stem, owner, *part) for part in parts])


@torch.no_grad()
def feature_owners(stem: nn.Module, code: Tensor, low: Bound, high: Bound) -> Tensor | None:
    """The channel that each feature of a stem reads, found by trial.

    Each channel alone goes through its values along the positions of the grid; the features that change are its own. A
    feature of two channels is taken for one channel's only if no trial shows the effect of the other.

    Args:
        stem: Codes to features.
        code: ``(N, C, *grid)``, integer: examples to try it on, of which the first few are taken.
        low: Least code value.
        high: Greatest code value, inclusive.

    Returns:
        int64, one per feature of a position, -1 if none of the channels changed it. None if a feature reads two
        channels, if the features are on another grid than the code, or if there is one channel, which owns them all.
    """
    features = packed(stem.forward(code[:1]), code)
    if code.shape[1] == 1 or not _on_grid(features, code):
        return None
    code = code[: _examples_at_once(features)]
    features = packed(stem.forward(code), code)
    least, greatest = per_channel(low, code), per_channel(high, code)
    place = torch.arange(code[:, 0].numel(), device=code.device).view_as(code[:, :1])
    swept = (least + place % (greatest - least + 1)).to(code.dtype)

    def changed(channel: Tensor) -> Tensor:
        difference = packed(stem.forward(torch.where(channel, swept, code)), code) != features
        return difference.transpose(0, 1).flatten(1).any(1)

    reads = torch.stack([changed(channel) for channel in _each(code, 1)])
    if bool((reads.sum(0) > 1).any()):
        return None
    return torch.where(reads.any(0), reads.int().argmax(0), -1)


def _change(
    stem: nn.Module,
    owner: Tensor | None,
    code: Tensor,
    other: Tensor,
    feature_gradient: Tensor,
    features: Tensor | None = None,
) -> Tensor:
    """`first_order_change` of a part of the batch."""
    features = packed(stem.forward(code), code) if features is None else features

    def change(replaced: Tensor) -> Tensor:
        return (packed(stem.forward(torch.where(replaced, other, code)), code) - features) * feature_gradient

    if owner is not None:
        difference = packed(stem.forward(other), code) - features
        if not bool(difference[:, owner < 0].any()):
            gain = difference * feature_gradient
            return gain.new_zeros(code.shape).index_add_(1, owner.clamp(min=0), gain)
    if _on_grid(features, code):
        return torch.stack([change(channel).sum(1) for channel in _each(code, 1)], 1)
    return torch.stack([change(place).flatten(1).sum(1) for place in _each(code, code.ndim - 1)], 1).view_as(code)


def _each(code: Tensor, axes: int) -> Tensor:
    """The positions along the first axes of an example, one after another, as masks that broadcast over the code."""
    shape = code.shape[1 : 1 + axes]
    masks = torch.eye(shape.numel(), dtype=torch.bool, device=code.device)
    return masks.view(-1, *shape, *[1] * (code.ndim - 1 - axes))


def _on_grid(features: Tensor, code: Tensor) -> bool:
    return features.ndim == code.ndim and features.shape[2:] == code.shape[2:]


def _examples_at_once(features: Tensor) -> int:
    return max(1, _FEATURES_AT_ONCE // features[0].numel())
