"""Whole files, many in one call."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from ._bits import PADDING
from ._compile import entry, kernel
from ._frames import color_space, read_until_scan, start_file
from ._records import OK, TRUNCATED, fail
from ._scans import UNIT, decode_scan


@entry
def read_frames(data, bounds, frames, components, quantization, huffman, starts, max_pixels, fill):
    """Read every file up to its first SOS; ``starts`` gets where in the output its coefficients begin."""
    for i in range(len(frames)):
        frame = frames[i]
        start_file(data, frame, huffman[i], bounds[i], bounds[i + 1])
        if frame.error == OK:
            read_until_scan(data, frame, components[i], quantization[i], huffman[i], max_pixels)
        blocks = 0
        for c in range(frame.num_components):
            blocks += components[i, c].sample_rows * components[i, c].sample_columns
        shortest = blocks if frame.process == 2 else 2 * blocks  # a bit for each DC, one more for each end of block
        if frame.error == OK and shortest > 8 * (frame.end - frame.position) and not fill:
            fail(frame, TRUNCATED, frame.end, 0, 0)
        frame.color = color_space(frame, components[i])
        starts[i + 1] = starts[i] + (64 * frame.num_blocks if frame.error == OK else 0)


@entry
def decode_files(data, frames, components, quantization, latched, huffman, tables, starts, out, max_pixels, fill):
    """Decode every file that has no error yet."""
    units = np.zeros(10, UNIT)
    longest = 0
    for i in range(len(frames)):
        longest = max(longest, frames[i].end - frames[i].position)
    stream = np.empty(longest + PADDING, np.uint8)
    for i in range(len(frames)):
        if frames[i].error == OK:
            _decode_file(
                data, frames[i], components[i], quantization[i], latched[i], huffman[i], tables, units, stream,
                out[starts[i] : starts[i + 1]], max_pixels, fill,
            )  # fmt: skip


@kernel
def _decode_file(data, frame, components, quantization, latched, huffman, tables, units, stream, out, max_pixels, fill):
    """Decode all scans of a file whose first SOS has been read."""
    if fill or frame.process == 2 or frame.scan_size < frame.num_components:
        out[:] = 0  # where one scan writes each block, it is cleared just before
    while True:
        error = decode_scan(data, frame, components, quantization, latched, huffman, tables, units, stream, out, fill)
        if error != OK:
            return
        if not read_until_scan(data, frame, components, quantization, huffman, max_pixels):
            break
    if fill and frame.error == TRUNCATED:
        frame.error = OK
    for c in range(frame.num_components):
        if components[c].scanned == 0:
            latched[c] = quantization[components[c].quantization, :64]
