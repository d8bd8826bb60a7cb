"""Decoding of single blocks, sequential (T.81 annex F) and progressive (annex G).

Data that are no code, and runs that leave their block, are read as libjpeg reads them, and told by the status: a code
that there is none of takes 17 bits and means 0, a coefficient behind the last one is written over the last one.

Every kernel takes and returns the stream's position in bits. It never reads more than ``PADDING`` bytes behind the
stream, because a block has at most 64 symbols; the caller checks the position after each block.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._bits import refill, top_bits, window
from .._status import OK
from ..compile import inlined, kernel
from ._huffman import FAST_BITS, FAST_READ, extend, next_symbol
from ._records import BAD_CODE, BAD_RUN
from ._tables import NATURAL_ORDER

_FAST_SHIFT = np.uint64(64 - FAST_BITS)
_LOOKUPS = 56 // FAST_READ  # that one window is sure to feed
_ONE, _SEVEN, _12, _15, _17, _32, _48, _63, _64 = (np.uint64(i) for i in (1, 7, 12, 15, 17, 32, 48, 63, 64))
_LOW5 = np.uint64(31)
_ZERO = np.uint64(0)


@inlined
def _last_value(entry, bits, length):
    """The last value of an entry of ``fast``, low 16 bits: what the table knows, and the bits that it has not seen."""
    return (entry >> _48) + ((bits >> (_64 - length)) & np.uint64(np.uint32(entry) >> np.uint32(17)))


@inlined
def dc_difference(bits, count, table):
    """Difference of a DC coefficient (T.81 F.2.2.1): window and its count behind it, difference, status."""
    entry = table.fast[bits >> _FAST_SHIFT]
    if entry != 0:
        length = entry & _63
        return bits << length, count - length, np.int64(np.int16(_last_value(entry, bits, length))), OK
    code, size = next_symbol(table, bits)
    if code == 0:
        return bits << _17, count - _17, np.int64(0), BAD_CODE
    length, size = np.uint64(code), np.uint64(size)
    bits <<= length
    return bits << size, count - length - size, extend(top_bits(bits, size), np.int64(size)), OK


@inlined
def ac_coefficients(stream, bits, count, index, table, block):
    """The AC coefficients of a sequential block that holds zeros (T.81 F.2.2.2): running window behind them, status.

    Two coefficients are always written, so that the only branches are those that leave the inner loop.
    """
    k = _ONE
    while True:
        bits, count, index = refill(stream, bits, count, index)
        for _ in range(_LOOKUPS):
            entry = table.fast[bits >> _FAST_SHIFT]
            if entry == _ZERO:
                bits, count, index = refill(stream, bits, count, index)
                k, length, error = _long_coefficient(bits, table, block, k)
                bits <<= length
                count -= length
                if error != OK or k > _63:
                    return bits, count, index, error
                break
            length = entry & _63
            first, last = k + ((entry >> _SEVEN) & _LOW5), k + ((entry >> _12) & _LOW5)
            block[np.uint64(NATURAL_ORDER[first])] = entry >> _32
            block[np.uint64(NATURAL_ORDER[last])] = _last_value(entry, bits, length)
            k = (last + _ONE) | (entry & _64)
            if k > _63:
                error = OK
                if last > _63 or (last == _63 and entry & _64 != _ZERO):
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


@inlined
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


@kernel
def ac_first(stream, position, table, out, base, start, end, low):
    """First scan of a band of AC coefficients (T.81 G.1.2.2): position, further blocks that end here, status."""
    k = start
    while k <= end:
        bits = window(stream, position)
        length, symbol = next_symbol(table, bits)
        if length == 0:
            return position + _17, np.int64(0), BAD_CODE
        run, size = symbol >> 4, symbol & 15
        position += np.uint64(length)
        bits <<= np.uint64(length)
        if size > 0:
            k += run
            value = extend(top_bits(bits, np.uint64(size)), size) << low
            out[base + np.uint64(NATURAL_ORDER[k & 127])] = value
            position += np.uint64(size)
            if k > end:
                return position, np.int64(0), BAD_RUN
            k += 1
        elif run == 15:
            k += 16
        else:
            return position + np.uint64(run), (np.int64(1) << run) - 1 + top_bits(bits, np.uint64(run)), OK
    return position, np.int64(0), OK


@kernel
def ac_refine(stream, position, table, out, base, start, end, low, ended):
    """One more bit for a band of AC coefficients (T.81 G.1.2.3): position, further blocks that end here, status.

    ``ended`` says that an earlier block's EOBn run covers this block, which then holds correction bits only.
    """
    k, blocks, error = start, np.int64(0), OK
    while k <= end and not ended:
        bits = window(stream, position)
        length, symbol = next_symbol(table, bits)
        if length == 0:
            position, error, ended = position + _17, BAD_CODE, True
            break
        run, size = symbol >> 4, symbol & 15
        position += np.uint64(length)
        bits <<= np.uint64(length)
        value = np.int64(0)
        if size > 0:  # libjpeg reads one bit whatever the size; T.81 allows size 1 only
            value = (np.int64(1) if bits >> _63 else np.int64(-1)) << low
            position += _ONE
        elif run < 15:
            blocks = (np.int64(1) << run) - 1 + top_bits(bits, np.uint64(run))
            position += np.uint64(run)
            ended = True
            break
        k, position = _refine_run(stream, position, out, base, k, end, low, run)
        if value != 0:
            out[base + np.uint64(NATURAL_ORDER[k & 127])] = value
            error = OK if k <= end else BAD_RUN
        k += 1
    if ended:
        k, position = _refine_run(stream, position, out, base, k, end, low, np.int64(64))
    return position, blocks, error


@kernel
def _refine_run(stream, position, out, base, k, end, low, run):
    """Correct nonzero coefficients up to the zero behind ``run`` zeros: that one's index, and the position."""
    while k <= end:
        at = base + np.uint64(NATURAL_ORDER[k & 127])
        old = np.int64(out[at])
        if old == 0:
            if run == 0:
                break
            run -= 1
        else:
            if window(stream, position) >> _63 and (abs(old) >> low) & 1 == 0:
                out[at] = old + ((np.int64(1) << low) if old > 0 else -(np.int64(1) << low))
            position += _ONE
        k += 1
    return k, position
