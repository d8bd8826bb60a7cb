"""Decoding of levels: two granules at a time, since each look-up must wait for the one before in its granule."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .._bits import top_bits
from ..compile import inlined, kernel
from ._addresses import bits_at, fill_zero, number_at, put_level
from ._codes import LINBITS
from ._huffman import FAST_SHIFT, FAST_START, PLAIN_BITS, QUAD_BITS, ROW_OF_TABLE
from ._layout import BAD_TABLE

MOST_BITS = 288 * (19 + 2 * (1 + 13))  # of a granule's pairs, so that reading stops soon behind a stream's end
LEVEL_BYTES = 2 * 576  # of a granule and channel

_QUAD_SHIFT, _PLAIN_SHIFT = np.uint64(64 - QUAD_BITS), np.uint64(64 - PLAIN_BITS)
_ZERO, _ONE, _2, _3, _4, _8, _15, _63, _64 = (np.uint64(i) for i in (0, 1, 2, 3, 4, 8, 15, 63, 64))
_PAIR, _QUAD = np.uint64(4), np.uint64(8)  # bytes of their levels
_PAIRS_BLOCK, _QUADS_BLOCK = np.uint64(32), np.uint64(64)  # bytes of levels that four look-ups give at most


def _store(lanes: int, size: int, kept: int) -> Callable[..., Any]:
    """Write ``kept`` of ``lanes`` numbers of ``size`` bits with sign, the highest bits of 32, last one highest."""

    def store(typing_context, address, entry):

        def build(context, builder, signature, arguments):
            width = 32 if lanes * size > 16 else 16
            number = builder.trunc(
                builder.lshr(arguments[1], ir.Constant(ir.IntType(64), 32 - width)), ir.IntType(width)
            )
            vector = ir.VectorType(number.type, lanes)
            first = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
            order = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
            each = builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), order)
            # The entry's lowest bits are no values.
            up = [size * (lanes - 1 - i) for i in range(lanes)]
            signed = builder.ashr(
                builder.shl(each, ir.Constant(vector, up)), ir.Constant(vector, [width - size] * lanes)
            )
            levels = builder.trunc(signed, ir.VectorType(ir.IntType(16), lanes)) if width > 16 else signed
            if kept < lanes:
                order = ir.Constant(ir.VectorType(ir.IntType(32), kept), list(range(kept)))
                levels = builder.shuffle_vector(levels, ir.Constant(levels.type, ir.Undefined), order)
            builder.store(levels, builder.inttoptr(arguments[0], levels.type.as_pointer()), align=2)
            return context.get_dummy_value()

        return types.none(types.uint64, types.uint64), build

    return store


#: Write the four numbers of 5 bits at the top of an entry, first one lowest, as int16 to an address.
_store_pairs: Callable[..., Any] = intrinsic(_store(4, 5, 4))
#: The first two of them.
_store_pair: Callable[..., Any] = intrinsic(_store(4, 5, 2))
#: Eight numbers of 2 bits.
_store_quads: Callable[..., Any] = intrinsic(_store(8, 2, 8))
#: The first four of them.
_store_quad: Callable[..., Any] = intrinsic(_store(8, 2, 4))


@inlined
def _linear(bits, value, linbits):
    """What linbits and sign bit make of an absolute value: window behind them, how many they are, and the level.

    Without branches, which would be mispredicted as often as not.
    """
    size = linbits if value == 15 else _ZERO
    value += top_bits(bits, size)
    bits <<= size
    signed = np.uint64(value != 0)
    negative = np.int64((bits >> _63) & signed)
    return bits << signed, size + signed, (value ^ -negative) + negative


@kernel
def _long_pair(tables, table, position, out):
    """A pair that the fast look-up does not hold: the position behind it. At most 19 + 2 * 14 bits are used."""
    bits, row = bits_at(position), ROW_OF_TABLE[table]
    entry = np.int64(tables.plain[row, bits >> _PLAIN_SHIFT])
    if entry == 0:
        entry = np.int64(tables.long[tables.long_start[row] + (bits >> (_64 - tables.long_bits[row]))])
    length, linbits = np.uint64(entry >> 8), np.uint64(LINBITS[table])
    bits, used_x, x = _linear(bits << length, (entry >> 4) & 15, linbits)
    _, used_y, y = _linear(bits, entry & 15, linbits)
    put_level(out, np.uint64(x))
    put_level(out + _2, np.uint64(y))
    return position + length + used_x + used_y


@inlined
def _four_look_ups(fast, shift, position, out):
    """Up to eight pairs: the position and place behind them, and the last entry."""
    bits, used, entry = bits_at(position), _ZERO, _ZERO
    for _ in range(4):
        entry = number_at(fast + _4 * (bits >> shift))
        _store_pairs(out, entry)
        bits <<= entry & _63
        used += entry
        out += (entry >> _4) & np.uint64(12)
    return position + (used & _63), out, entry


@inlined
def _last_look_ups(fast, shift, position, out, stop):
    """The same up to the place ``stop`` at most; eight bytes behind it are touched."""
    bits, used, entry = bits_at(position), _ZERO, _ZERO
    for _ in range(4):
        entry = number_at(fast + _4 * (bits >> shift))
        _store_pairs(out, entry)
        bits <<= entry & _63
        room, size = stop - out, (entry >> _4) & np.uint64(12)
        first = ((entry >> _8) & _15) if room > _ZERO else _ZERO
        used += (entry & _63) if size <= room else first
        out += min(size, room)
    return position + used, out, entry


@kernel
def _pairs(tables, fast, table, position, out, stop, last):
    """Pairs up to the place ``stop``, in one table's code: the position behind them. Levels end at ``last``."""
    shift = FAST_SHIFT[table]
    while out + _PAIRS_BLOCK <= stop:
        position, out, entry = _four_look_ups(fast, shift, position, out)
        if entry == _ZERO:  # such an entry uses up nothing, so all behind it are the same
            position = _long_pair(tables, table, position, out)
            out += _PAIR
    while out < stop and stop + _QUAD <= last:
        position, out, entry = _last_look_ups(fast, shift, position, out, stop)
        if entry == _ZERO and out < stop:
            position = _long_pair(tables, table, position, out)
            out += _PAIR
    while out < stop:
        entry = number_at(fast + _4 * (bits_at(position) >> shift))
        if entry == _ZERO:
            position = _long_pair(tables, table, position, out)
        else:
            _store_pair(out, entry)
            position += (entry >> _8) & _15
        out += _PAIR
    return position


