"""Decoding of scale factors (ISO 11172-3, 2.4.1.7, 2.4.2.7; ISO 13818-3, 2.4.3.2)."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from ..compile import inlined, kernel
from ._addresses import bits_at, put_byte, put_word
from ._bands import MPEG1_BITS, MPEG2_BITS, MPEG2_RANGES, NUM_PLACES, PARTITIONS

GROUPS = np.array([0, 6, 11, 16, 21])  # bands that share a bit of scfsi
# Places where runs begin and end. Numba would compile a kernel for each literal that stands in a call of it.
_FIRST, _5_END, _7_END, _SHORT, _10_END, _SHORT_5_END, _LONG_END, _SHORT_END = (
    np.int64(i) for i in (0, 6, 8, 9, 11, 18, 21, 36)
)
_ZERO, _ONE, _8, _32, _64 = (np.uint64(i) for i in (0, 1, 8, 32, 64))


@inlined
def _spread(bits, width):
    """The first eight numbers of ``width`` bits, 7 at most, of a window as eight bytes, first one highest.

    Halves are moved apart until each number has a byte of its own.
    """
    numbers = bits >> (_64 - _8 * width)
    half = np.uint64(4) * width
    numbers = (numbers >> half) << _32 | numbers & ((_ONE << half) - _ONE)
    half = np.uint64(2) * width
    mask = ((_ONE << half) - _ONE) * np.uint64(0x0000000100000001)
    numbers = ((numbers >> half) & mask) << np.uint64(16) | numbers & mask
    mask = ((_ONE << width) - _ONE) * np.uint64(0x0001000100010001)
    return ((numbers >> width) & mask) << _8 | numbers & mask


@inlined
def _clear(factors):
    """Set all places to 0."""
    for place in (0, 8, 16, 24, NUM_PLACES - 8):
        put_word(factors + np.uint64(place), _ZERO)


@kernel
def _run(position, size, factors, first, last):
    """Scale factors of ``size`` bits each, into places ``first`` to ``last``; the position behind them.

    Places behind may be set to 0: runs follow each other upwards.
    """
    if size == 0:
        return position
    width, place, left = np.uint64(size), np.uint64(first), np.uint64(last - first)
    while left > _ZERO:
        count = min(left, _8)
        numbers = _spread(bits_at(position) & (~_ZERO << (_64 - count * width)), width)
        if place <= np.uint64(NUM_PLACES - 8):
            put_word(factors + place, numbers)
        else:
            for i in range(count):
                put_byte(factors + place + i, numbers >> (np.uint64(56) - _8 * i))
        position += count * width
        place += count
        left -= count
    return position


@kernel
def read_mpeg1(position, granule, before, scfsi):
    """Scale factors of MPEG-1: the position behind them.

    Args:
        position: Where they begin.
        granule: Side information; gets the scale factors.
        before: The same channel's granule before, in the second granule of a frame.
        scfsi: Groups of bands that take their scale factors from there, 0 in the first granule.
    """
    lower, upper = (
        np.int64(MPEG1_BITS[0, granule.scalefac_compress]),
        np.int64(MPEG1_BITS[1, granule.scalefac_compress]),
    )
    factors = np.uint64(granule.scale_factors.ctypes.data)
    _clear(factors)
    if granule.block_type == 2:
        first = _FIRST
        if granule.mixed:
            position = _run(position, lower, factors, _FIRST, _7_END)
            first = _SHORT
        position = _run(position, lower, factors, first, _SHORT_5_END)
        return _run(position, upper, factors, _SHORT_5_END, _SHORT_END)
    if scfsi == 0:
        position = _run(position, lower, factors, _FIRST, _10_END)
        return _run(position, upper, factors, _10_END, _LONG_END)
    for group in range(4):
        start, stop = GROUPS[group], GROUPS[group + 1]
        if scfsi & (8 >> group):
            for place in range(start, stop):
                granule.scale_factors[place] = before.scale_factors[place]
        else:
            position = _run(position, lower if group < 2 else upper, factors, start, stop)
    return position


@kernel
def read_mpeg2(position, granule, intensity):
    """Scale factors of MPEG-2; ``intensity`` says that they are positions of intensity stereo. The position behind."""
    half = np.int64(intensity)
    compress = np.int64(granule.scalefac_compress)
    kind = 1 + np.int64(granule.mixed) if granule.block_type == 2 else 0
    chosen = np.int64(MPEG2_RANGES[half, compress])
    granule.preflag = chosen == 2
    factors = np.uint64(granule.scale_factors.ctypes.data)
    _clear(factors)
    place = _FIRST
    for partition in range(4):
        stop = place + np.int64(PARTITIONS[chosen, kind, partition])
        size = np.int64(MPEG2_BITS[half, compress, partition])
        if kind == 2 and partition == 0:
            # Long bands 0 to 5, and then short ones, whose places begin at 9.
            position = _run(position, size, factors, _FIRST, _5_END)
            place, stop = _SHORT, stop + 3
        position = _run(position, size, factors, place, stop)
        place = stop
    return position
