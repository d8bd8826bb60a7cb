"""Decoding of single blocks, sequential (T.81 annex F) and progressive (annex G).

Every kernel takes and returns the stream's position in bits. It never reads more than ``PADDING`` bytes behind the
stream, because a block has at most 64 symbols; the caller checks the position after each block.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from ._bits import extend, top_bits, window
from ._compile import inlined, kernel
from ._frames import BAD_CODE, BAD_RUN, OK
from ._huffman import FAST_BITS, next_symbol
from ._tables import NATURAL_ORDER

_FAST_SHIFT = np.uint64(64 - FAST_BITS)
_LOOKUPS = 57 // FAST_BITS - 1  # of AC coefficients that one window is sure to feed behind a DC difference
_ONE, _SEVEN, _11, _16, _63, _64 = (np.uint64(i) for i in (1, 7, 11, 16, 63, 64))
_LOW4, _LOW5 = (np.uint64((1 << i) - 1) for i in (4, 5))
_ZERO = np.uint64(0)


@inlined
def dc_difference(stream, position, table):
    """Difference of a DC coefficient (T.81 F.2.2.1): position and window behind it, difference, status."""
    bits = window(stream, position)
    entry = table.fast[bits >> _FAST_SHIFT]
    if entry != 0:
        length = np.uint64(entry) & _63
        return position + length, bits << length, np.int64(np.int32(entry) >> np.int32(16)), OK
    code, size = next_symbol(table, bits)
    if code == 0:
        return position + _16, bits, np.int64(0), BAD_CODE
    difference = extend(top_bits(bits << np.uint64(code), np.uint64(size)), size)
    position += np.uint64(code + size)
    return position, window(stream, position), difference, OK


@inlined
def ac_coefficients(stream, position, bits, table, out, base):
    """The AC coefficients of a sequential block that holds zeros (T.81 F.2.2.2): position behind them, status.

    ``bits`` is the window at ``position``; it must feed ``_LOOKUPS`` look-ups.

    An entry of ``fast`` is one or two whole coefficients and whether the block ends. Two are always written, the later
    one first, so that the only branches are those that leave the loop.
    """
    k = _ONE
    while True:
        for _ in range(_LOOKUPS):
            signed = np.int32(table.fast[bits >> _FAST_SHIFT])
            entry = np.uint64(np.uint32(signed))
            if entry == _ZERO:
                k, position, error = _long_coefficient(stream, position, table, out, base, k)
                if error != OK or k > _63:
                    return position, error
                break
            first, second = k + ((entry >> _SEVEN) & _LOW4), k + ((entry >> _11) & _LOW5)
            out[base + np.uint64(NATURAL_ORDER[second])] = np.int8(signed >> np.int32(16))
            out[base + np.uint64(NATURAL_ORDER[first])] = signed >> np.int32(24)
            k = (second + _ONE) | (entry & _64)
            if k > _63:
                if second < _63 or (second == _63 and first < _63):
                    return position + (entry & _63), OK
                if first > _63 or (second > _63 and first < _63):
                    return position + (entry & _63), BAD_RUN
                # the block is full: what else the entry holds belongs to the next one
                code, symbol = next_symbol(table, window(stream, position))
                return position + np.uint64(code + (symbol & 15)), OK
            bits <<= entry & _63
            position += entry & _63
        bits = window(stream, position)


@inlined
def _long_coefficient(stream, position, table, out, base, k):
    """A symbol that ``fast`` does not hold: the next index, 64 at the end of the block, position, status."""
    bits = window(stream, position)
    code, symbol = next_symbol(table, bits)
    if code == 0:
        return k, position + _16, BAD_CODE
    run, size = symbol >> 4, symbol & 15
    position += np.uint64(code + size)
    if size == 0 and run < 15:
        return _64, position, OK
    k += np.uint64(run)
    if size > 0:
        out[base + np.uint64(NATURAL_ORDER[k])] = extend(top_bits(bits << np.uint64(code), np.uint64(size)), size)
    return k + _ONE, position, OK if k <= _63 else BAD_RUN


@kernel
def ac_first(stream, position, table, out, base, start, end, low):
    """First scan of a band of AC coefficients (T.81 G.1.2.2): position, further blocks that end here, status."""
    k = start
    while k <= end:
        bits = window(stream, position)
        length, symbol = next_symbol(table, bits)
        if length == 0:
            return position + _16, np.int64(0), BAD_CODE
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
    k, blocks = start, np.int64(0)
    while k <= end and not ended:
        bits = window(stream, position)
        length, symbol = next_symbol(table, bits)
        if length == 0:
            return position + _16, np.int64(0), BAD_CODE
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
            if k > end:
                return position, np.int64(0), BAD_RUN
            out[base + np.uint64(NATURAL_ORDER[k & 127])] = value
        k += 1
    if ended:
        k, position = _refine_run(stream, position, out, base, k, end, low, np.int64(64))
    return position, blocks, OK


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
