"""Frame headers (ISO 11172-3, 2.4.1.3 and 2.4.2.3; ISO 13818-3, 2.4.2.3): where each frame of a file begins."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._status import OK, fail
from ..compile import inlined, kernel
from ._bands import SAMPLE_RATES
from ._layout import CHANGED_CHANNELS, CHANGED_RATE, FREE_FORMAT, JUNK, LAYER, NO_FRAME, TRUNCATED
from ._side_info import SIDE_BYTES
from ._tags import is_zero, read_tag_frame, skip_tag, strip_tags

#: In kbit/s, by MPEG-1 or not and index; 0 is free format.
BIT_RATES = np.array(
    [
        [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ]
)
_SLOTS = np.array([144_000, 72_000, 72_000])  # bytes of a frame at 1 kbit/s and 1 Hz
#: Bytes of a frame without padding, by version, index of the sampling rate, and index of the bit rate.
FRAME_BYTES = np.stack(
    [
        np.stack([_SLOTS[version] * BIT_RATES[min(version, 1)] // rate for rate in SAMPLE_RATES[version]])
        for version in range(3)
    ]
)
_SAME = 0xFFFE0C00  # sync word, version, layer and sampling rate
_YES, _NO = np.True_, np.False_  # Numba would compile a kernel for each literal that stands in a call of it
_MOST_FREE = 2**14  # bytes of a free-format frame; LAME makes at most 2880


@inlined
def big32(data, position):
    """A header: four bytes as one number."""
    return (
        np.int64(data[position]) << 24
        | np.int64(data[position + 1]) << 16
        | np.int64(data[position + 2]) << 8
        | np.int64(data[position + 3])
    )


@inlined
def is_header(header):
    """Whether a number is a frame header of any layer, of MPEG-1, 2 or 2.5."""
    return (
        header >> 21 == 0x7FF
        and (header >> 19) & 3 != 1
        and (header >> 17) & 3 != 0
        and (header >> 12) & 15 != 15
        and (header >> 10) & 3 != 3
    )


@inlined
def is_layer3(header):
    """Whether a frame header is that of Layer III."""
    return (header >> 17) & 3 == 1


@inlined
def num_channels(header):
    """Channels of a frame."""
    return np.int64(1) if (header >> 6) & 3 == 3 else np.int64(2)


@inlined
def is_like(header, file):
    """Whether a header is one of the same file: its sampling rate, its channels, and a bit rate that is there."""
    return (
        header & _SAME == file.first & _SAME
        and (header >> 12) & 15 != 15
        and num_channels(header) == file.channels
        and ((header >> 12) & 15 != 0 or file.free_size > 0)
    )


@inlined
def frame_bytes(header, file):
    """Length of a frame with its header."""
    padding = (header >> 9) & 1
    index = (header >> 12) & 15
    if index == 0:
        return file.free_size + padding
    return FRAME_BYTES[file.version, file.rate, index] + padding


@kernel
def _take_over(data, position, file, free):
    """Take a header for the file's first one, in free format only if ``free`` says so: whether it can be one."""
    header = big32(data, position)
    if not is_header(header) or not is_layer3(header):
        return False
    file.first = header
    file.version = 0 if (header >> 19) & 3 == 3 else 1 if (header >> 19) & 3 == 2 else 2
    file.rate = (header >> 10) & 3
    file.channels = num_channels(header)
    file.free_size = 0
    if (header >> 12) & 15 == 0:
        if not free:
            return False
        file.free_size = _find_free_size(data, position, header, file)
        return file.free_size > 0
    return True


@kernel
def _find_free_size(data, position, header, file):
    """Length without padding of the free-format frame at a position, told by the headers behind it; 0 if it is not."""
    least = 4 + SIDE_BYTES[file.version, file.channels]
    file.free_size = 1
    for size in range(least, min(_MOST_FREE, file.stop - position - 4) + 1):
        second = big32(data, position + size)
        if (second >> 12) & 15 != 0 or not is_like(second, file):
            continue
        free = size - ((header >> 9) & 1)
        third = position + size + free + ((second >> 9) & 1)
        if third == file.stop or (third + 4 <= file.stop and is_like(big32(data, third), file)):
            return free
    return np.int64(0)


