"""Blocks of DCT coefficients flipped and transposed, as their image is, without decoding them."""

import torch
from torch import Tensor


def flip_blocks(blocks: Tensor, axis: int) -> Tensor:
    """Blocks of the flipped image: they change places, and odd frequencies along the axis their sign.

    No level is rounded. The level -1024 becomes 1024, which a code cannot hold: clamp it if it can occur.

    Args:
        blocks: ``(..., 64, rows, columns)``, integer or float, frequencies in natural order ``8 * v + u``.
        axis: -1 flips left and right, -2 up and down.

    Returns:
        The same shape and dtype.

    Raises:
        ValueError: If the axis is another.

    Source: Shen, Sethi, Block-based manipulations on transform-compressed images and videos, Multimedia Systems 6(2),
        1998.

    Example:
        >>> flip_blocks(torch.arange(64).view(64, 1, 1), -1).flatten()[:4]
        tensor([ 0, -1,  2, -3])
    """
    if axis not in (-1, -2):
        raise ValueError(f"blocks are flipped along -1 (left and right) or -2 (up and down); got {axis}")
    frequency = torch.arange(64, device=blocks.device, dtype=blocks.dtype) // (1 if axis == -1 else 8)
    return blocks.flip(axis).mul_((1 - frequency % 2 * 2).view(64, 1, 1))


def transpose_blocks(blocks: Tensor) -> Tensor:
    """Blocks of the transposed image, in memory of their own: rows and columns change places, within blocks too.

    Levels keep their numbers, so they mean coefficients by *transposed* quantization tables.

    Args:
        blocks: ``(..., 64, rows, columns)``, frequencies in natural order ``8 * v + u``.

    Returns:
        ``(..., 64, columns, rows)``.

    Source: as `flip_blocks`.

    Example:
        >>> transpose_blocks(torch.arange(64).view(64, 1, 1)).flatten()[:4]
        tensor([ 0,  8, 16, 24])
    """
    order = torch.arange(64, device=blocks.device).view(8, 8).T.flatten()
    return blocks.index_select(-3, order).transpose(-2, -1)
