"""The features of a stem as one tensor, on the code's grid if possible."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from lossy_lightning.functional import to_blocks


def floats(tree: Any) -> list[Tensor]:
    """The float tensors of some nested values: the features that a stem returns, one tensor or several by field."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor) and leaf.is_floating_point()]


def packed(features: Any, code: Tensor) -> Tensor:
    """All features of a stem as one tensor.

    Args:
        features: ``(N, F, *grid)``, or several such tensors, of fields of different resolution.
        code: ``(N, C, *grid)``, from which they were made.

    Returns:
        ``(N, features, *grid)`` on the code's grid if each tensor lies on that grid or a multiple of it, with the
        features of one position side by side; otherwise ``(N, features)``. A single tensor on another grid is returned
        as it is.
    """
    leaves = floats(features)
    cells = [_cells(leaf, code) for leaf in leaves]
    fine = [
        leaf if set(cell) <= {1} else to_blocks(leaf, cell).movedim(-1, 1)
        for leaf, cell in zip(leaves, cells, strict=True)
        if cell is not None
    ]
    if len(fine) < len(leaves):
        fine = leaves if len(leaves) == 1 else [leaf.flatten(1) for leaf in leaves]
    return fine[0] if len(fine) == 1 else torch.cat(fine, 1)


def _cells(features: Tensor, code: Tensor) -> tuple[int, ...] | None:
    """Features along each axis of one position of the code, None if their grid is no multiple of the code's."""
    grids = list(zip(features.shape[2:], code.shape[2:], strict=False))
    if features.ndim != code.ndim or any(size % positions for size, positions in grids):
        return None
    return tuple(size // positions for size, positions in grids)
