"""Whole files, many in one call."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._bits import borrowed
from .._status import OK
from ..compile import entry, kernel
from ._frames import decode_frame, end_main_data, feed, open_frame
from ._headers import big32, frame_bytes, next_frame, start_file
from ._side_info import SIDE_BYTES

_MOST_RESERVOIR = 511  # bytes


@entry
def measure_files(data, bounds, files, scan, lenient):
    """Read the first header of each file; if ``scan``, count its frames, in ``number``, up to what is wrong with it."""
    for i in range(len(files)):
        file = files[i]
        if start_file(data, file, bounds[i], bounds[i + 1], lenient) == OK and scan:
            while next_frame(data, file, lenient):
                file.number += 1
                file.position += file.size


@entry
def decode_files(data, bounds, files, windows, starts, frames, granules, levels, spare, stream, tables, lenient):
    """Decode every file.

    Args:
        data: All files' bytes.
        bounds: Where each file starts; the last entry is where the last one ends.
        files: Records of the files.
        windows: Of each file the first frame that is wanted, and the one behind the last.
        starts: Of each file, where its frames, granules, levels and spare bytes begin.
        frames: Gets the records of frames.
        granules: Gets those of granules and channels.
        levels: Gets the levels.
        spare: Gets the bits that code nothing.
        stream: Room for the main data of the longest file, and ``PADDING``.
        tables: Of the Huffman codes.
        lenient: Whether bad frames are left out.
    """
    for i in range(len(files)):
        file = files[i]
        if start_file(data, file, bounds[i], bounds[i + 1], lenient) == OK:
            place = np.int64(levels.ctypes.data) + 2 * starts[i, 2]
            _decode_file(
                borrowed(data),
                file,
                windows[i, 0],
                windows[i, 1],
                borrowed(frames[starts[i, 0] :]),
                borrowed(granules[starts[i, 1] :]),
                place,
                1152 * file.channels,
                1152,
                borrowed(stream),
                borrowed(spare[starts[i, 3] :]),
                tables[0],
                borrowed(levels),
                lenient,
            )


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
    levels,
    lenient,
):
    """Decode the frames ``first`` to ``stop``; levels go to the address ``place`` and on from there."""
    if first > 0 and not _seek(data, file, first, stream, lenient):
        return
    while file.number < stop and next_frame(data, file, lenient):
        error = decode_frame(
            data, file, frames, granules, place, granule_bytes, channel_bytes, stream, spare, tables, levels
        )
        if error != OK:
            if not lenient:
                return
            file.error, file.whole = OK, 0
            file.left_out += 1
        file.number += 1
        file.position += file.size
    left_out = file.left_out
    if file.error == OK and file.number == stop and next_frame(data, file, lenient):
        open_frame(data, file, frames, granules, stream, spare)  # its main data begin behind the window's
    elif file.error == OK:
        end_main_data(stream, 8 * file.fed, file, frames, spare)
    if file.number == stop:  # what is wrong behind the window does not count
        file.error, file.left_out = OK, left_out


@kernel
def _seek(data, file, first, stream, lenient):
    """Go to frame ``first``, and fill the bit reservoir from the frames before it: whether there is such a frame."""
    positions = np.empty(_MOST_RESERVOIR, np.int64)  # of the last frames, which have main data each
    count, lost = 0, file.left_out
    while file.number < first:
        if not next_frame(data, file, lenient):
            return False
        if file.left_out != lost:
            count, lost = 0, file.left_out
        positions[count % _MOST_RESERVOIR] = file.position
        count += 1
        file.number += 1
        file.position += file.size
    file.left_out = 0
    position, fed, least = file.position, 0, max(0, count - _MOST_RESERVOIR)
    oldest = count
    while oldest > least and fed < _MOST_RESERVOIR:
        oldest -= 1
        at = positions[oldest % _MOST_RESERVOIR]
        file.header = big32(data, at)
        fed += max(0, frame_bytes(file.header, file) - 6 - SIDE_BYTES[file.version, file.channels])
    for i in range(oldest, count):
        file.position = positions[i % _MOST_RESERVOIR]
        file.header = big32(data, file.position)
        file.size = frame_bytes(file.header, file)
        feed(data, file, stream)
    file.position, file.whole = position, 0
    return True
