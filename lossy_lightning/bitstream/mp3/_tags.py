"""What stands around the frames of a file: tags of titles, and frames that describe the others instead of sound."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from ..compile import kernel
from ._side_info import SIDE_BYTES

_ID3 = np.frombuffer(b"ID3", np.uint8)
_APETAGEX = np.frombuffer(b"APETAGEX", np.uint8)
_TAG_PLUS = np.frombuffer(b"TAG+", np.uint8)
_TAG = np.frombuffer(b"TAG", np.uint8)
_LYRICSBEGIN = np.frombuffer(b"LYRICSBEGIN", np.uint8)
_LYRICSEND = np.frombuffer(b"LYRICSEND", np.uint8)
_LYRICS200 = np.frombuffer(b"LYRICS200", np.uint8)
_3DI = np.frombuffer(b"3DI", np.uint8)
_VBRI = np.frombuffer(b"VBRI", np.uint8)
_XING = np.frombuffer(b"Xing", np.uint8)
_INFO = np.frombuffer(b"Info", np.uint8)
_MOST_LYRICS = 5120  # bytes of Lyrics3


@kernel
def _matches(data, position, end, text):
    """Whether bytes that stand before ``end`` are those of a text."""
    if position < 0 or position + len(text) > end:
        return False
    for i in range(len(text)):  # noqa: SIM110
        if data[position + i] != text[i]:
            return False
    return True


@kernel
def _little32(data, position):
    number = np.int64(0)
    for i in range(4):
        number |= np.int64(data[position + i]) << (8 * i)
    return number


@kernel
def _big(data, position, size):
    number = np.int64(0)
    for i in range(size):
        number = number << 8 | np.int64(data[position + i])
    return number


@kernel
def _synchsafe(data, position):
    """A number of four bytes, of which the highest bits are not used (ID3v2, 3.1)."""
    number = np.int64(0)
    for i in range(4):
        number = number << 7 | (np.int64(data[position + i]) & 127)
    return number


@kernel
def is_zero(data, start, stop):
    """Whether all bytes are 0; so it is if there is none."""
    for i in range(start, stop):  # noqa: SIM110
        if data[i] != 0:
            return False
    return True


@kernel
def skip_tag(data, file):
    """Skip an ID3v2, APE or Lyrics3 tag at ``position``: whether there was one."""
    position, stop = file.position, file.stop
    size = np.int64(0)
    if _matches(data, position, stop, _ID3) and position + 10 <= stop:
        footer = 10 if data[position + 5] & 16 else 0
        size = 10 + footer + _synchsafe(data, position + 6)
    elif _matches(data, position, stop, _APETAGEX) and position + 32 <= stop:
        size = 32 + _little32(data, position + 12)
    elif _matches(data, position, stop, _TAG_PLUS):
        size = np.int64(227)
    elif _matches(data, position, stop, _TAG):
        size = np.int64(128)
    elif _matches(data, position, stop, _LYRICSBEGIN):
        for end in range(position + 11, min(stop - 8, position + _MOST_LYRICS)):
            if _matches(data, end, stop, _LYRICSEND) or _matches(data, end, stop, _LYRICS200):
                size = end + 9 - position
                break
    file.position = min(position + size, stop)
    return size > 0


@kernel
def strip_tags(data, start, end):
    """Where the tags at a file's end begin: ID3v1, TAG+, APE, Lyrics3, or an ID3v2 tag with a footer."""
    while True:
        size = np.int64(0)
        if end - start >= 128 and _matches(data, end - 128, end, _TAG):
            size = np.int64(128)
        elif end - start >= 227 and _matches(data, end - 227, end, _TAG_PLUS):
            size = np.int64(227)
        elif end - start >= 32 and _matches(data, end - 32, end, _APETAGEX):
            size = _little32(data, end - 20) + (32 if data[end - 9] & 128 else 0)
        elif end - start >= 15 and _matches(data, end - 9, end, _LYRICS200):
            size = np.int64(15)
            for i in range(6):
                size += (np.int64(data[end - 10 - i]) - 48) * 10**i
        elif end - start >= 20 and _matches(data, end - 9, end, _LYRICSEND):
            for begin in range(max(start, end - _MOST_LYRICS), end - 19):
                if _matches(data, begin, end, _LYRICSBEGIN):
                    size = end - begin
        elif end - start >= 20 and _matches(data, end - 10, end, _3DI):
            size = 20 + _synchsafe(data, end - 4)
        if size < 1 or size > end - start:
            return end
        end -= size


@kernel
def read_tag_frame(data, file, size):
    """Whether the frame at ``position`` is a Xing, Info or VBRI frame; takes over delay and padding from it."""
    end = file.position + size
    position = file.position + 4 + SIDE_BYTES[file.version, file.channels]
    if _matches(data, file.position + 36, end, _VBRI):
        return True
    if file.first & 0x10000 == 0 and not _is_xing(data, position, end):
        position += 2  # behind a CRC
    if not _is_xing(data, position, end):
        return False
    if position + 8 > end:
        return True
    flags = _big(data, position + 4, 4)
    position += 8
    for bit in range(4):
        if flags & (1 << bit):
            position += 100 if bit == 2 else 4
    if position + 24 <= end and data[position] != 0:
        both = _big(data, position + 21, 3)
        file.delay, file.padding = both >> 12, both & 4095
    return True


@kernel
def _is_xing(data, position, end):
    return _matches(data, position, end, _XING) or _matches(data, position, end, _INFO)
