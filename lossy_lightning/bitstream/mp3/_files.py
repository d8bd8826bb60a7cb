"""Whole files, many in one call."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._bits import borrowed
from .._status import OK
from ..compile import entry, kernel
from ._frames import decode_frame, end_main_data
from ._headers import next_frame, start_file


@entry
def measure_files(data, bounds, files, lenient):
    """Count the frames of each file, in ``number``, up to its end or to what is wrong with it."""
    for i in range(len(files)):
        file = files[i]
        if start_file(data, file, bounds[i], bounds[i + 1], lenient) == OK:
            while next_frame(data, file, lenient):
                file.number += 1
                file.position += file.size


@entry
def decode_files(data, bounds, files, starts, frames, granules, levels, spare, stream, tables, lenient):
    """Decode every file; ``starts`` says for each where its frames, granules, levels and spare bytes begin."""
    for i in range(len(files)):
        file = files[i]
        if start_file(data, file, bounds[i], bounds[i + 1], lenient) == OK:
            place = np.int64(levels.ctypes.data) + 2 * starts[i, 2]
            decode_file(
                borrowed(data),
                file,
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
def decode_file(
    data, file, frames, granules, place, granule_bytes, channel_bytes, stream, spare, tables, levels, lenient
):
    """Decode the frames from ``position`` on; levels go to the address ``place`` and on from there."""
    while next_frame(data, file, lenient):
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
    end_main_data(stream, 8 * file.fed, file, frames, spare)
