"""Decoding of whole frames: the bit reservoir, and what a frame is refused for (ISO 11172-3, 2.4.1.7, annex G)."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._bits import at_address, top_bits, window
from .._status import OK, fail
from ..compile import inlined, kernel
from ._huffman import MOST_BITS, read_levels
from ._layout import BAD_CODES, BAD_CRC, BAD_TABLE, NO_RESERVOIR, OVERLAP, TOO_LONG, TOO_SMALL
from ._scale_factors import read_mpeg1, read_mpeg2
from ._side_info import SIDE_BYTES, crc_is_right, find_regions, read_side_info

PADDING = MOST_BITS // 8 + 32  # bytes behind the main data of a file, which may hold anything


@inlined
def granules_of(file):
    """Granules of a frame."""
    return np.int64(2) if file.version == 0 else np.int64(1)


@inlined
def _copy(source, start, target, at, count):
    """Copy bytes; unsigned indices make it a plain copy of memory."""
    start, at = np.uint64(start), np.uint64(at)
    for i in range(np.uint64(count)):
        target[at + i] = source[start + i]


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
    start, body = file.fed, file.size - (at - file.position) - SIDE_BYTES[file.version, file.channels]
    if body > 0:
        _copy(data, at + SIDE_BYTES[file.version, file.channels], stream, start, body)
        file.fed += body
    return at, start


@kernel
def open_frame(data, file, frames, granules, stream, spare):
    """Read the frame at ``position`` up to its granules, as the file's next one: what is wrong, and its first bit."""
    at, start = feed(data, file, stream)
    side_bytes = SIDE_BYTES[file.version, file.channels]
    if at + side_bytes > file.position + file.size:
        return fail(file, TOO_SMALL, file.position, file.number, file.size), np.int64(0)
    if file.header & 0x10000 == 0 and not crc_is_right(data, file.position, side_bytes):
        return fail(file, BAD_CRC, file.position, file.number, 0), np.int64(0)
    _copy(data, at, stream, file.fed, side_bytes)  # where reading on does no harm
    frame = frames[file.taken]
    frame.header, frame.size, frame.ancillary = file.header, file.size, 0
    first = file.taken * granules_of(file) * file.channels
    error = read_side_info(stream, file.fed, file.version, file.channels, frame, granules, first)
    if error != OK:
        return fail(file, error, file.position, file.number, 0), np.int64(0)
    begin = start - np.int64(frame.main_data_begin)
    if begin < file.usable:
        return fail(file, NO_RESERVOIR, file.position, file.number, file.usable - begin), np.int64(0)
    if 8 * begin < file.used:
        return fail(file, OVERLAP, file.position, file.number, file.used - 8 * begin), np.int64(0)
    end_main_data(stream, 8 * begin, file, frames, spare)
    return OK, 8 * begin


@kernel
def decode_frame(data, file, frames, granules, place, granule_bytes, channel_bytes, stream, spare, tables, levels):
    """Decode the frame at ``position`` as the file's next one.

    Args:
        data: The file.
        file: Its record; if the frame is good, ``taken`` counts it.
        frames: Records of the file's frames.
        granules: Records of its granules and channels.
        place: Address of the first granule's levels.
        granule_bytes: From a granule's levels to the next one's.
        channel_bytes: From a channel's levels to the next one's.
        stream: Main data so far; the frame's are appended.
        spare: Gets the bits that code nothing.
        tables: Of the Huffman codes.
        levels: Any int16 array, for its type.

    Returns:
        What is wrong.
    """
    error, end = open_frame(data, file, frames, granules, stream, spare)
    if error != OK:
        return error
    frame, before = frames[file.taken], file.spare
    first = file.taken * granules_of(file)
    for i in range(granules_of(file)):
        for channel in range(file.channels):
            granule = granules[(first + i) * file.channels + channel]
            earlier = granules[first * file.channels + channel]
            out = at_address(levels, np.uint64(place + (first + i) * granule_bytes + channel * channel_bytes))
            start, end = end, end + np.int64(granule.part2_3_length)
            if end > 8 * file.fed:
                error = TOO_LONG
            else:
                error = _decode_granule(stream, start, end, file, frame, granule, earlier, i, channel, tables, out)
            if error != OK:
                file.spare = before
                return fail(file, error, file.position, file.number, 0)
            _keep_spare(stream, end - np.int64(granule.stuffing), np.int64(granule.stuffing), file, spare)
    file.used, file.whole = end, 1
    file.taken += 1
    return OK


@kernel
def _decode_granule(stream, start, end, file, frame, granule, earlier, number, channel, tables, out):
    """Scale factors and levels of a granule and channel, bits ``start`` to ``end``: what is wrong."""
    position = np.uint64(start)
    if file.version == 0:
        scfsi = np.int64(frame.scfsi[channel]) if number > 0 else np.int64(0)
        position = read_mpeg1(stream, position, granule, earlier, scfsi)
    else:
        intensity = channel == 1 and (file.header >> 6) & 3 == 1 and (file.header >> 4) & 1 == 1
        position = read_mpeg2(stream, position, granule, intensity)
    if position > np.uint64(end):
        return BAD_CODES
    first, second = find_regions(granule, file.version, file.rate)
    left = read_levels(stream, position, np.uint64(end), granule, first, second, tables, out)
    if left <= -MOST_BITS:
        return BAD_TABLE
    granule.stuffing = max(left, 0)
    return OK if left >= 0 else BAD_CODES
