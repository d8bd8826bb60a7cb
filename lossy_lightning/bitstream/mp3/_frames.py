"""Decoding of whole frames: the bit reservoir, and what a frame is refused for (ISO 11172-3, 2.4.1.7, annex G).

Frames are decoded in runs: first what stands before the levels of all, then the levels, two granules at a time.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._bits import top_bits, window
from .._status import OK, fail
from ..compile import inlined, kernel
from ._addresses import copy_bytes
from ._headers import big32, frame_bytes, is_like
from ._layout import BAD_CODES, BAD_CRC, NO_RESERVOIR, OVERLAP, TOO_LONG, TOO_SMALL
from ._levels import LEVEL_BYTES, MOST_BITS, read_two
from ._scale_factors import read_mpeg1, read_mpeg2
from ._side_info import SIDE_BYTES, crc_is_right, find_regions, read_side_info

PADDING = MOST_BITS // 8 + 64  # bytes behind the main data of a file, which may hold anything
RUN = 16  # frames that are decoded together

#: A granule and channel of a run: where its scale factors begin, as bit of the stream; positions where its codes begin
#: and end; addresses where its levels begin and end, and where its three regions of pairs end; bits that are left
#: behind its codes; what is wrong with it.
PART = np.dtype(
    [
        ("start", np.int64),
        ("position", np.uint64),
        ("end", np.uint64),
        ("out", np.uint64),
        ("last", np.uint64),
        ("left", np.int64),
        ("stops", np.uint64, 3),
        ("error", np.int64),
    ]
)


@inlined
def granules_of(file):
    """Granules of a frame."""
    return np.int64(2) if file.version == 0 else np.int64(1)


@inlined
def _address(array, index):
    return np.uint64(array.ctypes.data) + np.uint64(index)


@kernel
def _keep_spare(stream, start, count, file, spare):
    """Append bits that code nothing to those of the file."""
    while count > 0:
        at = file.spare & 7
        size = min(count, 8 - at)
        bits = top_bits(window(stream, np.uint64(start)), np.uint64(size))
        index = file.spare >> 3
        before = np.int64(spare[index]) if at > 0 else np.int64(0)
        spare[index] = before | (bits << (8 - at - size))
        file.spare += size
        start += size
        count -= size


@kernel
def end_main_data(stream, stop, file, frames, spare):
    """Note the bits between the last frame's granules and the bit ``stop``, once, if no frame is lost between them."""
    if file.taken > 0 and file.whole:
        frames[file.taken - 1].ancillary = stop - file.used
        _keep_spare(stream, file.used, stop - file.used, file, spare)
    file.whole = 0


@kernel
def feed(data, file, stream):
    """Append the main data of the frame at ``position``: where its side information begins, and where its main data."""
    at = file.position + (4 if file.header & 0x10000 else 6)  # behind a CRC
    body_at = at + SIDE_BYTES[file.version, file.channels]
    start, body = file.fed, file.position + file.size - body_at
    if body > 0:
        copy_bytes(_address(data, body_at), _address(stream, start), np.uint64(body))
        file.fed += body
    return at, start


@kernel
def open_frame(data, file, frames, granules, stream):
    """Read the frame at ``position`` up to its granules, as the file's next one: what is wrong, and its first bit."""
    at, start = feed(data, file, stream)
    side_bytes = SIDE_BYTES[file.version, file.channels]
    if at + side_bytes > file.position + file.size:
        return fail(file, TOO_SMALL, file.position, file.number, file.size), np.int64(0)
    if file.header & 0x10000 == 0 and not crc_is_right(data, file.position, side_bytes):
        return fail(file, BAD_CRC, file.position, file.number, 0), np.int64(0)
    side = _address(stream, file.fed)  # where reading on does no harm
    copy_bytes(_address(data, at), side, np.uint64(side_bytes))
    frame = frames[file.taken]
    frame.header, frame.size, frame.ancillary = file.header, file.size, 0
    first = file.taken * granules_of(file) * file.channels
    error = read_side_info(np.uint64(8) * side, file.version, file.channels, frame, granules, first)
    if error != OK:
        return fail(file, error, file.position, file.number, 0), np.int64(0)
    begin = start - np.int64(frame.main_data_begin)
    if begin < file.usable:
        return fail(file, NO_RESERVOIR, file.position, file.number, file.usable - begin), np.int64(0)
    if 8 * begin < file.used:
        return fail(file, OVERLAP, file.position, file.number, file.used - 8 * begin), np.int64(0)
    return OK, 8 * begin


@kernel
def _plan(file, begin, frame, granules, place, granule_bytes, channel_bytes, stream, parts, count):
    """Read the scale factors of a frame, and note where its levels are and go: the bit behind its granules."""
    end = begin
    first = file.taken * granules_of(file)
    for i in range(granules_of(file)):
        for channel in range(file.channels):
            granule = granules[(first + i) * file.channels + channel]
            earlier = granules[first * file.channels + channel]
            part = parts[count]
            count += 1
            start, end = end, end + np.int64(granule.part2_3_length)
            out = np.uint64(place + (first + i) * granule_bytes + channel * channel_bytes)
            part.start, part.end = start, np.uint64(8) * _address(stream, 0) + np.uint64(end)
            part.out, part.last = out, out + np.uint64(LEVEL_BYTES)
            if end > 8 * file.fed:
                part.error = TOO_LONG
                continue
            position = np.uint64(8) * _address(stream, 0) + np.uint64(start)
            part.position = _scale_factors(position, file, frame, granule, earlier, i, channel)
            part.error = BAD_CODES if part.position > part.end else OK
            _find_stops(part, granule, file)
    return end


