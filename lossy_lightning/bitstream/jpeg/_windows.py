"""Where decoded blocks go: all of a component, or a window of it, in memory that anybody may own."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._bits import at_address
from .._status import OK, fail
from ..compile import kernel
from ._records import BAD_WINDOW, SOS

_BLOCK = 128  # bytes of 64 coefficients

#: One block of an MCU: where the first one is stored in an array of the whole image, how far the next MCU row's and the
#: next MCU's are; its place in the scan, tables and component; its place among the v x h blocks of that component in an
#: MCU. Then where it is aimed at: the address for MCU 0, the bytes to the next MCU row's and the next MCU's; and which
#: MCU rows and columns are in the window.
UNIT = np.dtype(
    [
        (name, np.int64)
        for name in [
            *("first", "row_step", "column_step", "order", "dc", "ac", "component", "y", "x", "v", "h"),
            *("address", "row_bytes", "column_bytes", "from_row", "from_column"),
        ]
    ]
    + [("rows", np.uint64), ("columns", np.uint64)]
)

#: A component's window: address of its first place and the bytes to the next row's and the next; number of rows and
#: columns of places; how many blocks a place holds, row by row; and the window's first block in the component.
WINDOW = np.dtype(
    [
        (name, np.int64)
        for name in ["address", "row_bytes", "column_bytes", "rows", "columns", "v", "h", "row", "column"]
    ]
)


@kernel
def aim_at_all(aim, component, address):
    """Aim at all blocks of a component, row by row."""
    _aim(aim, address, 0, 0, component.rows, component.columns)


@kernel
def _aim(aim, address, row, column, rows, columns):
    aim.address, aim.row_bytes, aim.column_bytes = address, _BLOCK * columns, _BLOCK
    aim.rows, aim.columns, aim.v, aim.h, aim.row, aim.column = rows, columns, 1, 1, row, column


@kernel
def aim_units(aims, units, count):
    """Aim each block of an MCU at its component's window, whose places divide MCUs and begin where MCUs do."""
    for u in range(count):
        unit = units[u]
        aim = aims[unit.component]
        row, per_row, unit.from_row, unit.rows = _along(unit.y, unit.v, aim.row, aim.rows, aim.v)
        column, per_column, unit.from_column, unit.columns = _along(unit.x, unit.h, aim.column, aim.columns, aim.h)
        inner = unit.y % aim.v * aim.h + unit.x % aim.h if aim.v * aim.h > 1 else 0
        unit.address = aim.address + row * aim.row_bytes + column * aim.column_bytes + _BLOCK * inner
        unit.row_bytes, unit.column_bytes = per_row * aim.row_bytes, per_column * aim.column_bytes


@kernel
def _along(position, step, first, places, blocks):
    """Along one axis: the place of MCU 0's block, places an MCU, first MCU in the window, and number of them.

    Args:
        position: Of the block in its MCU.
        step: Blocks of an MCU.
        first: Block of the window.
        places: Of the window.
        blocks: Of a place.
    """
    if blocks > 1:
        position, step, first = position // blocks, step // blocks, first // blocks
    offset = position - first
    start, stop = -offset, places - offset
    if step > 1:
        start, stop = (start + step - 1) // step, (stop + step - 1) // step
    start = max(start, 0)
    return offset, step, start, np.uint64(max(stop - start, 0))


@kernel
def check_windows(frame, components, windows):
    """Refuse windows that leave the grid of their component by more than the last place."""
    for c in range(frame.num_components):
        window, component = windows[c], components[c]
        rows, columns = window.row + window.rows * window.v, window.column + window.columns * window.h
        if rows >= component.rows + window.v or columns >= component.columns + window.h:
            return fail(frame, BAD_WINDOW, frame.position, SOS, c)
    return OK


@kernel
def is_direct(frame, component, window):
    """Whether the blocks of one scan can be written to the window as they come."""
    v, h = (component.v, component.h) if frame.num_components > 1 else (1, 1)
    complete = frame.process != 2 and frame.scan_size == frame.num_components
    return complete and v % window.v == 0 and h % window.h == 0


@kernel
def planar_size(frame, components, windows):
    """Coefficients of those windows that cannot be written to as blocks come."""
    size = 0
    for c in range(frame.num_components):
        window = windows[c]
        if not is_direct(frame, components[c], window):
            size += 64 * window.rows * window.v * window.columns * window.h
    return size


@kernel
def aim_at_windows(frame, components, windows, planar, aims):
    """Aim at the windows, or at room of their size in ``planar``."""
    address = planar.ctypes.data
    for c in range(frame.num_components):
        window, component = windows[c], components[c]
        if is_direct(frame, component, window):
            aims[c] = window
            continue
        rows = min(window.rows * window.v, max(component.rows - window.row, 0))
        columns = min(window.columns * window.h, max(component.columns - window.column, 0))
        _aim(aims[c], address, window.row, window.column, rows, columns)
        address += _BLOCK * rows * columns


@kernel
def clear_window(window, like):
    """Fill a window with zeros."""
    for i in range(window.rows):
        for j in range(window.columns):
            place = at_address(like, np.uint64(window.address + i * window.row_bytes + j * window.column_bytes))
            for k in range(64 * window.v * window.h):
                place[np.uint64(k)] = 0


@kernel
def place_blocks(source, window, component, like):
    """Copy blocks that stand row by row in ``source`` to a window, and pad its last places as libjpeg does.

    A block behind the component has zero AC coefficients and the DC of the block before it: of the last one in the row
    above within its place, or else of its left neighbour (libjpeg's ``jccoefct.c``).
    """
    for i in range(window.rows):
        for j in range(window.columns):
            place = window.address + i * window.row_bytes + j * window.column_bytes
            for inner in range(window.v * window.h):
                y, x = inner // window.h, inner % window.h
                row, column = window.row + i * window.v + y, window.column + j * window.h + x
                target = at_address(like, np.uint64(place + _BLOCK * inner))
                if row < component.rows and column < component.columns:
                    down, across = row - source.row, column - source.column
                    address = source.address + down * source.row_bytes + across * source.column_bytes
                    block = at_address(like, np.uint64(address))
                    for k in range(64):
                        target[np.uint64(k)] = block[np.uint64(k)]
                else:
                    before = y * window.h - 1 if row >= component.rows else inner - 1
                    dc = at_address(like, np.uint64(place + _BLOCK * before))[np.uint64(0)]
                    for k in range(64):
                        target[np.uint64(k)] = 0
                    target[np.uint64(0)] = dc
