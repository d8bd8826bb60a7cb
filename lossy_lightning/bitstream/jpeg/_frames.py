"""Marker segments: everything of a file that is not entropy-coded (T.81 annex B)."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._status import OK, fail
from ..compile import entry, kernel
from ._huffman import count_codes
from ._records import (
    BAD_COMPONENTS,
    BAD_HUFFMAN,
    BAD_LENGTH,
    BAD_ORDER,
    BAD_PRECISION,
    BAD_SAMPLING,
    BAD_SIZE,
    BAD_TABLE,
    DHT,
    DNL,
    DQT,
    DRI,
    EOI,
    NO_SCAN,
    NOT_JPEG,
    SOF0,
    SOF2,
    SOI,
    SOS,
    TOO_LARGE,
    TRUNCATED,
    UNKNOWN_MARKER,
    UNSUPPORTED,
)
from ._scan_headers import read_scan
from ._tables import NATURAL_ORDER


@kernel
def big16(data, position):
    """A 16-bit number (T.81 B.1.1.1)."""
    return np.int64(data[position]) << 8 | np.int64(data[position + 1])


@kernel
def next_marker(data, position, end):
    """Position behind the next marker and its second byte, 0 if there is none; other bytes are skipped."""
    while position + 1 < end:
        if data[position] == 0xFF and data[position + 1] != 0xFF and data[position + 1] != 0:
            return position + 2, np.int64(data[position + 1])
        position += 1
    return end, np.int64(0)


@kernel
def start_file(data, frame, huffman, start, end):
    """Begin a file: SOI must stand at its very start, and no Huffman table is defined yet."""
    frame.start, frame.position, frame.end = start, start + 2, end
    frame.adobe = -1
    huffman[:] = -1
    if end - start < 2 or data[start] != 0xFF or data[start + 1] != SOI:
        fail(frame, NOT_JPEG, start, 0, 0)


@kernel
def read_until(last, data, frame, components, quantization, huffman, max_pixels):
    """Read marker segments up to and including the next SOS, or the SOF if ``last`` is SOF0, of whatever process.

    Returns:
        True behind such a segment; False at EOI, at the end of the data, or at an error.
    """
    while True:
        position, marker = next_marker(data, frame.position, frame.end)
        frame.position = position
        if marker == 0:
            fail(frame, TRUNCATED, position, 0, 0)
            return False
        if marker == EOI:
            if frame.num_scans == 0:
                fail(frame, NO_SCAN, position - 2, marker, 0)
            return False
        if 0xD0 <= marker <= 0xD7 or marker == 0x01:  # RSTn and TEM stand alone
            continue
        if marker == SOI:
            fail(frame, BAD_ORDER, position - 2, marker, 0)
            return False
        if position + 2 > frame.end:
            fail(frame, TRUNCATED, frame.end, marker, 0)
            return False
        stop = position + big16(data, position)
        if stop < position + 2:
            fail(frame, BAD_LENGTH, position, marker, stop - position)
            return False
        if stop > frame.end:
            fail(frame, TRUNCATED, frame.end, marker, 0)
            return False
        frame.position = stop
        error = _read_segment(data, position + 2, stop, marker, frame, components, quantization, huffman, max_pixels)
        if error != OK:
            return False
        if marker == SOS or (last == SOF0 and frame.num_components > 0):
            return True


@kernel
def _read_segment(data, position, stop, marker, frame, components, quantization, huffman, max_pixels):
    if SOF0 <= marker <= SOF2:
        return _read_frame(data, position, stop, marker, frame, components, max_pixels)
    if marker == DHT:
        return _read_huffman(data, position, stop, frame, huffman)
    if marker == DQT:
        return _read_quantization(data, position, stop, frame, quantization)
    if marker == SOS:
        return read_scan(data, position, stop, frame, components)
    if marker == DRI:
        if stop - position != 2:
            return fail(frame, BAD_LENGTH, position - 2, marker, stop - position + 2)
        frame.restart_interval = big16(data, position)
    elif 0xE0 <= marker <= 0xEF:
        _read_application(data, position, stop, marker, frame)
    elif 0xC3 <= marker <= 0xCF or marker == 0xDE or marker == 0xDF:
        return fail(frame, UNSUPPORTED, position - 4, marker, 0)
    elif marker != 0xFE and marker != DNL:
        return fail(frame, UNKNOWN_MARKER, position - 4, marker, 0)
    return OK


@kernel
def _read_application(data, position, stop, marker, frame):
    """JFIF and Adobe segments say what the components mean (T.871 10.1; T.872 6.5.3); all others are skipped."""
    size = stop - position
    if marker == 0xE0 and size >= 14 and big16(data, position) == 0x4A46 and big16(data, position + 2) == 0x4946:
        frame.jfif |= data[position + 4] == 0
    if marker == 0xEE and size >= 12 and big16(data, position) == 0x4164 and big16(data, position + 3) == 0x6265:
        frame.adobe = data[position + 11]


@kernel
def _read_quantization(data, position, stop, frame, quantization):
    """DQT (T.81 B.2.4.1): 8- or 16-bit tables, kept in natural order."""
    while position < stop:
        precision, identifier = np.int64(data[position]) >> 4, np.int64(data[position]) & 15
        size = 64 if precision == 0 else 128  # libjpeg takes any other precision for 1
        if identifier > 3:
            return fail(frame, BAD_TABLE, position, DQT, np.int64(data[position]))
        position += 1
        if position + size > stop:
            return fail(frame, BAD_LENGTH, position, DQT, stop - position)
        for i in range(64):
            value = big16(data, position + 2 * i) if precision else np.int64(data[position + i])
            quantization[identifier, NATURAL_ORDER[i]] = value
        quantization[identifier, 64] = 1  # defined
        position += size
    return OK


@kernel
def _read_huffman(data, position, stop, frame, huffman):
    """DHT (T.81 B.2.4.2): note where each table stands; it is built when a scan uses it."""
    while position < stop:
        table_class, identifier = np.int64(data[position]) >> 4, np.int64(data[position]) & 15
        if table_class > 1 or identifier > 3:
            return fail(frame, BAD_TABLE, position, DHT, np.int64(data[position]))
        position += 1
        if position + 16 > stop:
            return fail(frame, BAD_LENGTH, position, DHT, stop - position)
        size = count_codes(data, position)
        if size > 256 or position + 16 + size > stop:
            return fail(frame, BAD_HUFFMAN, position, DHT, size)
        huffman[table_class, identifier] = position
        position += 16 + size
    return OK


@kernel
def _read_frame(data, position, stop, marker, frame, components, max_pixels):
    """SOF (T.81 B.2.2)."""
    if frame.num_components > 0:
        return fail(frame, BAD_ORDER, position - 4, marker, 0)
    if stop - position < 6 or stop - position != 6 + 3 * np.int64(data[position + 5]):
        return fail(frame, BAD_LENGTH, position - 2, marker, stop - position + 2)
    frame.process = marker - SOF0
    frame.precision = data[position]
    frame.height, frame.width = big16(data, position + 1), big16(data, position + 3)
    count = np.int64(data[position + 5])
    if frame.precision != 8 and (frame.precision != 12 or marker == SOF0):
        return fail(frame, BAD_PRECISION, position, marker, frame.precision)
    if frame.height == 0 or frame.width == 0:
        return fail(frame, BAD_SIZE, position + 1, marker, 0)
    if frame.height * frame.width > max_pixels:
        return fail(frame, TOO_LARGE, position + 1, marker, frame.height * frame.width)
    if count < 1 or count > 4:
        return fail(frame, BAD_COMPONENTS, position + 5, marker, count)
    frame.num_components = count
    for c in range(count):
        component = components[c]
        component.identifier = data[position + 6 + 3 * c]
        component.h, component.v = np.int64(data[position + 7 + 3 * c]) >> 4, np.int64(data[position + 7 + 3 * c]) & 15
        component.quantization = data[position + 8 + 3 * c]
        if not (1 <= component.h <= 4 and 1 <= component.v <= 4):
            return fail(frame, BAD_SAMPLING, position + 7 + 3 * c, marker, np.int64(data[position + 7 + 3 * c]))
        if component.quantization > 3:
            return fail(frame, BAD_TABLE, position + 8 + 3 * c, marker, component.quantization)
        frame.max_h, frame.max_v = max(frame.max_h, component.h), max(frame.max_v, component.v)
    lay_out(frame, components)
    return OK


@kernel
def ceil_div(a, b):
    """The least integer not below ``a / b``, for positive numbers."""
    return (a + b - 1) // b


@entry
def lay_out(frame, components):
    """Blocks of each component: whole MCUs (T.81 A.1.1, A.2); the MCU of a single component is one block."""
    for c in range(frame.num_components):
        component = components[c]
        width, height = frame.width * component.h, frame.height * component.v
        component.sample_columns = ceil_div(width, 8 * frame.max_h)
        component.sample_rows = ceil_div(height, 8 * frame.max_v)
        if frame.num_components == 1:
            component.columns, component.rows = component.sample_columns, component.sample_rows
        else:
            component.columns = ceil_div(frame.width, 8 * frame.max_h) * component.h
            component.rows = ceil_div(frame.height, 8 * frame.max_v) * component.v
        component.start = 64 * frame.num_blocks
        frame.num_blocks += component.rows * component.columns


@kernel
def color_space(frame, components):
    """Index of the colour space as libjpeg finds it: unknown, grey, YCbCr, RGB, CMYK, YCCK (T.871; T.872 6.5.3)."""
    if frame.num_components == 1:
        return 1
    if frame.num_components == 3:
        if frame.jfif:
            return 2
        if frame.adobe >= 0:
            return 3 if frame.adobe == 0 else 2
        red, green, blue = components[0].identifier, components[1].identifier, components[2].identifier
        return 3 if red == 0x52 and green == 0x47 and blue == 0x42 else 2
    if frame.num_components == 4:
        return 5 if frame.adobe > 0 else 4
    return 0
