"""Decoding of whole scans: geometry, restart intervals, what happens if data end early."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._bits import at_address, borrowed, refill
from .._status import OK, fail
from ..compile import entry, inlined, kernel, merged
from ._blocks import ac_coefficients, dc_difference
from ._huffman import build_fast, find_table
from ._progressive import begin_band, decode_ac, decode_dc
from ._records import (
    BAD_HUFFMAN,
    DHT,
    EARLY_MARKER,
    MISSING_AC,
    MISSING_DC,
    MISSING_QUANTIZATION,
    REFINED_TOO_OFTEN,
    SCANNED_TWICE,
    SOS,
    TRUNCATED,
)
from ._restarts import FOUND, NEVER, next_interval
from ._scan_headers import needs_ac, needs_dc, place_of_table
from ._stuffing import pad_further, stuffed_position, unstuff
from ._windows import aim_units

_DC, _AC = np.int64(0), np.int64(1)  # classes of Huffman tables
_BLOCK_COST = 4  # of a block that is looked through, in coefficients that are
_ZERO, _ONE, _U3, _64 = (np.uint64(i) for i in (0, 1, 3, 64))


@entry
def plan_units(frame, components, units):
    """The blocks of the scan's MCU in order (T.81 A.2.2, A.2.3): their number, MCUs in a row, and MCUs."""
    count, per_row, rows = 0, np.int64(0), np.int64(0)
    for order in range(frame.scan_size):
        for c in range(frame.num_components):
            if components[c].scan_order == order:
                component = components[c]
                alone = frame.scan_size == 1
                h, v = (np.int64(1), np.int64(1)) if alone else (component.h, component.v)
                if alone:
                    per_row, rows = component.sample_columns, component.sample_rows
                else:
                    per_row, rows = component.columns // h, component.rows // v
                for y in range(v):
                    for x in range(h):
                        unit = units[count]
                        unit.first = component.start + 64 * (y * component.columns + x)
                        unit.row_step, unit.column_step = 64 * v * component.columns, 64 * h
                        unit.order = order
                        unit.component, unit.y, unit.x, unit.v, unit.h = c, y, x, v, h
                        count += 1
    return count, per_row, per_row * rows


@inlined
def latch(quantization, identifier, latched, c):
    """Take over a quantization table for a component; to assign it as a whole takes long to compile."""
    for i in range(64):
        latched[c, i] = quantization[identifier, i]


@merged
def prepare_scan(data, frame, components, quantization, latched, huffman, tables, units, count):
    """Take over the quantization tables of new components, find the Huffman tables of the scan."""
    dc, ac = np.int64(0), np.int64(0)
    dc_at, ac_at = np.int64(-1), np.int64(-1)
    for c in range(frame.num_components):
        component = components[c]
        if component.scan_order < 0:
            continue
        if component.scanned == 0:
            if quantization[component.quantization, 64] == 0:
                return fail(frame, MISSING_QUANTIZATION, frame.position, SOS, component.quantization)
            latch(quantization, component.quantization, latched, c)
            component.scanned = 1
        elif frame.process != 2:
            return fail(frame, SCANNED_TWICE, frame.position, SOS, c)
        # Most often the tables are those of the component before.
        if needs_dc(frame):
            at = place_of_table(frame, huffman, _DC, component.dc_table)
            if at < 0:
                return fail(frame, MISSING_DC, frame.position, SOS, component.dc_table)
            if at != dc_at:
                dc, dc_at = find_table(tables, _DC, data, at), at
        if needs_ac(frame):
            at = place_of_table(frame, huffman, _AC, component.ac_table)
            if at < 0:
                return fail(frame, MISSING_AC, frame.position, SOS, component.ac_table)
            if at != ac_at:
                ac, ac_at = find_table(tables, _AC, data, at), at
        if dc < 0 or ac < 0:
            return fail(frame, BAD_HUFFMAN, dc_at if dc < 0 else ac_at, DHT, 0)
        if needs_dc(frame):
            build_fast(tables[dc])
        if frame.process != 2 or (needs_ac(frame) and frame.approximation_high == 0):
            build_fast(tables[ac])
        for u in range(count):
            if units[u].order == component.scan_order:
                units[u].dc, units[u].ac = dc, ac
    return OK


