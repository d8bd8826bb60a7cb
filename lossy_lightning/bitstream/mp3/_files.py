"""Whole files, many in one call."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._status import OK
from ..compile import entry
from ._frames import PADDING, decode_frame, end_main_data
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
def decode_files(data, bounds, files, starts, frames, granules, levels, spare, tables, lenient):
    """Decode every file; ``starts`` says for each where its frames, granules, levels and spare bytes begin."""
    longest = 0
    for i in range(len(files)):
        longest = max(longest, bounds[i + 1] - bounds[i])
    stream, side, regions = np.empty(longest + PADDING, np.uint8), np.empty(64, np.uint8), np.empty(3, np.int64)
    steps = np.empty(2, np.int64)
    for i in range(len(files)):
        file = files[i]
        if start_file(data, file, bounds[i], bounds[i + 1], lenient) != OK:
            continue
        steps[0], steps[1] = 1152 * file.channels, 1152
        own_frames, own_granules, own_spare = frames[starts[i, 0] :], granules[starts[i, 1] :], spare[starts[i, 3] :]
        place = np.int64(levels.ctypes.data) + 2 * starts[i, 2]
        while next_frame(data, file, lenient):
            error = decode_frame(
                data, file, own_frames, own_granules, place, steps, stream, own_spare, side, regions, tables, levels
            )
            if error != OK:
                if not lenient:
                    break
                file.error, file.whole = OK, 0
                file.left_out += 1
            file.number += 1
            file.position += file.size
        end_main_data(stream, 8 * file.fed, file, own_frames, own_spare)
