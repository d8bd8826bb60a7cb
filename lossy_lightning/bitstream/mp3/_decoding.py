"""Files to records: memory for what compiled code finds, and views of it."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .._batch import join, zero_records
from .._memory import empty_coefficients
from ._errors import describe
from ._files import NUM_TOLD, STARTS, decode_files, measure_files
from ._frames import PADDING
from ._huffman import tables
from ._layout import FILE, FRAME, GRANULE
from .frames import MP3Frames

_ARRAY_SIZE = 2**21 // 576  # granules and channels that share an array at most
_ONE_FILE = np.empty(0, np.int64)  # bounds of data that are one file's
_WHOLE_FILES = np.empty((0, 2), np.int64)  # windows if there are none
_Integers = NDArray[np.int64]
_Room = tuple[int, int, int, int]  # for frames, granules and channels, spare bytes, and the bytes of the longest file
_Found = list[MP3Frames | ValueError]
# The constructor of a named tuple takes twice as long.
_FRAMES: Callable[[tuple[object, ...]], MP3Frames] = partial(tuple.__new__, MP3Frames)


def measure(
    files: Sequence[bytes], lenient: bool, windows: _Integers = _WHOLE_FILES
) -> tuple[NDArray[np.uint8], NDArray[np.void], _Room]:
    """Read headers: all, or the first one of each file if only windows are wanted.

    Returns:
        The files' bytes, one after another; their records; room that their frames need.
    """
    if len(files) == 1 and len(files[0]):
        data, bounds = np.frombuffer(files[0], np.uint8), _ONE_FILE
        if data.flags.writeable:  # joined bytes are not, and kernels are compiled for each kind of array
            data.flags.writeable = False
    else:
        data, bounds = join(files)
    records = zero_records((len(files),), FILE)
    return data, records, measure_files(data, bounds, windows, records, lenient)


def read_files(files: Sequence[bytes], windows: _Integers | None, lenient: bool) -> _Found:
    """The frames of each file, or what is wrong with it.

    Args:
        files: The files' bytes.
        windows: First frame and number of frames wanted of each file, ``(files, 2)``; None for all frames.
        lenient: Whether bad frames are left out.
    """
    wanted = _WHOLE_FILES if windows is None else windows.cumsum(1)
    data, records, room = measure(files, lenient, wanted)
    if room[1] <= _ARRAY_SIZE:
        return _decode(data, records, wanted, room, lenient)
    starts = np.array([*zip(*(records[name].tolist() for name in STARTS), strict=True), room[:3]])
    found: _Found = []
    while len(found) < len(files):
        first = len(found)
        last = first + max(1, int((starts[first + 1 :, 1] - starts[first, 1]).searchsorted(_ARRAY_SIZE, "right")))
        frames, granules, spare = (starts[last] - starts[first]).tolist()
        found += _decode(data, records[first:last], wanted[first:last], (frames, granules, spare, room[3]), lenient)
    return found


def _decode(
    data: NDArray[np.uint8], records: NDArray[np.void], windows: _Integers, room: _Room, lenient: bool
) -> _Found:
    """The frames of files that share arrays."""
    num_frames, num_granules, num_spare, longest = room
    frames, granules = zero_records((num_frames,), FRAME), zero_records((num_granules,), GRANULE)
    levels, spare = empty_coefficients(576 * num_granules), np.empty(num_spare, np.uint8)
    stream, told = np.empty(longest + PADDING, np.uint8), np.empty((len(records), NUM_TOLD), np.int64)
    decode_files(data, records, windows, frames, granules, levels, spare, stream, tables(), told, lenient)
    shaped: dict[int, tuple[NDArray[np.int16], NDArray[np.void]]] = {}
    found: _Found = []
    for i, row in enumerate(told.tolist()):
        (
            error,
            missing,
            number,
            rate,
            channels,
            frame,
            taken,
            granule,
            count,
            byte,
            num_bytes,
            delay,
            padding,
            left_out,
        ) = row
        if error:
            found.append(ValueError(describe(records[i])))
            continue
        if missing:
            found.append(
                ValueError(f"the file has {number} frames; got a window that ends before frame {windows[i, 1]}")
            )
            continue
        if channels not in shaped:
            shaped[channels] = levels.reshape(-1, channels, 576), granules.reshape(-1, channels)
        its_levels, its_granules = shaped[channels]
        found.append(
            _FRAMES(
                (
                    rate,
                    its_levels[granule : granule + count],
                    its_granules[granule : granule + count],
                    frames[frame : frame + taken],
                    spare[byte : byte + num_bytes].tobytes() if num_bytes else b"",
                    None if delay < 0 else delay,
                    None if padding < 0 else padding,
                    left_out,
                )
            )
        )
    return found