@kernel
def _next_region(part, granule, region, out):
    """The next region that codes a pair, from ``region`` on: its number, its first place, the one behind, its table.

    Its number is 3 if there is none.
    """
    while region < 3:
        stop, table = part.stops[region], np.int64(granule.table_select[region])
        if out < stop:
            if ROW_OF_TABLE[table] >= 0:
                return region, out, stop, table
            if table != 0:
                part.error = BAD_TABLE
                return 3, out, stop, table
            fill_zero(out, stop - out)
            out = stop
        region += 1
    return region, out, out, np.int64(0)


@inlined
def _four_quads(quads, position, out):
    """Up to eight quadruples: the position and place behind them."""
    bits, used = bits_at(position), _ZERO
    for _ in range(4):
        entry = number_at(quads + _4 * (bits >> _QUAD_SHIFT))
        _store_quads(out, entry)
        bits <<= entry & _63
        used += entry
        out += (entry >> _3) & np.uint64(24)
    return position + (used & _63), out


@inlined
def _last_quads(quads, position, out, end):
    """The same until the position ``end`` at most; quadruples that are not whole are left."""
    bits = bits_at(position)
    for _ in range(4):
        entry = number_at(quads + _4 * (bits >> _QUAD_SHIFT))
        _store_quads(out, entry)
        left, both, one = end - position, entry & _63, (entry >> _8) & np.uint64(31)
        used = both if both <= left else one if one <= left else _ZERO
        out += ((entry >> _3) & np.uint64(24)) if both <= left else _QUAD if one <= left else _ZERO
        bits <<= used
        position += used
    return position, out


@kernel
def _quads(quads, position, out, end, last):
    """Quadruples until the position ``end`` or the place ``last``: position and place behind them."""
    before = position - _ONE
    while position < end and position != before and out + _QUADS_BLOCK + _2 * _QUAD <= last:
        before = position
        position, out = _last_quads(quads, position, out, end)
    while position < end and out + _QUAD <= last:
        entry = number_at(quads + _4 * (bits_at(position) >> _QUAD_SHIFT))
        used = (entry >> _8) & np.uint64(31)
        if position + used > end:
            break  # encoders end so, and decoders drop what is not whole
        _store_quad(out, entry)
        out += _QUAD
        position += used
    return position, out


