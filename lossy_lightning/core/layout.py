"""Where the values of a field lie in a code, and which positions of a padded code are an example's own."""

import torch
from torch import Tensor


def unpack(cells: tuple[int, ...], constant: bool, part: Tensor, axes: int) -> Tensor:
    """A field on its own grid, of its channels of a code.

    Args:
        cells: Of the field, along each axis of the grid; empty for one.
        constant: Whether one position says it all.
        part: ``(..., cells * channels, *grid)``.
        axes: Of the grid.

    Returns:
        ``(..., channels, *grid * cells)``; channels-last in memory if there are cells.
    """
    if constant:
        return first_position(part, axes)
    if not cells:
        return part
    last = part.movedim(-1 - axes, -1)
    batch = last.ndim - axes - 1
    split = last.reshape(*last.shape[:-1], *cells, -1)
    order = [axis for i in range(axes) for axis in (batch + i, batch + axes + i)]
    sizes = [size * cell for size, cell in zip(last.shape[batch:-1], cells, strict=True)]
    fine = split.permute(*range(batch), *order, -1).reshape(*last.shape[:batch], *sizes, -1)
    return fine.movedim(-1, -1 - axes)


def pack(cells: tuple[int, ...], part: Tensor, axes: int) -> Tensor:
    """The channels of a code that hold a field, last: ``(..., *grid, cells * channels)``; the inverse of `unpack`."""
    last = part.movedim(-1 - axes, -1)
    if not cells:
        return last
    batch = last.ndim - axes - 1
    sizes = [n for size, cell in zip(last.shape[batch:-1], cells, strict=True) for n in (size // cell, cell)]
    fine = last.reshape(*last.shape[:batch], *sizes, -1)
    order = [*range(batch, batch + 2 * axes, 2), *range(batch + 1, batch + 2 * axes, 2)]
    return fine.permute(*range(batch), *order, -1).flatten(-1 - axes)


def first_position(part: Tensor, axes: int) -> Tensor:
    """The first position of a grid, whose axes stay, with size 1."""
    for axis in range(-axes, 0):
        part = part.narrow(axis, 0, 1)
    return part


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
