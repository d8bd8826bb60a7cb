"""Whole files, many in one call."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._bits import borrowed
from .._status import OK
from ..compile import entry, kernel
from ._addresses import prefetch
from ._bands import SAMPLE_RATES
from ._frames import PART, RUN, decode_run, end_main_data, feed, granules_of, open_frame
from ._headers import big32, frame_bytes, is_like, next_frame, start_file
from ._huffman import FAST_BYTES
from ._levels import LEVEL_BYTES
from ._side_info import SIDE_BYTES

_MOST_RESERVOIR = 511  # bytes; each frame that counts for it has one or more
_RING = 511  # of 512 positions
_AHEAD = 32  # frames
_MOST_FRAME = 2**14  # bytes whose bits that code nothing are kept, in a window
_RATES = np.array(SAMPLE_RATES)
WHOLE = np.int64(np.iinfo(np.int64).max)  # frame behind the last one, of a file that is read whole
_MANY_BYTES = 2**13  # of a file that will look up most of what is in the tables
#: Fields of a file's record that say where what it has begins.
STARTS = ("frame_at", "granule_at", "spare_at")
NUM_TOLD = 14  # numbers that are told of each file


@entry
def measure_files(data, bounds, windows, files, lenient):
    """Read the first header of each file, and find out how much room its frames need.

    Args:
        data: All files' bytes.
        bounds: Where each file starts; the last entry is where the last one ends. Empty if there is but one file.
        windows: Of each file the first frame that is wanted, and the one behind the last. Empty if all are wanted,
            which are counted up to what is wrong.
        files: Records of the files.
        lenient: Whether bad frames are left out.

    Returns:
        Numbers of frames, of granules and channels, and of spare bytes that all files may have; bytes of the longest
        file. Granules of two channels begin at an even place.
    """
    frame, granule, spare, longest, positions = 0, 0, 0, 0, np.empty(_RING + 1, np.int64)
    for i in range(len(files)):
        file = files[i]
        start, end = (bounds[i], bounds[i + 1]) if len(bounds) > 0 else (0, len(data))
        size = end - start
        error = start_file(data, file, start, end, lenient)
        file.begin, file.tags, file.lost = file.position if error == OK else -1, file.stop, file.left_out
        if error == OK and len(windows) == 0:
            _skip_frames(borrowed(data), file, WHOLE, borrowed(positions), lenient)
            file.frames = file.number
        elif error == OK:  # a window's next frame is looked at, too; files of few bytes have few frames
            size = min(size, _MOST_FRAME * (windows[i, 1] - windows[i, 0] + 1))
            file.frames = min(windows[i, 1] - windows[i, 0], size // 8) + 1
        file.frame_at, file.granule_at, file.spare_at = frame, granule, spare
        frame += file.frames
        granule += file.frames * granules_of(file) * file.channels
        granule += granule & 1
        spare += size
        longest = max(longest, end - start)
    return frame, granule, spare, longest


@entry
def decode_files(data, files, windows, frames, granules, levels, spare, stream, tables, told, lenient):
    """Decode every file.

    Args:
        data: All files' bytes.
        files: Records of the files, as `measure_files` leaves them.
        windows: As `measure_files` takes them.
        frames: Gets the records of frames, from the first file's on.
        granules: Gets those of granules and channels.
        levels: Gets the levels.
        spare: Gets the bits that code nothing.
        stream: Room for the main data of the longest file, and ``PADDING``.
        tables: Of the Huffman codes.
        told: Gets what is told of each file.
        lenient: Whether bad frames are left out.
    """
    parts, positions = np.empty(4 * RUN + 1, PART), np.empty(_RING + 1, np.int64)
    if len(stream) > _MANY_BYTES:
        first_entry = np.uint64(tables.ctypes.data)
        for line in range(0, FAST_BYTES, 64):
            prefetch(first_entry + np.uint64(line))
    for i in range(len(files)):
        file = files[i]
        wanted, stop = (windows[i, 0], windows[i, 1]) if len(windows) > 0 else (0, WHOLE)
        if file.begin >= 0:
            file.position, file.stop, file.left_out = file.begin, file.tags, file.lost
            file.number, file.error, file.usable = 0, OK, 0
            first = file.granule_at - files[0].granule_at
            _decode_file(
                borrowed(data),
                file,
                wanted,
                stop,
                borrowed(frames[file.frame_at - files[0].frame_at :]),
                borrowed(granules[first:]),
                np.int64(levels.ctypes.data) + LEVEL_BYTES * first,
                LEVEL_BYTES * file.channels,
                LEVEL_BYTES,
                borrowed(stream),
                borrowed(spare[file.spare_at - files[0].spare_at :]),
                tables[0],
                borrowed(parts),
                borrowed(positions),
                lenient,
            )
        _tell(told[i], file, stop, files[0])


@kernel
def _tell(told, file, stop, first):
    """What a result needs: what is wrong, then whether frames are missing, and so on."""
    told[0], told[1], told[2] = file.error, file.number < stop and stop < WHOLE, file.number
    told[3], told[4] = _RATES[file.version, file.rate], file.channels
    told[5], told[6] = file.frame_at - first.frame_at, file.taken
    told[7], told[8] = (file.granule_at - first.granule_at) // max(1, file.channels), file.taken * granules_of(file)
    told[9], told[10] = file.spare_at - first.spare_at, (file.spare + 7) // 8
    told[11], told[12], told[13] = file.delay, file.padding, file.left_out


@kernel
def _decode_file(
    data,
    file,
    first,
    stop,
    frames,
    granules,
    place,
    granule_bytes,
    channel_bytes,
    stream,
    spare,
    tables,
    parts,
    positions,
    lenient,
):
    """Decode the frames ``first`` to ``stop``; levels go to the address ``place`` and on from there."""
    if first > 0 and not _seek(data, file, first, stream, positions, lenient):
        return
    alone = 0  # frames that are decoded one by one, since one of them is bad
    while file.number < stop and next_frame(data, file, lenient):
        most = 1 if alone > 0 else min(RUN, stop - file.number)
        alone -= alone > 0
        error, count = decode_run(
            data, file, most, frames, granules, place, granule_bytes, channel_bytes, stream, spare, tables, parts
        )
        if error != OK and count > 1:
            alone = count
        elif error != OK:
            if not lenient:
                return
            file.error, file.whole = OK, 0
            file.left_out += 1
            file.number += 1
            file.position += file.size
    left_out = file.left_out
    if file.error == OK and file.number == stop and next_frame(data, file, lenient):
        # Its main data begin behind the window's.
        error, begin = open_frame(data, file, frames, granules, stream)
        if error == OK:
            end_main_data(stream, begin, file, frames, spare)
    elif file.error == OK:
        end_main_data(stream, 8 * file.fed, file, frames, spare)
    if file.number == stop:  # what is wrong behind the window does not count
        file.error, file.left_out = OK, left_out


@kernel
def _skip_frames(data, file, first, positions, lenient):
    """Go to frame ``first``, or to the end: the number of frames since damage; the last ones' positions are noted."""
    count, lost = 0, file.left_out
    while file.number < first and next_frame(data, file, lenient):
        if file.left_out != lost:
            count, lost = 0, file.left_out
        position, number, size = file.position, file.number, file.size
        while True:
            positions[count & _RING] = position
            count, number, position = count + 1, number + 1, position + size
            if number == first or position + 4 > file.stop:
                break
            header = big32(data, position)
            if not is_like(header, file):
                break
            size = frame_bytes(header, file)
            if position + size > file.stop:
                break
            # Each header is far from the one before, and says where the next one is. Where it is likely to be told by
            # as many frames before.
            ahead = 2 * position - positions[(count - _AHEAD) & _RING]
            prefetch(np.uint64(data.ctypes.data) + np.uint64(ahead))
        file.position, file.number = position, number
    return count


@kernel
def _seek(data, file, first, stream, positions, lenient):
    """Go to frame ``first``, and fill the bit reservoir from the frames before it: whether there is such a frame."""
    count = _skip_frames(data, file, first, positions, lenient)
    if file.number < first:
        return False
    file.left_out = 0
    position, fed, least = file.position, 0, max(0, count - _MOST_RESERVOIR)
    oldest = count
    while oldest > least and fed < _MOST_RESERVOIR:
        oldest -= 1
        file.header = big32(data, positions[oldest & _RING])
        fed += max(0, frame_bytes(file.header, file) - 6 - SIDE_BYTES[file.version, file.channels])
    for i in range(oldest, count):
        file.position = positions[i & _RING]
        file.header = big32(data, file.position)
        file.size = frame_bytes(file.header, file)
        feed(data, file, stream)
    file.position, file.whole = position, 0
    return True
