"""Codes of JPEG flipped and transposed, as their images are, without decoding them."""

import torch
from torch import Tensor

from lossy_lightning.functional.jpeg.mcu import MCULayout


def flip_mcus(code: Tensor, layout: MCULayout, axis: int) -> Tensor:
    """Code of the flipped image, of whole MCUs: blocks change places, odd frequencies along the axis their sign.

    No level is rounded. The level -1024 becomes 1024, which a code cannot hold: clamp where it can occur.

    Args:
        code: ``(..., C, rows, columns)``, integer or float.
        layout: Of its channels.
        axis: -1 flips left and right, -2 up and down.

    Raises:
        ValueError: Where the axis is another.

    Source: Shen, Sethi, Block-based manipulations on transform-compressed images and videos, Multimedia Systems 6(2),
        1998.

    Example:
        >>> code = torch.arange(64).view(64, 1, 1)
        >>> flip_mcus(code, MCULayout((1, 1), 1, False), -1).flatten()[:4]
        tensor([ 0, -1,  2, -3])
    """
    if axis not in (-1, -2):
        raise ValueError(f"a code is flipped along -1 (left and right) or -2 (up and down); got {axis}")
    h, v = layout.factors
    luma = torch.arange(layout.luma_blocks).view(v, h).flip(axis).flatten()
    odd = torch.arange(8) % 2
    odd = odd.expand(8, 8) if axis == -1 else odd.expand(8, 8).T
    blocks = len(layout.block_components)
    order = torch.cat([luma, torch.arange(layout.luma_blocks, blocks)])
    sign = (1 - 2 * odd).flatten().repeat(blocks)
    kept = code.shape[-3] - 64 * blocks
    index = _channels(order, torch.arange(64), code.shape[-3]).to(code.device)
    signs = torch.cat([sign, torch.ones(kept, dtype=sign.dtype)]).to(code)
    return code.index_select(-3, index).flip(axis) * signs.view(-1, 1, 1)


def transpose_mcus(code: Tensor, layout: MCULayout) -> Tensor:
    """Code of the transposed image, of whole MCUs, with its tables, if any: rows and columns change places.

    Levels keep their numbers, so they mean coefficients by *transposed* quantization tables.

    Args:
        code: ``(..., C, rows, columns)``.
        layout: Of its channels.

    Raises:
        ValueError: Where chroma is not sampled alike along both axes.

    Source: as `flip_mcus`.

    Example:
        >>> code = torch.arange(64).view(64, 1, 1)
        >>> transpose_mcus(code, MCULayout((1, 1), 1, False)).flatten()[:4]
        tensor([ 0,  8, 16, 24])
    """
    h, v = layout.factors
    if h != v:
        raise ValueError(
            f"chroma sampled at {layout.factors} would be sampled at {(v, h)} in the transposed image; only codes of "
            "4:4:4, 4:2:0 and grey images are transposed"
        )
    luma = torch.arange(layout.luma_blocks).view(v, h).T.flatten()
    blocks = len(layout.block_components)
    order = torch.cat([luma, torch.arange(layout.luma_blocks, code.shape[-3] // 64)])
    within = torch.arange(64).view(8, 8).T.flatten()
    index = _channels(order[:blocks], within, 64 * blocks)
    tables = _channels(order[blocks:], within, 64 * (len(order) - blocks))
    return code.index_select(-3, torch.cat([index, tables]).to(code.device)).transpose(-2, -1)


def _channels(order: Tensor, within: Tensor, channels: int) -> Tensor:
    """Channels in a new order of blocks and of frequencies within them; further ones stay."""
    moved = (64 * order.view(-1, 1) + within).flatten()
    return torch.cat([moved, torch.arange(len(moved), channels)])
