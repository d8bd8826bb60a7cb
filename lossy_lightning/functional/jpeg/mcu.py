"""Minimum coded units (MCUs) of a JPEG image: the blocks of one patch of it."""

import torch
from torch import Tensor

#: Luma's horizontal and vertical sampling factors; those of chroma are 1.
SAMPLING_FACTORS = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2), "4:4:0": (1, 2), "4:1:1": (4, 1)}


def spread(features: Tensor, factors: tuple[int, int]) -> Tensor:
    """Channels moved to a finer grid: ``(N, v * h * C, H, W)`` to ``(N, C, v * H, h * W)``.

    The first channels of a cell are those of its top left, then row by row: pixel shuffle, but position first.

    Args:
        features: Of a coarse grid, such as luma's blocks stacked by MCU.
        factors: ``(h, v)``, horizontal and vertical.

    Example:
        >>> spread(torch.arange(4).view(1, 4, 1, 1), (2, 2))[0, 0]
        tensor([[0, 1],
                [2, 3]])
    """
    h, v = factors
    batch, channels, height, width = features.shape
    cells = features.reshape(batch, v, h, channels // (h * v), height, width)
    return cells.permute(0, 3, 4, 1, 5, 2).reshape(batch, channels // (h * v), v * height, h * width)


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


def zigzag() -> list[int]:
    """Channels of a block, ``8 * v + u``, in the order of a JPEG file: low frequencies first.

    Source: ITU-T T.81 (1992), figure A.6.

    Example:
        >>> zigzag()[:6]
        [0, 1, 8, 16, 9, 2]
    """
    places = [(v, u) for v in range(8) for u in range(8)]
    return [8 * v + u for v, u in sorted(places, key=lambda p: (sum(p), p[0] if sum(p) % 2 else p[1]))]


def repeat(features: Tensor, factors: tuple[int, int]) -> Tensor:
    """Each cell ``(h, v)`` times: ``(N, C, H, W)`` to ``(N, C, v * H, h * W)``."""
    h, v = factors
    if h * v == 1:
        return features
    return features.repeat_interleave(v, -2).repeat_interleave(h, -1)