@kernel
def read_two(tables, a, b, granule_a, granule_b):
    """The levels of two granules, or of two channels.

    Args:
        tables: A record of ``TABLES``.
        a: A record of ``PART``: where the first one's codes are, and where its levels go; its ``left`` is set, and its
            ``error`` if a table is none. At least ``MOST_BITS`` bits stand behind its end, whatever they are.
        b: The same of the second one.
        granule_a: Side information of the first one.
        granule_b: Side information of the second one.
    """
    fast = np.uint64(tables.fast.ctypes.data)
    position_a, position_b = a.position, b.position
    region_a, out_a, stop_a, table_a = _next_region(a, granule_a, 0, a.out)
    region_b, out_b, stop_b, table_b = _next_region(b, granule_b, 0, b.out)
    while region_a < 3 and region_b < 3:
        fast_a, shift_a = fast + FAST_START[table_a], FAST_SHIFT[table_a]
        fast_b, shift_b = fast + FAST_START[table_b], FAST_SHIFT[table_b]
        while out_a + _PAIRS_BLOCK <= stop_a and out_b + _PAIRS_BLOCK <= stop_b:
            position_a, out_a, entry_a = _four_look_ups(fast_a, shift_a, position_a, out_a)
            position_b, out_b, entry_b = _four_look_ups(fast_b, shift_b, position_b, out_b)
            if entry_a == _ZERO:
                position_a = _long_pair(tables, table_a, position_a, out_a)
                out_a += _PAIR
            if entry_b == _ZERO:
                position_b = _long_pair(tables, table_b, position_b, out_b)
                out_b += _PAIR
        if out_a + _PAIRS_BLOCK > stop_a:
            position_a = _pairs(tables, fast_a, table_a, position_a, out_a, stop_a, a.last)
            region_a, out_a, stop_a, table_a = _next_region(a, granule_a, region_a + 1, stop_a)
        if out_b + _PAIRS_BLOCK > stop_b:
            position_b = _pairs(tables, fast_b, table_b, position_b, out_b, stop_b, b.last)
            region_b, out_b, stop_b, table_b = _next_region(b, granule_b, region_b + 1, stop_b)
    while region_a < 3:
        position_a = _pairs(tables, fast + FAST_START[table_a], table_a, position_a, out_a, stop_a, a.last)
        region_a, out_a, stop_a, table_a = _next_region(a, granule_a, region_a + 1, stop_a)
    while region_b < 3:
        position_b = _pairs(tables, fast + FAST_START[table_b], table_b, position_b, out_b, stop_b, b.last)
        region_b, out_b, stop_b, table_b = _next_region(b, granule_b, region_b + 1, stop_b)
    _two_ends(tables, a, b, granule_a, granule_b, position_a, position_b, out_a, out_b)


@kernel
def _two_ends(tables, a, b, granule_a, granule_b, position_a, position_b, out_a, out_b):
    """Quadruples and zeros of two granules, whose pairs end at the positions and places given."""
    size = np.uint64(4 << QUAD_BITS)
    first = np.uint64(tables.quads.ctypes.data)
    quads_a, quads_b = (
        first + size * np.uint64(granule_a.count1_table),
        first + size * np.uint64(granule_b.count1_table),
    )
    end_a, end_b, last_a, last_b = a.end, b.end, a.last, b.last
    while out_a + _QUADS_BLOCK <= last_a and out_b + _QUADS_BLOCK <= last_b:
        behind_a, place_a = _four_quads(quads_a, position_a, out_a)
        behind_b, place_b = _four_quads(quads_b, position_b, out_b)
        if behind_a <= end_a:
            position_a, out_a = behind_a, place_a
        if behind_b <= end_b:
            position_b, out_b = behind_b, place_b
        if behind_a > end_a or behind_b > end_b:
            break
    position_a, out_a = _quads(quads_a, position_a, out_a, end_a, last_a)
    position_b, out_b = _quads(quads_b, position_b, out_b, end_b, last_b)
    fill_zero(out_a, last_a - out_a)
    fill_zero(out_b, last_b - out_b)
    a.left = np.int64(end_a - position_a)
    b.left = np.int64(end_b - position_b)
