"""Decoding of single blocks of sequential scans (T.81 annex F).

Data that are no code, and runs that leave their block, are read as libjpeg reads them, and told by the status: a code
that there is none of takes 17 bits and means 0, a coefficient behind the last one is written over the last one.

Kernels take a running window of the stream and return it. They never read more than ``PADDING`` bytes behind the
stream, because a block has at most 64 symbols; the caller checks the position after each block.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._bits import refill, top_bits
from .._status import OK
from ..compile import inlined, kernel
from ._huffman import FAST_BITS, FAST_READ, extend, next_symbol
from ._records import BAD_CODE, BAD_RUN
from ._tables import NATURAL_ORDER, PLACE_BEFORE

FAST_SHIFT = np.uint64(64 - FAST_BITS)
LOOKUPS = 56 // FAST_READ  # that one window is sure to feed
_ZERO, _ONE, _7, _8, _15, _16, _17 = (np.uint64(i) for i in (0, 1, 7, 8, 15, 16, 17))
_32, _48, _63, _64, _127, _255 = (np.uint64(i) for i in (32, 48, 63, 64, 127, 255))


@inlined
def last_value(entry, bits, length):
    """The last value of an entry of ``fast``, low 16 bits: what the table knows, and the bits that it has not seen."""
    return (entry >> _48) + ((bits >> (_64 - length)) & np.uint64(np.uint32(entry) >> np.uint32(24)))


@inlined
def dc_difference(bits, count, table):
    """Difference of a DC coefficient (T.81 F.2.2.1): window and its count behind it, difference, status."""
    entry = table.fast[bits >> FAST_SHIFT]
    if entry != 0:
        length = entry & _255
        return bits << length, count - length, np.int64(np.int16(last_value(entry, bits, length))), OK
    code, size = next_symbol(table, bits)
    if code == 0:
        return bits << _17, count - _17, np.int64(0), BAD_CODE
    length, size = np.uint64(code), np.uint64(size)
    bits <<= length
    return bits << size, count - length - size, extend(top_bits(bits, size), np.int64(size)), OK


@inlined
def ac_coefficients(stream, bits, count, index, table, block, wanted):
    """The AC coefficients of a sequential block that holds zeros (T.81 F.2.2.2): running window behind them, status.

    Two coefficients are always written, so that the only branches are those that leave the inner loop. A block that
    is not ``wanted``, a constant where this is inlined, is passed: a few of its coefficients are written, if any.
    """
    k = _ONE
    while True:
        bits, count, index = refill(stream, bits, count, index)
        for _ in range(LOOKUPS):
            entry = table.fast[bits >> FAST_SHIFT]
            if entry == _ZERO:
                bits, count, index = refill(stream, bits, count, index)
                k, length, error = _long_coefficient(bits, table, block, k)
                bits <<= length
                count -= length
                if error != OK or k > _63:
                    return bits, count, index, error
                break
            length, first = entry & _255, k + ((entry >> _8) & _255)
            k += (entry >> _16) & _255
            if wanted:
                block[np.uint64(NATURAL_ORDER[first])] = entry >> _32
                block[np.uint64(PLACE_BEFORE[k])] = last_value(entry, bits, length)
            if k > _63:
                error = OK
                if (k & _127) + (k >> _7) > _64:  # behind index 63, or at the end of a block that needs none
                    if first >= _63:  # the block is full: what else the entry holds belongs to the next one
                        length = _first_alone(table, bits, entry, block)
                    error = OK if first == _63 else BAD_RUN
                return bits << length, count - length, index, error
            bits <<= length
            count -= length


@kernel
def _first_alone(table, bits, entry, block):
    """Write the first coefficient of an entry of ``fast`` at the end of the block; the bits that it takes."""
    block[_63] = entry >> _32
    code, symbol = next_symbol(table, bits)
    return np.uint64(code + (symbol & 15))


@kernel
def _long_coefficient(bits, table, block, k):
    """A symbol that ``fast`` does not hold: the next index, 64 at the end of the block, bits used up, status."""
    code, symbol = next_symbol(table, bits)
    if code == 0:
        return k, _17, BAD_CODE
    run, size = np.uint64(symbol >> 4), np.uint64(symbol & 15)
    length = np.uint64(code)
    if size == _ZERO and run < _15:
        return _64, length, OK
    k += run
    if size > _ZERO:
        block[np.uint64(NATURAL_ORDER[k])] = extend(top_bits(bits << length, size), np.int64(size))
    return k + _ONE, length + size, OK if k <= _63 else BAD_RUN
