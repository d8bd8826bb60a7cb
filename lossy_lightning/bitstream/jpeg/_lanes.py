"""Scans under way, and two of them decoded in one loop.

A look-up waits for the one before it, so that a processor has room for those of another file meanwhile.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._bits import at_address, borrowed, refill
from .._status import OK
from ..compile import inlined, kernel, merged
from ._blocks import FAST_SHIFT, LOOKUPS, ac_coefficients, dc_difference, known_coefficients, long_coefficient

_ZERO, _ONE, _U3, _63, _64 = (np.uint64(i) for i in (0, 1, 3, 63, 64))

#: A scan under way: its file; blocks of an MCU, MCUs in a row and in the scan, and whether each block is to be cleared
#: before it is written, because its memory may hold anything; then the restart interval: bytes of the stream, and
#: where the marker behind it stands. Then the MCU to go on at, with the running window and the last DC of each
#: component before it, and those in the midst of an MCU; ``odd`` is not 0 if that MCU is no proper code.
LANE = np.dtype(
    [(name, np.int64) for name in ["file", "num_units", "per_row", "num_mcus", "clear", "size", "marker_at", "mcu"]]
    + [("bits", np.uint64), ("count", np.uint64), ("index", np.uint64)]
    + [("predictions", np.int64, 4), ("running", np.int64, 4), ("odd", np.int64)]
)


@merged
def start_lane(lane):
    """Put a lane before the first bit of a restart interval."""
    lane.bits = lane.count = lane.index = _ZERO
    lane.odd = 0
    for i in range(4):
        lane.predictions[i] = lane.running[i] = 0


@kernel
def decode_two(a, b, stream_a, stream_b, units_a, units_b, tables, scratch):
    """Decode two whole sequential scans until one ends, or is no proper code: whether that is ``b``.

    Each lane then stands before an MCU. That of the scan that is no proper code has its error still to be found.
    """
    bits_a, count_a, index_a, bits_b, count_b, index_b = a.bits, a.count, a.index, b.bits, b.count, b.index
    stream_a, stream_b, tables = borrowed(stream_a), borrowed(stream_b), borrowed(tables)
    units_a, units_b, scratch = borrowed(units_a), borrowed(units_b), borrowed(scratch)
    for i in range(4):
        a.running[i], b.running[i] = a.predictions[i], b.predictions[i]
    u_a, row_a, column_a = np.int64(0), a.mcu // a.per_row, a.mcu % a.per_row
    u_b, row_b, column_b = np.int64(0), b.mcu // b.per_row, b.mcu % b.per_row
    while True:
        unit_a, unit_b = units_a[np.uint64(u_a)], units_b[np.uint64(u_b)]
        block_a, block_b = _cleared(unit_a, row_a, column_a, scratch), _cleared(unit_b, row_b, column_b, scratch)
        bits_a, count_a, index_a = refill(stream_a, bits_a, count_a, index_a)
        bits_b, count_b, index_b = refill(stream_b, bits_b, count_b, index_b)
        bits_a, count_a = _dc(bits_a, count_a, tables, unit_a, block_a, a)
        bits_b, count_b = _dc(bits_b, count_b, tables, unit_b, block_b, b)
        bits_a, count_a, index_a, bits_b, count_b, index_b = _ac_of_two(
            a, stream_a, bits_a, count_a, index_a, tables[np.uint64(unit_a.ac)], block_a,
            b, stream_b, bits_b, count_b, index_b, tables[np.uint64(unit_b.ac)], block_b,
        )  # fmt: skip
        u_a += 1
        if u_a == a.num_units:
            if not _pass_mcu(a, bits_a, count_a, index_a):
                return False
            u_a = np.int64(0)
            column_a += 1
            if column_a == a.per_row:
                column_a, row_a = np.int64(0), row_a + 1
        u_b += 1
        if u_b == b.num_units:
            if not _pass_mcu(b, bits_b, count_b, index_b):
                return True
            u_b = np.int64(0)
            column_b += 1
            if column_b == b.per_row:
                column_b, row_b = np.int64(0), row_b + 1


@inlined
def _cleared(unit, row, column, like):
    """A block, cleared."""
    block = at_address(like, np.uint64(unit.address + row * unit.row_bytes + column * unit.column_bytes))
    for i in range(64):
        block[np.uint64(i)] = 0
    return block


@inlined
def _dc(bits, count, tables, unit, block, lane):
    bits, count, difference, error = dc_difference(bits, count, tables[np.uint64(unit.dc)])
    if error != OK:
        lane.odd = 1
    order = np.uint64(unit.order)
    lane.running[order] += difference
    block[_ZERO] = lane.running[order]
    return bits, count


@inlined
def _pass_mcu(lane, bits, count, index):
    """Put a lane behind the MCU just decoded, unless that is no proper code; whether the scan goes on."""
    if lane.odd != 0 or (index << _U3) - count > np.uint64(8 * lane.size):
        return False
    lane.bits, lane.count, lane.index = bits, count, index
    for i in range(4):
        lane.predictions[i] = lane.running[i]
    lane.mcu += 1
    return lane.mcu < lane.num_mcus


@merged
def _ac_of_two(
    a, stream_a, bits_a, count_a, index_a, table_a, block_a, b, stream_b, bits_b, count_b, index_b, table_b, block_b
):
    """The AC coefficients of two blocks: by turns until one of the blocks ends, then those of the other one."""
    k_a = k_b = _ONE
    while k_a <= _63 and k_b <= _63:
        bits_a, count_a, index_a = refill(stream_a, bits_a, count_a, index_a)
        bits_b, count_b, index_b = refill(stream_b, bits_b, count_b, index_b)
        entry_a = entry_b = _ONE
        for _ in range(LOOKUPS):
            entry_a, entry_b = table_a.fast[bits_a >> FAST_SHIFT], table_b.fast[bits_b >> FAST_SHIFT]
            if entry_a == _ZERO or entry_b == _ZERO:
                break
            bits_a, count_a, k_a, error = known_coefficients(entry_a, bits_a, count_a, k_a, table_a, block_a, True)
            if error != OK:
                a.odd = 1
            bits_b, count_b, k_b, error = known_coefficients(entry_b, bits_b, count_b, k_b, table_b, block_b, True)
            if error != OK:
                b.odd = 1
            if k_a > _63 or k_b > _63:
                break
        if entry_a == _ZERO:
            bits_a, count_a, index_a, k_a = _long(a, stream_a, bits_a, count_a, index_a, k_a, table_a, block_a)
        if entry_b == _ZERO:
            bits_b, count_b, index_b, k_b = _long(b, stream_b, bits_b, count_b, index_b, k_b, table_b, block_b)
    if k_a <= _63:
        bits_a, count_a, index_a = _rest(a, stream_a, bits_a, count_a, index_a, k_a, table_a, block_a)
    elif k_b <= _63:
        bits_b, count_b, index_b = _rest(b, stream_b, bits_b, count_b, index_b, k_b, table_b, block_b)
    return bits_a, count_a, index_a, bits_b, count_b, index_b


@kernel
def _rest(lane, stream, bits, count, index, k, table, block):
    """The AC coefficients of a block from ``k`` on: running window."""
    bits, count, index, error = ac_coefficients(stream, bits, count, index, k, table, block, True)
    if error != OK:
        lane.odd = 1
    return bits, count, index


@inlined
def _long(lane, stream, bits, count, index, k, table, block):
    bits, count, index, k, error = long_coefficient(stream, bits, count, index, k, table, block)
    if error != OK:  # the block is left, or data that are no code at all would never end it
        lane.odd, k = 1, _64
    return bits, count, index, k