@kernel
def start_file(data, file, start, end, lenient):
    """Find a file's first frame with sound, and what its tags tell."""
    file.start, file.end, file.position, file.marker = start, end, start, -1
    file.delay, file.padding = -1, -1
    file.stop = strip_tags(data, start, end)
    while skip_tag(data, file):
        pass
    while file.position < file.stop and data[file.position] == 0:
        file.position += 1
    position = file.position
    if position + 4 <= file.stop:
        header = big32(data, position)
        if is_header(header) and not is_layer3(header):
            return fail(file, LAYER, position, -1, 4 - ((header >> 17) & 3))
    found = position + 4 <= file.stop and _take_over(data, position, file, _YES)
    if not found and lenient:
        found = _search(data, file, _YES)
        file.left_out += found
    if not found:
        free = position + 4 <= file.stop and is_header(big32(data, position))
        return fail(file, FREE_FORMAT if free else NO_FRAME, position, -1, 0)
    size = frame_bytes(file.first, file)
    if file.position + size <= file.stop and read_tag_frame(data, file, size):
        file.position += size
    return OK


@kernel
def _search(data, file, first):
    """Find the next frame behind damage: one that another frame, or the end, follows. Whether there is one."""
    position = file.position + 1
    while position + 4 <= file.stop:
        header = big32(data, position)
        if header >> 21 == 0x7FF and (_take_over(data, position, file, _NO) if first else is_like(header, file)):
            behind = position + frame_bytes(header, file)
            if behind == file.stop or (behind + 4 <= file.stop and is_like(big32(data, behind), file)):
                file.position = position
                return True
        position += 1
    file.position = file.stop
    return False


@kernel
def next_frame(data, file, lenient):
    """Find the frame at or behind ``position``: False at the end, or if something is wrong.

    What is lost in lenient mode counts as one frame, and what it would have left for later frames is lost, too.
    """
    while True:
        position = file.position
        left = file.stop - position
        header = big32(data, position) if left >= 4 else np.int64(0)
        if left >= 4 and is_like(header, file):
            file.header, file.size = header, frame_bytes(header, file)
            if file.size <= left:
                return True
            if _frames_end_file(data, position, file):
                file.stop = file.end  # what looks like a tag there is none
                return True
            error = TRUNCATED
        elif skip_tag(data, file):
            continue
        elif is_zero(data, position, file.stop):
            return False
        elif left >= 4 and is_header(header) and is_layer3(header) and _goes_on(data, position, header, file):
            error = CHANGED_RATE if header & _SAME != file.first & _SAME else CHANGED_CHANNELS
            fail(file, error, position, file.number, 0)
            return False
        else:
            error = JUNK
        if not lenient:
            fail(file, error, position, file.number, 0)
            return False
        file.left_out += 1
        file.usable, file.whole = file.fed, 0
        if not _search(data, file, _NO):
            return False


@kernel
def _frames_end_file(data, position, file):
    """Whether frames follow one another from a position to the very end of the file, tags included."""
    while position + 4 <= file.end and is_like(big32(data, position), file):
        position += frame_bytes(big32(data, position), file)
    return position == file.end


@kernel
def _goes_on(data, position, header, file):
    """Whether a header that is not like the file's is no accident: one like it follows, or the file ends there."""
    version = 0 if (header >> 19) & 3 == 3 else 1 if (header >> 19) & 3 == 2 else 2
    index = (header >> 12) & 15
    if index == 0:
        return False
    behind = position + FRAME_BYTES[version, (header >> 10) & 3, index] + ((header >> 9) & 1)
    if behind + 4 > file.stop:
        return behind == file.stop
    second = big32(data, behind)
    return second & _SAME == header & _SAME and num_channels(second) == num_channels(header)
