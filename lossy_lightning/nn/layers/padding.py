"""Features of different size in one batch: what is padding stays zero, and counts in no mean."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def valid_positions(grid_size: Tensor, grid: tuple[int, ...]) -> Tensor:
    """Which positions of a padded batch are an example's own: ``(N, axes)`` to ``(N, *grid)``, bool.

    Example:
        >>> valid_positions(torch.tensor([[1], [3]]), (3,)).int()
        tensor([[1, 0, 0],
                [1, 1, 1]], dtype=torch.int32)
    """
    valid = torch.ones(len(grid_size), *grid, dtype=torch.bool, device=grid_size.device)
    for axis, size in enumerate(grid):
        inside = torch.arange(size, device=grid_size.device) < grid_size[:, axis, None]
        valid &= inside.view(len(grid_size), *[-1 if axis == other else 1 for other in range(len(grid))])
    return valid


def mask(features: Tensor, valid: Tensor | None) -> Tensor:
    """Features ``(N, C, *grid)``, zero where they are padding."""
    return features if valid is None else features * valid.unsqueeze(1)


def norm_of_valid(norm: nn.Module, features: Tensor, valid: Tensor | None) -> Tensor:
    """Batch norm ``(N, C, *grid)`` whose statistics are of the valid positions; padding is zero."""
    if valid is None:
        result: Tensor = norm(features)
        return result
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

    Before a layer quantizes its input, so that an edge is like the padding of a batch: zero, at 1 bit +1.
    """
    return F.pad(features, [kernel_size // 2] * 2 * (features.ndim - 2))
