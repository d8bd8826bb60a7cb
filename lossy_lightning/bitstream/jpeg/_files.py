"""Whole files, many in one call."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._status import OK, fail
from ..compile import entry, kernel, merged
from ._frames import color_space, read_until, start_file
from ._progressive import to_natural_order
from ._records import COMPONENT, FRAME, MISSING_QUANTIZATION, SOF0, SOS, TOO_SHORT, TRUNCATED
from ._scans import decode_scan, latch
from ._stuffing import MOST_PADDING
from ._windows import (
    UNIT,
    WINDOW,
    aim_at_all,
    aim_at_windows,
    check_windows,
    clear_window,
    place_blocks,
    planar_size,
)

#: Limit on the memory of a file; see `read_coefficients`.
BLOCKS_PER_BYTE = 32


@entry
def measure_files(data, bounds, starts, max_pixels, fill):
    """Find where in the output each file's coefficients begin, by its segments up to SOF."""
    quantization, huffman = np.empty((4, 65), np.uint16), np.empty((2, 4), np.int64)
    for i in range(len(starts) - 1):
        frame, components = np.zeros(1, FRAME)[0], np.zeros(4, COMPONENT)
        _begin_file(SOF0, data, bounds[i], bounds[i + 1], frame, components, quantization, huffman, max_pixels, fill)
        starts[i + 1] = starts[i] + (64 * frame.num_blocks if frame.error == OK else 0)


@entry
def read_headers(data, bounds, frames, components, latched, max_pixels, fill):
    """Read every file up to its first scan; ``latched`` gets the quantization tables that are defined there."""
    quantization, huffman = np.empty((4, 65), np.uint16), np.empty((2, 4), np.int64)
    table_sets = 0
    for i in range(len(frames)):
        frame, parts = frames[i], components[i]
        _begin_file(SOS, data, bounds[i], bounds[i + 1], frame, parts, quantization, huffman, max_pixels, fill)
        frame.color = color_space(frame, parts)
        latched[table_sets] = 0
        for c in range(frame.num_components):
            defined = quantization[parts[c].quantization, 64] != 0
            if frame.error == OK and parts[c].scan_order >= 0 and not defined:
                fail(frame, MISSING_QUANTIZATION, frame.position, SOS, parts[c].quantization)
            latch(quantization, parts[c].quantization, latched[table_sets], c)
        table_sets = _number_tables(frame, latched, table_sets)


@entry
def longest_progressive(data, bounds, max_pixels, fill):
    """Coefficients of the progressive file that has most of them; 0 if there is none."""
    quantization, huffman = np.empty((4, 65), np.uint16), np.empty((2, 4), np.int64)
    longest = 0
    for i in range(len(bounds) - 1):
        frame, components = np.zeros(1, FRAME)[0], np.zeros(4, COMPONENT)
        _begin_file(SOF0, data, bounds[i], bounds[i + 1], frame, components, quantization, huffman, max_pixels, fill)
        if frame.error == OK and frame.process == 2:
            longest = max(longest, 64 * frame.num_blocks)
    return longest


@entry
def decode_files(data, bounds, frames, components, latched, tables, starts, out, max_pixels, fill):
    """Decode every file; ``latched`` gets the quantization tables, once if consecutive files have the same."""
    quantization, huffman, units = np.empty((4, 65), np.uint16), np.empty((2, 4), np.int64), np.zeros(10, UNIT)
    stream, scratch, aims = _room_for_streams(bounds), np.empty(64, np.int16), np.zeros(4, WINDOW)
    table_sets = 0
    for i in range(len(frames)):
        frame, parts, image = frames[i], components[i], out[starts[i] : starts[i + 1]]
        _begin_file(SOS, data, bounds[i], bounds[i + 1], frame, parts, quantization, huffman, max_pixels, fill)
        frame.color = color_space(frame, parts)
        latched[table_sets] = 0
        if frame.error == OK:
            if fill or frame.process == 2 or frame.scan_size < frame.num_components:
                image[:] = 0  # if one scan writes each block, it is cleared just before
            _aim_at_image(frame, parts, image, aims)
            _decode_file(
                data, frame, parts, quantization, latched[table_sets], huffman, tables, units, stream, image, aims,
                scratch, max_pixels, fill,
            )  # fmt: skip
        table_sets = _number_tables(frame, latched, table_sets)


