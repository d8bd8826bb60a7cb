"""Where the values of a field lie in a code, and which positions of a padded code are an example's own."""

from math import prod

import torch
from torch import Tensor

from lossy_lightning.core.errors import InputError


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
    channels = last.shape[-1] // prod(cells)
    split = torch.unflatten(last, -1, (*cells, channels))
    order = [axis for i in range(axes) for axis in (batch + i, batch + axes + i)]
    sizes = [size * cell for size, cell in zip(last.shape[batch:-1], cells, strict=True)]
    fine = split.permute(*range(batch), *order, -1).reshape(*last.shape[:batch], *sizes, channels)
    return fine.movedim(-1, -1 - axes)


def pack(cells: tuple[int, ...], part: Tensor, out: Tensor, axes: int) -> None:
    """Write a field into its channels of a code; the inverse of `unpack`.

    Args:
        cells: Of the field, along each axis of the grid; empty for one.
        part: The field on its own grid, ``(..., channels, *grid * cells)``; one position if it is constant.
        out: Written to, ``(..., cells * channels, *grid)``.
        axes: Of the grid.
    """
    if cells:
        first = part.ndim - axes
        for i, cell in enumerate(cells):
            part = torch.unflatten(part, first + 2 * i, (-1, cell))
        sizes, places = range(first, part.ndim, 2), range(first + 1, part.ndim, 2)
        part = part.permute(*range(first - 1), *places, first - 1, *sizes)
        out = torch.unflatten(out, -1 - axes, (*cells, -1))
    out.copy_(part)


def check_shape(code: Tensor, shape: tuple[int | None, ...]) -> None:
    """Raise an `InputError` if a code ``(..., *shape)`` has another shape; None is any size."""
    trailing = tuple(code.shape[max(0, code.ndim - len(shape)) :])
    if len(trailing) != len(shape) or any(want not in (None, got) for want, got in zip(shape, trailing, strict=True)):
        want = ", ".join("any" if size is None else str(size) for size in shape)
        raise InputError(f"codes of shape (..., {want}) are expected here; got {tuple(code.shape)}")


def check_part(name: str, part: Tensor, shape: tuple[int, ...]) -> None:
    """Raise an `InputError` if a field has not the shape that goes with the others."""
    if tuple(part.shape) != shape:
        raise InputError(f"beside the others, field {name!r} has the shape {shape}; got {tuple(part.shape)}")


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
    valid = torch.ones(grid_size.shape[0], *grid, dtype=torch.bool, device=grid_size.device)
    for axis, size in enumerate(grid):
        inside = torch.arange(size, device=grid_size.device) < grid_size[:, axis, None]
        valid &= inside.view(grid_size.shape[0], *[-1 if axis == other else 1 for other in range(len(grid))])
    return valid
