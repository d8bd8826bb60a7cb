"""Whole files, many in one call."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._status import OK, fail
from ..compile import entry, kernel
from ._frames import color_space, read_until, start_file
from ._records import COMPONENT, FRAME, SOF0, SOS, TRUNCATED
from ._scans import UNIT, decode_scan
from ._stuffing import PADDING


@entry
def measure_files(data, bounds, starts, max_pixels, fill):
    """Find where in the output each file's coefficients begin, by its segments up to SOF."""
    quantization, huffman = np.empty((4, 65), np.uint16), np.empty((2, 4), np.int64)
    for i in range(len(starts) - 1):
        frame, components = np.zeros(1, FRAME)[0], np.zeros(4, COMPONENT)
        _begin_file(SOF0, data, bounds[i], bounds[i + 1], frame, components, quantization, huffman, max_pixels, fill)
        starts[i + 1] = starts[i] + (64 * frame.num_blocks if frame.error == OK else 0)


@entry
def decode_files(data, bounds, frames, components, latched, tables, starts, out, max_pixels, fill):
    """Decode every file; ``latched`` gets the quantization tables, once where consecutive files have the same."""
    quantization, huffman, units = np.empty((4, 65), np.uint16), np.empty((2, 4), np.int64), np.zeros(10, UNIT)
    longest = 0
    for i in range(len(frames)):
        longest = max(longest, bounds[i + 1] - bounds[i])
    stream = np.empty(longest + PADDING, np.uint8)
    table_sets = 0
    for i in range(len(frames)):
        frame = frames[i]
        _begin_file(SOS, data, bounds[i], bounds[i + 1], frame, components[i], quantization, huffman, max_pixels, fill)
        frame.color = color_space(frame, components[i])
        latched[table_sets] = 0
        if frame.error == OK:
            _decode_file(
                data, frame, components[i], quantization, latched[table_sets], huffman, tables, units, stream,
                out[starts[i] : starts[i + 1]], max_pixels, fill,
            )  # fmt: skip
        if table_sets == 0 or _differ(latched[table_sets], latched[table_sets - 1]):
            table_sets += 1
        frame.table_set = table_sets - 1


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


@kernel
def _decode_file(data, frame, components, quantization, latched, huffman, tables, units, stream, out, max_pixels, fill):
    """Decode all scans of a file whose first SOS has been read."""
    if fill or frame.process == 2 or frame.scan_size < frame.num_components:
        out[:] = 0  # where one scan writes each block, it is cleared just before
    while True:
        error = decode_scan(data, frame, components, quantization, latched, huffman, tables, units, stream, out, fill)
        if error != OK:
            return
        if not read_until(SOS, data, frame, components, quantization, huffman, max_pixels):
            break
    if fill and frame.error == TRUNCATED:
        frame.error = OK
    for c in range(frame.num_components):
        if components[c].scanned == 0:
            latched[c] = quantization[components[c].quantization, :64]
