"""Chroma of one subsampling brought to another, without decoding it."""

from functools import lru_cache
from math import log2
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossy_lightning.bitstream.jpeg import BlockWindow, JPEGHeader
from lossy_lightning.codecs.standards._jpeg_chroma import double, halve, put, scaled
from lossy_lightning.core import InputError
from lossy_lightning.functional import SAMPLING_FACTORS

Factors = tuple[tuple[int, int], ...]


class ChromaPlane(NamedTuple):
    """Blocks of chroma as a file has them, and where they go.

    Attributes:
        blocks: ``(rows, columns, 64)``, those that the window needs.
        window: Where the file has them.
        have: ``(h, v)``, luma's samples to one of chroma in the file.
        want: The same in the code.
        out: ``(rows, columns, 64)``, where the blocks of the code go.
        skip: Rows and columns of the code's blocks that come before those.
    """

    blocks: NDArray[np.int16]
    window: BlockWindow
    have: tuple[int, int]
    want: tuple[int, int]
    out: NDArray[np.int16]
    skip: tuple[int, int]


@lru_cache(256)
def ratios(sampling_factors: Factors) -> list[tuple[float, float]]:
    """Luma's samples to one of each chroma component, along the width and the height."""
    (h, v), *chroma = sampling_factors
    return [(h / x, v / y) for x, y in chroma]


def subsampling_of(sampling_factors: Factors) -> str:
    """Name of a chroma subsampling."""
    found = set(ratios(sampling_factors))
    return next((name for name, pair in SAMPLING_FACTORS.items() if found == {pair}), f"the ratios {found}")


@lru_cache(256)
def check_ratios(sampling_factors: Factors, want: tuple[int, int]) -> None:
    """Check that a file's chroma can be brought to a subsampling.

    Raises:
        ValueError: If it is sampled finer than luma, or not at a power of two times what is wanted.
    """
    for have in ratios(sampling_factors):
        if min(have) < 1:
            raise InputError(f"chroma is sampled finer than luma, {have}: decode the file and encode its pixels")
        if any(log2(wanted / got) % 1 for got, wanted in zip(have, want, strict=True)):
            raise InputError(f"chroma sampled at {have} of luma cannot be brought to {want} by halving and doubling")


def chroma_plane(
    header: JPEGHeader, component: int, want: tuple[int, int], out: NDArray[np.int16], start: tuple[int, int]
) -> ChromaPlane:
    """Room for the blocks of a chroma component that are needed for blocks of another subsampling.

    Args:
        header: Of the file.
        component: 1 or 2.
        want: ``(h, v)``, luma's samples to one of chroma in the code.
        out: ``(rows, columns, 64)``, where the code's blocks go.
        start: Row and column of the first of them.
    """
    (h, v), (x, y) = header.sampling_factors[0], header.sampling_factors[component]
    have = h // x, v // y
    sides = zip(start, out.shape[:2], have[::-1], want[::-1], header.grids[component], strict=True)
    places = [_needed(*side) for side in sides]
    (top, rows, above), (left, columns, before) = places
    blocks = np.empty((rows, columns, 64), np.int16)
    return ChromaPlane(blocks, BlockWindow(blocks, top, left), have, want, out, (above, before))


def resample(plane: ChromaPlane, table: NDArray[np.int32]) -> None:
    """Write a code's blocks: averaged or repeated coefficients, rounded to whole numbers, of a table of ones.

    Args:
        plane: Filled.
        table: ``(8, 8)``, the quantization table of its blocks.
    """
    values = scaled(plane.blocks, table)
    for axis, got, wanted in zip((1, 0), plane.have, plane.want, strict=True):
        while got < wanted:
            values, got = halve(values, axis), 2 * got
        while got > wanted:
            values, got = double(values, axis), got // 2
    (above, before), (rows, columns, _) = plane.skip, plane.out.shape
    put(np.ascontiguousarray(values[above : above + rows, before : before + columns]), plane.out)


def _needed(start: int, length: int, have: int, want: int, total: int) -> tuple[int, int, int]:
    """First block of a file and number of blocks along an axis for some of the code, and what is too much before."""
    first = start * want // have
    last = min(total, -(-(start + length) * want // have))
    return first, last - first, start - first * have // want
