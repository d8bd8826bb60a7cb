"""Headers of scans: components, tables, progression (T.81 B.2.3, G.1.1.1)."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._status import OK, fail
from ..compile import kernel
from ._records import BAD_LENGTH, BAD_ORDER, BAD_SCAN, BAD_TABLE, SOS, TOO_MANY_BLOCKS


@kernel
def read_scan(data, position, stop, frame, components):
    """SOS (T.81 B.2.3)."""
    if frame.num_components == 0:
        return fail(frame, BAD_ORDER, position - 4, SOS, 0)
    count = np.int64(data[position]) if position < stop else 0
    if stop - position != 4 + 2 * count or count == 0 or count > frame.num_components:
        return fail(frame, BAD_LENGTH, position - 2, SOS, stop - position + 2)
    for c in range(frame.num_components):
        components[c].scan_order = -1
    at = position + 1 + 2 * count
    frame.scan_size = count
    frame.num_scans += 1
    frame.spectral_start, frame.spectral_end = np.int64(data[at]), np.int64(data[at + 1])
    frame.approximation_high, frame.approximation_low = np.int64(data[at + 2]) >> 4, np.int64(data[at + 2]) & 15
    if frame.process == 2 and not _is_progression(frame):
        return fail(frame, BAD_SCAN, at, SOS, 0)
    blocks = 0
    for i in range(count):
        at = position + 1 + 2 * i
        c = 0
        while c < frame.num_components and (components[c].identifier != data[at] or components[c].scan_order >= 0):
            c += 1
        if c == frame.num_components:
            return fail(frame, BAD_SCAN, at, SOS, np.int64(data[at]))
        component = components[c]
        component.scan_order = i
        component.dc_table, component.ac_table = np.int64(data[at + 1]) >> 4, np.int64(data[at + 1]) & 15
        if (needs_dc(frame) and component.dc_table > 3) or (needs_ac(frame) and component.ac_table > 3):
            return fail(frame, BAD_TABLE, at + 1, SOS, np.int64(data[at + 1]))
        blocks += component.h * component.v
    if count > 1 and blocks > 10:
        return fail(frame, TOO_MANY_BLOCKS, position, SOS, blocks)
    return OK


@kernel
def needs_dc(frame):
    """Whether the scan uses DC Huffman tables; a progressive one that does not may name any (T.81 G.1.1.1.1)."""
    return frame.process != 2 or (frame.spectral_start == 0 and frame.approximation_high == 0)


@kernel
def needs_ac(frame):
    """Whether the scan uses AC Huffman tables."""
    return frame.process != 2 or frame.spectral_start > 0


@kernel
def _is_progression(frame):
    """Whether the parameters of a progressive scan are allowed (T.81 G.1.1.1)."""
    if frame.spectral_start == 0:
        band = frame.spectral_end == 0
    else:
        band = frame.spectral_start <= frame.spectral_end <= 63 and frame.scan_size == 1
    high, low = frame.approximation_high, frame.approximation_low
    return band and low <= 13 and (high == 0 or low == high - 1)


@kernel
def place_of_table(frame, huffman, table_class, identifier):
    """Where a Huffman table stands; -1 if it is not defined.

    Motion JPEG leaves out the standard ones, which then are tables 0 and 1 of sequential files, as in libjpeg; they
    stand before the first file.
    """
    if huffman[table_class, identifier] < 0 and frame.process != 2 and identifier < 2:
        return (28 if table_class == 0 else 178) * identifier + 56 * table_class
    return huffman[table_class, identifier]