@merged
def decode_scan(
    data, frame, components, quantization, latched, huffman, tables, units, stream, out, aims, scratch, fill
):
    """Decode the scan whose SOS has just been read; ``frame.position`` moves to the marker behind it.

    Progressive scans go to ``out``, which holds the whole image, others to where ``aims`` says.
    """
    count, per_row, num_mcus = plan_units(frame, components, units)
    error = prepare_scan(data, frame, components, quantization, latched, huffman, tables, units, count)
    if error != OK:
        return error
    if frame.process == 2 and frame.spectral_start > 0 and frame.approximation_high > 0:
        # All else costs bits of the file; a block without them is looked through for coefficients to refine.
        frame.refined += num_mcus * (frame.spectral_end - frame.spectral_start + 1 + _BLOCK_COST)
        if frame.refined > 13 * 63 * (1 + _BLOCK_COST) * frame.num_blocks:
            return fail(frame, REFINED_TOO_OFTEN, frame.position, SOS, frame.num_scans)
    if frame.process != 2:
        aim_units(aims, units, count)
    elif frame.spectral_start > 0:
        begin_band(components[units[0].component], frame.spectral_start, frame.spectral_end)
    clear = not fill and frame.num_scans == 1 and frame.scan_size == frame.num_components and frame.process != 2
    interval = frame.restart_interval if frame.restart_interval > 0 else num_mcus
    mcu, restart, starved = np.int64(0), np.int64(0), False
    while True:
        size, marker_at = unstuff(data, frame.position, frame.end, stream)
        if fill:
            pad_further(stream, size)
        stop = min(mcu + interval, num_mcus)
        if not starved:
            error, position = _decode_interval(
                stream, size, mcu, stop, per_row, units[:count], tables, out, scratch, clear, frame, components, fill
            )
            if error == TRUNCATED and marker_at < frame.end:
                return fail(frame, EARLY_MARKER, marker_at, np.int64(data[marker_at + 1]), 0)
            if error != OK:
                offset = stuffed_position(data, frame.position, marker_at, position >> _U3)
                return fail(frame, error, offset, SOS, frame.num_scans)
            starved = position > np.uint64(8 * size)
        frame.position, mcu = marker_at, stop
        if mcu == num_mcus:
            return OK
        found = next_interval(data, frame, restart & 7, fill)
        if frame.error != OK:
            return frame.error
        if starved and found == NEVER:
            return OK  # the rest is zeros already
        starved = starved and found != FOUND
        restart += 1


@merged
def _decode_interval(stream, size, mcu, stop, per_row, units, tables, out, scratch, clear, frame, components, fill):
    """MCUs ``mcu`` to ``stop``, which no restart marker divides: status, and position in bits.

    If data end early and are filled, one MCU takes zero bits, and those behind it are left as they are.
    """
    if frame.process != 2:
        return _decode_sequential(stream, size, mcu, stop, per_row, units, tables, scratch, clear, fill)
    high, low = frame.approximation_high, frame.approximation_low
    if frame.spectral_start == 0:
        return decode_dc(stream, size, mcu, stop, per_row, units, tables, out, high, low, fill)
    start, end = frame.spectral_start, frame.spectral_end
    component = components[units[0].component]
    return decode_ac(stream, size, mcu, stop, per_row, units, tables, out, start, end, high, low, component, fill)


@kernel
def _decode_sequential(stream, size, mcu, stop, per_row, units, tables, scratch, clear, fill):
    """MCUs ``mcu`` to ``stop`` of a sequential scan (T.81 F.2): status, and position in bits.

    Blocks outside the units' windows are passed, with ``scratch`` for what is written of them. ``clear`` says that the
    memory of the others may hold anything, so that each block is cleared before it is written.
    """
    bits, count, index = np.uint64(0), np.uint64(0), np.uint64(0)
    position, end = np.uint64(0), np.uint64(8 * size)
    predictions = np.zeros(4, np.int64)
    stream, units, tables = borrowed(stream), borrowed(units), borrowed(tables)
    outside = np.uint64(scratch.ctypes.data)
    row, column = mcu // per_row, mcu % per_row
    for _ in range(mcu, stop):
        for u in range(len(units)):
            unit = units[u]
            wanted = np.uint64(row - unit.from_row) < unit.rows and np.uint64(column - unit.from_column) < unit.columns
            address = outside
            if wanted:
                address = np.uint64(unit.address + row * unit.row_bytes + column * unit.column_bytes)
            block = at_address(scratch, address)
            if clear and wanted:
                for i in range(64):
                    block[np.uint64(i)] = 0
            bits, count, index = refill(stream, bits, count, index)
            bits, count, difference, error = dc_difference(bits, count, tables[np.uint64(unit.dc)])
            if error == OK or fill or (index << _U3) - count > end:
                table = tables[np.uint64(unit.ac)]
                if wanted:
                    bits, count, index, error = ac_coefficients(stream, bits, count, index, table, block, True)
                else:
                    bits, count, index, error = ac_coefficients(stream, bits, count, index, table, block, False)
            order = np.uint64(unit.order)
            predictions[order] += difference
            block[_ZERO] = predictions[order]
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
