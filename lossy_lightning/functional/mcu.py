"""Minimum coded units (MCUs) of a JPEG image: the blocks of one patch of it, stacked as channels."""

from collections.abc import Sequence

import torch
from torch import Tensor


def stack_mcus(components: Sequence[Tensor], factors: tuple[int, int]) -> Tensor:
    """Blocks of coefficients as channels, one MCU per grid cell.

    Channels come in the order of the standard: the blocks of luma row by row, then Cb, then Cr, 64 channels each in
    natural order ``[v][u]``; 4:2:0 gives Y00 Y01 Y10 Y11 Cb Cr.

    Args:
        components: Luma ``(..., v * rows, h * columns, 8, 8)``, then none or two chroma ``(..., rows, columns, 8, 8)``.
        factors: ``(h, v)``, luma's sampling factors; ``(1, 1)`` for grey.

    Returns:
        ``(..., (h * v + chroma components) * 64, rows, columns)``.

    Source: ITU-T T.81 (1992), annex A.2.3.

    Example:
        >>> grids = (4, 6), (2, 3), (2, 3)
        >>> stack_mcus([torch.zeros(*grid, 8, 8) for grid in grids], (2, 2)).shape
        torch.Size([384, 2, 3])
    """
    h, v = factors
    luma, *chroma = components
    *batch, rows, columns = luma.shape[:-2]
    rows, columns = rows // v, columns // h
    # One copy: channel last in memory, as blocks are in a file.
    units = luma.new_empty(*batch, rows, columns, h * v + len(chroma), 8, 8)
    mcus = luma.reshape(*batch, rows, v, columns, h, 8, 8).transpose(-5, -4)
    units[..., : h * v, :, :].view(mcus.shape).copy_(mcus)
    for i, component in enumerate(chroma, start=h * v):
        units[..., i, :, :] = component
    return units.flatten(-3).movedim(-1, -3)


def unstack_mcus(code: Tensor, factors: tuple[int, int]) -> tuple[Tensor, ...]:
    """Components of a code, the inverse of `stack_mcus`."""
    h, v = factors
    units = code.movedim(-3, -1)
    *batch, rows, columns, channels = units.shape
    units = units.reshape(*batch, rows, columns, channels // 64, 8, 8)
    luma = units[..., : h * v, :, :].reshape(*batch, rows, columns, v, h, 8, 8).transpose(-5, -4)
    return luma.reshape(*batch, rows * v, columns * h, 8, 8), *units[..., h * v :, :, :].unbind(-3)


def pad_to_mcus(blocks: Tensor, factors: tuple[int, int]) -> Tensor:
    """Luma blocks of coefficients ``(..., rows, columns, 8, 8)``, padded to whole MCUs as libjpeg does.

    A block that only pads has zero AC coefficients and the DC of the block before it in its MCU.

    Source: libjpeg's ``jccoefct.c``.

    Example:
        >>> pad_to_mcus(torch.ones(1, 1, 8, 8), (2, 2))[1, 1, 0]
        tensor([1., 0., 0., 0., 0., 0., 0., 0.])
    """
    h, v = factors
    right, bottom = -blocks.shape[-3] % h, -blocks.shape[-4] % v
    if right:
        dc = blocks[..., -1:, 0, 0].expand(*blocks.shape[:-3], right)
        blocks = torch.cat([blocks, _dc_only(dc)], -3)
    if bottom:
        dc = blocks[..., -1:, h - 1 :: h, 0, 0].repeat_interleave(h, -1)
        blocks = torch.cat([blocks, _dc_only(dc.expand(*dc.shape[:-2], bottom, -1))], -4)
    return blocks


def _dc_only(dc: Tensor) -> Tensor:
    blocks = dc.new_zeros(*dc.shape, 8, 8)
    blocks[..., 0, 0] = dc
    return blocks
