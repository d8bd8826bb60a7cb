"""Minimum coded units (MCUs) of a JPEG image: the blocks of one patch of it, stacked as channels."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

AnyArray = TypeVar("AnyArray", Tensor, NDArray[Any])

#: Luma's horizontal and vertical sampling factors; those of chroma are 1.
SAMPLING_FACTORS = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2), "4:4:0": (1, 2), "4:1:1": (4, 1)}


class MCULayout(NamedTuple):
    """What the channels of a code are.

    Attributes:
        factors: ``(h, v)``, luma's sampling factors; ``(1, 1)`` for grey.
        components: 1 (grey) or 3.
        has_tables: Whether 64 channels of quantization table follow for each component.
    """

    factors: tuple[int, int]
    components: int
    has_tables: bool

    @property
    def luma_blocks(self) -> int:
        """Blocks of luma in an MCU."""
        return self.factors[0] * self.factors[1]

    @property
    def block_components(self) -> tuple[int, ...]:
        """Component of each block of an MCU: 0 is luma, 1 Cb, 2 Cr."""
        return (0,) * self.luma_blocks + tuple(range(1, self.components))


def mcu_layout(channels: int | None, chroma_subsampling: str) -> MCULayout:
    """What the channels of a code are, of that chroma subsampling or grey.

    Args:
        channels: Number of channels, tables included.
        chroma_subsampling: ``"4:4:4"``, ``"4:2:2"``, ``"4:2:0"``, ``"4:4:0"`` or ``"4:1:1"``.

    Raises:
        ValueError: If the subsampling is none of these, or no such code has that many channels.

    Example:
        >>> mcu_layout(384, "4:2:0").block_components
        (0, 0, 0, 0, 1, 2)
    """
    if chroma_subsampling not in SAMPLING_FACTORS:
        raise ValueError(f"chroma_subsampling must be one of {list(SAMPLING_FACTORS)}; got {chroma_subsampling!r}")
    layouts = [
        MCULayout(factors, components, has_tables)
        for factors, components in (((1, 1), 1), (SAMPLING_FACTORS[chroma_subsampling], 3))
        for has_tables in (False, True)
    ]
    counts = {64 * (len(each.block_components) + each.components * each.has_tables): each for each in layouts}
    if channels not in counts:
        raise ValueError(
            f"codes of JPEG with chroma subsampling {chroma_subsampling} have {', '.join(map(str, counts))} channels; "
            f"got {channels}: pass the codec's chroma_subsampling"
        )
    return counts[channels]


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


def write_mcus(components: Sequence[AnyArray], factors: tuple[int, int], units: AnyArray) -> None:
    """Stack the blocks of MCUs as channels, in memory that is there already; all tensors, or all NumPy arrays.

    NumPy copies the blocks of one image in a third of torch's time.

    Args:
        components: Luma ``(..., v * rows, h * columns, 8, 8)``, then none or two chroma ``(..., rows, columns, 8, 8)``.
        factors: ``(h, v)``, luma's sampling factors; ``(1, 1)`` for grey.
        units: Written to, ``(..., rows, columns, channels)``: the blocks of luma row by row, then Cb, then Cr.

    Example:
        >>> import numpy as np
        >>> units = np.empty((2, 3, 64))
        >>> write_mcus([np.ones((2, 3, 8, 8))], (1, 1), units)
        >>> units.sum()
        np.float64(384.0)
    """
    h, v = factors
    luma, *chroma = components
    *batch, rows, columns, channels = units.shape
    blocks = units.reshape(*batch, rows, columns, channels // 64, 8, 8)
    mcus = blocks[..., : h * v, :, :].reshape(*batch, rows, columns, v, h, 8, 8)
    mcus[...] = luma.reshape(*batch, rows, v, columns, h, 8, 8).swapaxes(-5, -4)
    for i, component in enumerate(chroma, start=h * v):
        blocks[..., i, :, :] = component


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
