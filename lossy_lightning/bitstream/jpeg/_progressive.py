"""Decoding of progressive scans (T.81 annex G), into blocks whose coefficients stand in the order of the zigzag.

In that order a band of frequencies is a run of places, and what a scan refines is a mask of 64 bits: coefficients that
are not zero are passed, and zeros are counted, several at a time. `to_natural_order` ends such a file.

What is no code, and runs that leave their band, are read as libjpeg reads them, as in ``_blocks``.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._bits import borrowed, lowest_one, nonzero64, permutation64, refill, top_bits
from .._status import OK
from ..compile import inlined, kernel, merged
from ._blocks import FAST_SHIFT, LOOKUPS, dc_difference, last_value
from ._huffman import extend, next_symbol
from ._records import BAD_CODE, BAD_RUN, TRUNCATED
from ._tables import NATURAL_ORDER

_ZERO, _ONE, _U3, _7, _8, _15, _16, _17 = (np.uint64(i) for i in (0, 1, 3, 7, 8, 15, 16, 17))
_32, _63, _127, _255 = (np.uint64(i) for i in (32, 63, 127, 255))
_to_natural = permutation64(np.argsort(NATURAL_ORDER[:64]).tolist())


@kernel
def decode_dc(stream, size, mcu, stop, per_row, units, tables, out, high, low, fill):
    """MCUs ``mcu`` to ``stop`` of a DC scan (T.81 G.1.2.1): status, and position in bits."""
    bits, count, index = _ZERO, _ZERO, _ZERO
    position, end = _ZERO, np.uint64(8 * size)
    predictions = np.zeros(4, np.int64)
    stream, units, tables, out = borrowed(stream), borrowed(units), borrowed(tables), borrowed(out)
    row, column = mcu // per_row, mcu % per_row
    for _ in range(mcu, stop):
        for u in range(len(units)):
            unit = units[u]
            at = np.uint64(unit.first + row * unit.row_step + column * unit.column_step)
            error = OK
            bits, count, index = refill(stream, bits, count, index)
            if high == 0:
                bits, count, difference, error = dc_difference(bits, count, tables[np.uint64(unit.dc)])
                order = np.uint64(unit.order)
                predictions[order] += difference
                out[at] = predictions[order] << low
            else:
                out[at] |= top_bits(bits, _ONE) << low
                bits <<= _ONE
                count -= _ONE
            position = (index << _U3) - count
            if position > end:
                if not fill:
                    return TRUNCATED, position
                position = end + _ONE
            elif error != OK and not fill:
                return error, position
        if position > end:
            break
        column += 1
        if column == per_row:
            column, row = np.int64(0), row + 1
    return OK, position


@kernel
def decode_ac(stream, size, mcu, stop, per_row, units, tables, out, start, last, high, low, component, fill):
    """Blocks ``mcu`` to ``stop`` of an AC scan (T.81 G.1.2.2, G.1.2.3): status, and position in bits.

    ``component.again`` says that the band may hold something already, so that zeros of a first scan are not written.
    """
    bits, count, index = _ZERO, _ZERO, _ZERO
    position, end = _ZERO, np.uint64(8 * size)
    unit = units[0]
    table = tables[unit.ac]
    stream, out = borrowed(stream), borrowed(out)
    first, until, low = np.uint64(start), np.uint64(last), np.uint64(low)
    band = _ones(start, last)
    limit = _ZERO if component.again else until
    ended = np.int64(0)  # blocks left of an EOBn run
    row, column = mcu // per_row, mcu % per_row
    while mcu < stop:
        base = np.uint64(unit.first + row * unit.row_step + column * unit.column_step)
        error, done = OK, np.int64(1)
        if high != 0:
            bits, count, index, further, error = _refine(
                stream, bits, count, index, table, out, base, band, until, low, ended > 0
            )
            ended = ended - 1 if ended > 0 else further
        else:
            bits, count, index, ended, error = _first(
                stream, bits, count, index, table, out, base, first, until, limit, low
            )
            done += min(ended, stop - mcu - 1)
            ended = np.int64(0)
        position = (index << _U3) - count
        if position > end:
            return (OK if fill else TRUNCATED), position
        if error != OK:
            if not fill:
                return error, position
            component.begun, component.again = -1, 1
            limit = _ZERO
        mcu += done
        column += done
        while column >= per_row:
            column, row = column - per_row, row + 1
    return OK, position


@merged
def _first(stream, bits, count, index, table, out, base, k, end, limit, low):
    """First scan of a block's band: running window behind it, further blocks that end here, status.

    Entries of ``fast`` that end at ``limit`` or before are taken whole.
    """
    while k <= end:
        bits, count, index = refill(stream, bits, count, index)
        for _ in range(LOOKUPS):
            entry = table.fast[bits >> FAST_SHIFT]
            length, first, after = entry & _255, k + ((entry >> _8) & _255), k + ((entry >> _16) & _255)
            last = (after & _127) - _ONE
            if entry == _ZERO or last + (after >> _7) > limit:
                bits, count, index = refill(stream, bits, count, index)
                code, symbol = next_symbol(table, bits)
                if code == 0:
                    return bits << _17, count - _17, index, np.int64(0), BAD_CODE
                run, length = np.uint64(symbol >> 4), np.uint64(code)
                extra = np.uint64(symbol & 15)
                bits <<= length
                if extra == _ZERO and run < _15:
                    blocks = (np.int64(1) << np.int64(run)) - 1 + top_bits(bits, run)
                    return bits << run, count - length - run, index, blocks, OK
                k += run
                if extra > _ZERO:
                    out[base + min(k, _63)] = extend(top_bits(bits, extra), np.int64(extra)) << low
                bits <<= extra
                count -= length + extra
                if extra > _ZERO and k > end:
                    return bits, count, index, np.int64(0), BAD_RUN
                k += _ONE
                break
            out[base + first] = (entry >> _32) << low
            out[base + last] = last_value(entry, bits, length) << low
            k = after
            bits <<= length
            count -= length
            if k > end:
                break
    return bits, count, index, np.int64(0), OK


@merged
def _refine(stream, bits, count, index, table, out, base, rest, end, low, ended):
    """One more bit for a block's band ``rest``: running window behind it, further blocks that end here, status.

    ``ended`` says that an earlier block's EOBn run covers this block, which then holds correction bits only.
    """
    blocks, error = np.int64(0), OK
    nonzero = nonzero64(out, base)
    while rest != _ZERO and not ended:
        bits, count, index = refill(stream, bits, count, index)
        length, symbol = next_symbol(table, bits)
        if length == 0:
            bits, count, error = bits << _17, count - _17, BAD_CODE
            break
        run, extra = symbol >> 4, symbol & 15
        bits <<= np.uint64(length)
        count -= np.uint64(length)
        value = np.int64(0)
        if extra > 0:  # libjpeg reads one bit whatever the size; T.81 allows size 1 only
            value = (np.int64(1) if bits >> _63 else np.int64(-1)) << low
            bits <<= _ONE
            count -= _ONE
        elif run < 15:
            blocks = (np.int64(1) << run) - 1 + top_bits(bits, np.uint64(run))
            bits <<= np.uint64(run)
            count -= np.uint64(run)
            break
        zeros = rest & ~nonzero
        for _ in range(run):
            zeros &= zeros - _ONE
        place = zeros & (~zeros + _ONE)  # 0 if the run leaves the band; all of it is passed then
        bits, count, index = _correct(stream, bits, count, index, out, base, rest & nonzero & (place - _ONE), low)
        rest &= ~((place << _ONE) - _ONE)
        if value != 0:
            if place != _ZERO:
                out[base + lowest_one(place)] = value
            else:
                out[base + min(end + _ONE, _63)] = value
                error = BAD_RUN
    bits, count, index = _correct(stream, bits, count, index, out, base, rest & nonzero, low)
    return bits, count, index, blocks, error


@inlined
def _correct(stream, bits, count, index, out, base, places, low):
    """Correct the coefficients at some places, which are not zero, by a bit each: running window behind them."""
    while places != _ZERO:
        bits, count, index = refill(stream, bits, count, index)
        for _ in range(56):
            at = base + lowest_one(places)
            old = np.int64(out[at])
            sign = old >> 63
            one = np.int64(bits >> _63) & ~(((old ^ sign) - sign) >> low) & 1
            out[at] = old + (((one << low) ^ sign) - sign)
            bits <<= _ONE
            count -= _ONE
            places &= places - _ONE
            if places == _ZERO:
                break
    return bits, count, index


@merged
def begin_band(component, start, end):
    """Note that a scan of a band of AC coefficients begins, and whether one of them may hold something already."""
    band = np.int64(_ones(start, end))
    component.again = component.begun & band != 0
    component.begun |= band


@inlined
def _ones(start, end):
    """A mask with a bit for each place from ``start`` to ``end``."""
    return (~_ZERO >> (_63 - np.uint64(end))) & (~_ZERO << np.uint64(start))


@kernel
def to_natural_order(out):
    """Put the coefficients of all blocks in place."""
    out = borrowed(out)
    for base in range(0, len(out), 64):
        _to_natural(out, np.uint64(base))
