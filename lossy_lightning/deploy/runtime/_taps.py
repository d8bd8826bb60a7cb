"""Which positions each output position of a convolution or pooling sees."""

from collections.abc import Mapping, Sequence

import numpy as np


def taps(geometry: Mapping[str, Sequence[int]]) -> np.ndarray:
    """Positions ``(output positions, taps)`` int32, numbered row by row; -1 beyond the grid.

    Args:
        geometry: "grid", "kernel", "stride", "padding" and "dilation", each a number for each axis.

    Example:
        >>> taps({"grid": [3], "kernel": [2], "stride": [1], "padding": [1], "dilation": [1]}).tolist()
        [[-1, 0], [0, 1], [1, 2], [2, -1]]
    """
    grid = geometry["grid"]
    axes = [
        _along(size, kernel, stride, padding, dilation)
        for size, kernel, stride, padding, dilation in zip(
            grid, geometry["kernel"], geometry["stride"], geometry["padding"], geometry["dilation"], strict=True
        )
    ]
    number = np.zeros((1, 1), np.int64)
    off = np.zeros((1, 1), np.bool_)
    for size, axis in zip(grid, axes, strict=True):
        # (positions so far, 1, taps so far, 1) with (1, positions, 1, taps) of this axis
        inner = axis[None, :, None, :]
        number = number[:, None, :, None] * size + np.maximum(inner, 0)
        off = off[:, None, :, None] | (inner < 0)
        shape = (number.shape[0] * number.shape[1], number.shape[2] * number.shape[3])
        number, off = number.reshape(shape), off.reshape(shape)
    return np.where(off, -1, number).astype(np.int32)


def _along(size: int, kernel: int, stride: int, padding: int, dilation: int) -> np.ndarray:
    positions = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    found = np.arange(positions)[:, None] * stride - padding + np.arange(kernel)[None] * dilation
    return np.where((found < 0) | (found >= size), -1, found)
