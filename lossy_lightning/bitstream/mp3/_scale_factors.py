"""Decoding of scale factors (ISO 11172-3, 2.4.1.7, 2.4.2.7; ISO 13818-3, 2.4.3.2)."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._bits import window
from ..compile import kernel
from ._bands import MPEG1_BITS, MPEG2_BITS, MPEG2_RANGES, NUM_PLACES, PARTITIONS

GROUPS = np.array([0, 6, 11, 16, 21])  # bands that share a bit of scfsi
_64 = np.uint64(64)


@kernel
def _run(stream, position, size, factors, first, last):
    """Scale factors of ``size`` bits each, into places ``first`` to ``last``; the position behind them."""
    if size == 0:
        for place in range(first, last):
            factors[place] = 0
        return position
    width = np.uint64(size)
    while first < last:
        bits = window(stream, position)
        stop = min(last, first + 57 // size)
        position += np.uint64(stop - first) * width
        for place in range(first, stop):
            factors[place] = bits >> (_64 - width)
            bits <<= width
        first = stop
    return position


@kernel
def read_mpeg1(stream, position, granule, before, scfsi):
    """Scale factors of MPEG-1: the position behind them.

    Args:
        stream: Main data.
        position: Bit that they begin with.
        granule: Side information; gets the scale factors.
        before: The same channel's granule before, in the second granule of a frame.
        scfsi: Groups of bands that take their scale factors from there, 0 in the first granule.
    """
    lower, upper = (
        np.int64(MPEG1_BITS[0, granule.scalefac_compress]),
        np.int64(MPEG1_BITS[1, granule.scalefac_compress]),
    )
    factors = granule.scale_factors
    if granule.block_type == 2:
        first = 0
        if granule.mixed:
            position = _run(stream, position, lower, factors, 0, 8)
            factors[8] = 0
            first = 9
        position = _run(stream, position, lower, factors, first, 18)
        position = _run(stream, position, upper, factors, 18, 36)
        first = 36
    elif scfsi == 0:
        position = _run(stream, position, lower, factors, 0, 11)
        position = _run(stream, position, upper, factors, 11, 21)
        first = 21
    else:
        for group in range(4):
            start, stop = GROUPS[group], GROUPS[group + 1]
            if scfsi & (8 >> group):
                for place in range(start, stop):
                    factors[place] = before.scale_factors[place]
            else:
                position = _run(stream, position, lower if group < 2 else upper, factors, start, stop)
        first = 21
    for place in range(first, NUM_PLACES):
        factors[place] = 0
    return position


@kernel
def read_mpeg2(stream, position, granule, intensity):
    """Scale factors of MPEG-2; ``intensity`` says that they are positions of intensity stereo. The position behind."""
    half = np.int64(intensity)
    compress = np.int64(granule.scalefac_compress)
    kind = 1 + np.int64(granule.mixed) if granule.block_type == 2 else 0
    chosen = np.int64(MPEG2_RANGES[half, compress])
    granule.preflag = chosen == 2
    factors = granule.scale_factors
    place = np.int64(0)
    for partition in range(4):
        stop = place + np.int64(PARTITIONS[chosen, kind, partition])
        size = np.int64(MPEG2_BITS[half, compress, partition])
        if kind == 2 and partition == 0:
            # Long bands 0 to 5, and then short ones, whose places begin at 9.
            position = _run(stream, position, size, factors, 0, 6)
            position = _run(stream, position, size, factors, 9, stop + 3)
            for unused in range(6, 9):
                factors[unused] = 0
            place = stop + 3
        else:
            position = _run(stream, position, size, factors, place, stop)
            place = stop
    for unused in range(place, NUM_PLACES):
        factors[unused] = 0
    return position