@entry
def decode_windows(data, bounds, frames, components, latched, tables, windows, whole, max_pixels, fill):
    """Decode every file into the windows of its components; ``whole`` has room for all of a progressive file."""
    quantization, huffman, units = np.empty((4, 65), np.uint16), np.empty((2, 4), np.int64), np.zeros(10, UNIT)
    stream, scratch = _room_for_streams(bounds), np.empty(64, np.int16)
    table_sets = 0
    for i in range(len(frames)):
        frame, parts = frames[i], components[i]
        _begin_file(SOS, data, bounds[i], bounds[i + 1], frame, parts, quantization, huffman, max_pixels, fill)
        frame.color = color_space(frame, parts)
        latched[table_sets] = 0
        if frame.error == OK and check_windows(frame, parts, windows[i]) == OK:
            _decode_windows(
                data, frame, parts, quantization, latched[table_sets], huffman, tables, units, stream, windows[i],
                whole, scratch, max_pixels, fill,
            )  # fmt: skip
        table_sets = _number_tables(frame, latched, table_sets)


@merged
def _decode_windows(
    data, frame, components, quantization, latched, huffman, tables, units, stream, windows, whole, scratch, max_pixels,
    fill,
):  # fmt: skip
    """Decode one file: straight into its windows, or into memory between, from which blocks are placed."""
    aims = np.zeros(4, WINDOW)
    if frame.process == 2:
        between = whole[: 64 * frame.num_blocks]
        _aim_at_image(frame, components, between, aims)
    else:
        between = np.empty(planar_size(frame, components, windows), np.int16)
        aim_at_windows(frame, components, windows, between, aims)
    if fill or frame.process == 2 or frame.scan_size < frame.num_components:
        between[:] = 0
    for c in range(4):
        if fill or c >= frame.num_components:
            clear_window(windows[c], scratch)
    _decode_file(
        data, frame, components, quantization, latched, huffman, tables, units, stream, between, aims, scratch,
        max_pixels, fill,
    )  # fmt: skip
    for c in range(frame.num_components):
        if frame.error == OK and aims[c].address != windows[c].address:
            place_blocks(aims[c], windows[c], components[c], scratch)


@kernel
def _room_for_streams(bounds):
    longest = 0
    for i in range(len(bounds) - 1):
        longest = max(longest, bounds[i + 1] - bounds[i])
    return np.empty(longest + MOST_PADDING, np.uint8)


@kernel
def _aim_at_image(frame, components, image, aims):
    for c in range(frame.num_components):
        aim_at_all(aims[c], components[c], image.ctypes.data + 2 * components[c].start)


@kernel
def _number_tables(frame, latched, table_sets):
    """Note which set of quantization tables a file has; the number of sets."""
    if table_sets == 0 or _differ(latched[table_sets], latched[table_sets - 1]):
        table_sets += 1
    frame.table_set = table_sets - 1
    return table_sets


@kernel
def _differ(tables, others):
    for c in range(4):
        for i in range(64):
            if tables[c, i] != others[c, i]:
                return True
    return False


@kernel
def _begin_file(last, data, start, end, frame, components, quantization, huffman, max_pixels, fill):
    """Read a file up to and including its SOF, or its first SOS."""
    quantization[:] = 0
    start_file(data, frame, huffman, start, end)
    if frame.error == OK:
        read_until(last, data, frame, components, quantization, huffman, max_pixels)
    blocks = 0
    for c in range(frame.num_components):
        blocks += components[c].sample_rows * components[c].sample_columns
    shortest = blocks if frame.process == 2 else 2 * blocks  # a bit for each DC, one more for each end of block
    if frame.error == OK and shortest > 8 * (frame.end - frame.position) and not fill:
        fail(frame, TRUNCATED, frame.end, 0, 0)
    if frame.error == OK and frame.num_blocks > BLOCKS_PER_BYTE * (frame.end - frame.start):
        fail(frame, TOO_SHORT, frame.end, 0, frame.num_blocks)


@merged
def _decode_file(
    data, frame, components, quantization, latched, huffman, tables, units, stream, out, aims, scratch, max_pixels, fill
):
    """Decode all scans of a file whose first SOS has been read; what is to be zero without a scan is so already."""
    while True:
        error = decode_scan(
            data, frame, components, quantization, latched, huffman, tables, units, stream, out, aims, scratch, fill
        )
        if error != OK:
            return
        if not read_until(SOS, data, frame, components, quantization, huffman, max_pixels):
            break
    if frame.process == 2:
        to_natural_order(out)
    if fill and frame.error == TRUNCATED:
        frame.error = OK
    for c in range(frame.num_components):
        if components[c].scanned == 0:
            latch(quantization, components[c].quantization, latched, c)