@inlined
def _scale_factors(position, file, frame, granule, earlier, number, channel):
    """Read those of a granule and channel: the position behind them."""
    if file.version == 0:
        scfsi = np.int64(frame.scfsi[channel]) if number > 0 else np.int64(0)
        return read_mpeg1(position, granule, earlier, scfsi)
    intensity = channel == 1 and (file.header >> 6) & 3 == 1 and (file.header >> 4) & 1 == 1
    return read_mpeg2(position, granule, intensity)


@inlined
def _find_stops(part, granule, file):
    """Note where the three regions of pairs end, which may be empty."""
    first, second = find_regions(granule, file.version, file.rate)
    levels = 2 * np.int64(granule.big_values)
    part.stops[0] = part.out + np.uint64(2 * min(levels, first))
    part.stops[1] = part.out + np.uint64(2 * min(levels, second))
    part.stops[2] = part.out + np.uint64(2 * levels)


@inlined
def _follows(data, file):
    """Whether a whole frame that is like the others stands at ``position``; its header and size are noted."""
    left = file.stop - file.position
    if left < 4:
        return False
    header = big32(data, file.position)
    if not is_like(header, file):
        return False
    file.header, file.size = header, frame_bytes(header, file)
    return file.size <= left


@kernel
def decode_run(data, file, most, frames, granules, place, granule_bytes, channel_bytes, stream, spare, tables, parts):
    """Decode frames from the one at ``position`` on, as the file's next ones.

    If one of several is bad, nothing has happened: they are to be decoded one by one.

    Args:
        data: The file.
        file: Its record; moved on behind the frames if they are good.
        most: Frames at most, no more than ``RUN``.
        frames: Records of the file's frames.
        granules: Records of its granules and channels.
        place: Address of the first granule's levels.
        granule_bytes: From a granule's levels to the next one's.
        channel_bytes: From a channel's levels to the next one's.
        stream: Main data so far; the frames' are appended.
        spare: Gets the bits that code nothing.
        tables: Of the Huffman codes.
        parts: Room for granules and channels of a run, and one more.

    Returns:
        What is wrong, and how many frames there were.
    """
    position, size, header, number, taken = file.position, file.size, file.header, file.number, file.taken
    fed, used, whole = file.fed, file.used, file.whole
    opened, a_frame = 0, granules_of(file) * file.channels
    while opened < most and (opened == 0 or _follows(data, file)):
        fed_before = file.fed
        error, begin = open_frame(data, file, frames, granules, stream)
        if error != OK:
            if opened == 0:
                return error, 0
            file.fed, file.error = fed_before, OK  # it is told as the first one of the next run
            break
        count = opened * a_frame
        end = _plan(
            file, begin, frames[file.taken], granules, place, granule_bytes, channel_bytes, stream, parts, count
        )
        file.used, file.taken, file.number, file.whole = end, file.taken + 1, file.number + 1, 1
        file.position += file.size
        opened += 1
    error = _decode_parts(granules, taken * a_frame, parts, opened * a_frame, file.channels, tables)
    if error == OK:
        _keep_all_spare(stream, used, whole, file, frames, granules, taken, parts, opened, spare)
        return OK, opened
    file.position, file.size, file.header, file.number, file.taken = position, size, header, number, taken
    file.used, file.whole = used, whole
    if opened > 1:
        file.fed = fed
        return error, opened
    end_main_data(stream, parts[0].start, file, frames, spare)
    return fail(file, error, file.position, file.number, 0), 1


@kernel
def _decode_parts(granules, first, parts, count, channels, tables):
    """Decode the levels of a run, up to a part that is bad: what is wrong."""
    good = 0
    while good < count and parts[good].error == OK:
        good += 1
    # Granules that follow each other in a channel are of about one length: neither of two is read alone for long.
    step = channels if good % (2 * channels) == 0 else 1
    for i in range(0, good - step, 2 * step):
        for k in range(i, i + step):
            read_two(tables, parts[k], parts[k + step], granules[first + k], granules[first + k + step])
    if good & 1:  # the last one has no partner, so it gets one that has no level
        last, empty = parts[good - 1], parts[len(parts) - 1]
        empty.position, empty.end, empty.out, empty.last, empty.error = last.end, last.end, last.out, last.out, OK
        empty.stops[0], empty.stops[1], empty.stops[2] = last.out, last.out, last.out
        read_two(tables, last, empty, granules[first + good - 1], granules[first + good - 1])
    for i in range(good):
        left = parts[i].left
        if parts[i].error != OK:
            return parts[i].error
        if left < 0:
            return BAD_CODES
        granules[first + i].stuffing = left
    return parts[good].error if good < count else OK


@kernel
def _keep_all_spare(stream, used, whole, file, frames, granules, taken, parts, opened, spare):
    """Append the bits of a run that code nothing to those of the file."""
    a_frame = granules_of(file) * file.channels
    for k in range(opened):
        begin = parts[k * a_frame].start
        if taken + k > 0 and whole:
            frames[taken + k - 1].ancillary = begin - used
            _keep_spare(stream, used, begin - used, file, spare)
        whole, used = 1, begin
        for i in range(k * a_frame, (k + 1) * a_frame):
            used += np.int64(granules[taken * a_frame + i].part2_3_length)
            _keep_spare(stream, used - parts[i].left, parts[i].left, file, spare)
