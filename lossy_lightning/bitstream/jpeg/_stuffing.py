"""Segments of entropy-coded bytes: byte stuffing removed, and where a byte stood before."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._bits import copy_word
from ..compile import kernel

PADDING = 320  # zero bytes behind a stream: more than one block (64 symbols of at most 31 bits) and one window can read
MOST_PADDING = 10 * PADDING  # if data that end early are filled, and an MCU is read to its end

_ONES = np.uint64(0x0101010101010101)
_HIGHS = np.uint64(0x8080808080808080)
_U1, _U8 = np.uint64(1), np.uint64(8)


@kernel
def unstuff(data, position, end, stream):
    """Copy one entropy-coded segment without its stuffed zeros and pad it with zeros (T.81 F.1.2.3, B.1.1.5).

    Returns:
        Number of bytes copied, and the position of the marker that ends the segment (``end`` if there is none).
    """
    source, stop, count = np.uint64(position), np.uint64(end), np.uint64(0)
    while source < stop:
        while source + _U8 <= stop:
            word = copy_word(data, source, stream, count)
            if ((~word) - _ONES) & word & _HIGHS:  # one of the bytes is 0xFF
                break
            source += _U8
            count += _U8
        while source < stop and data[source] != 0xFF:
            stream[count] = data[source]
            source += _U1
            count += _U1
        if source == stop:
            break
        code = source + _U1
        while code < stop and data[code] == 0xFF:  # fill bytes
            code += _U1
        if code == stop or data[code] != 0:
            source = code - _U1 if code < stop else stop
            break
        stream[count] = 0xFF
        count += _U1
        source = code + _U1
    for i in range(PADDING):
        stream[count + np.uint64(i)] = 0
    return np.int64(count), np.int64(source)


@kernel
def pad_further(stream, count):
    """Put ``MOST_PADDING`` zeros behind a stream of that many bytes, which has ``PADDING`` already."""
    for i in range(PADDING, MOST_PADDING):
        stream[np.uint64(count + i)] = 0


@kernel
def stuffed_position(data, position, end, count):
    """Where in the file byte number ``count`` of the segment that starts at ``position`` stands, at most ``end``."""
    while position < end and count > 0:
        if data[position] == 0xFF:
            while position + 1 < end and data[position + 1] == 0xFF:
                position += 1
            position += 1
        position += 1
        count -= 1
    return min(position, end)
