"""Features of different size in one batch: padding stays zero, and counts in no mean."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def mask(features: Tensor, valid: Tensor | None) -> Tensor:
    """Features ``(N, C, *grid)``, zero where they are padding."""
    return features if valid is None else features * valid.unsqueeze(1)


def norm_of_valid(norm: nn.Module, features: Tensor, valid: Tensor | None) -> Tensor:
    """Batch norm ``(N, C, *grid)`` whose statistics are of the valid positions; padding is zero."""
    if valid is None:
        result: Tensor = norm(features)
        return result
    if not norm.training:
        return mask(norm(features), valid)
    rows = features.movedim(1, -1)[valid]
    kept = norm(rows.view(*rows.shape, *[1] * (features.ndim - 2)))
    out = torch.zeros_like(features.movedim(1, -1))
    out[valid] = kept.view(rows.shape)
    return out.movedim(-1, 1)


def mean_of_valid(features: Tensor, valid: Tensor | None) -> Tensor:
    """Mean over the grid, ``(N, C, *grid)`` to ``(N, C)``."""
    axes = list(range(2, features.ndim))
    if valid is None:
        return features.mean(axes)
    return mask(features, valid).sum(axes) / valid.flatten(1).sum(1, keepdim=True)


def pad_around(features: Tensor, kernel_size: int) -> Tensor:
    """Zeros around the grid, so that a convolution of odd kernel keeps its size.

    Done before a layer quantizes its input, so that an edge is like the padding of a batch: zero, and +1 at 1 bit.
    """
    return F.pad(features, [kernel_size // 2] * 2 * (features.ndim - 2))
