"""Files to frames."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._batch import check_file, check_files, join, split, zero_records
from .._memory import empty_coefficients
from .._pool import check_threads, in_threads
from ._bands import SAMPLE_RATES
from ._errors import describe
from ._files import decode_files, measure_files
from ._frames import PADDING
from ._huffman import tables
from ._layout import FILE, FRAME, GRANULE
from .frames import MP3Frames

_ARRAY_SIZE = 2**21  # levels that share an array at most
# The constructor of a named tuple takes twice as long.
_FRAMES: Callable[[tuple[object, ...]], MP3Frames] = partial(tuple.__new__, MP3Frames)


def read_frames(data: bytes, lenient: bool = False) -> MP3Frames:
    """Read the quantized levels of an MP3 file: entropy decoding only.

    Args:
        data: The file's bytes.
        lenient: Whether bad frames are left out and counted, instead of an error.

    Returns:
        The file's frames.

    Raises:
        ValueError: If the file is no MP3 file, or a frame is bad; the message names frame, byte offset and reason.
        TypeError: If the data are no bytes.

    Source:
        ISO/IEC 11172-3 (1993), 2.4; ISO/IEC 13818-3 (1998), 2.4.

    Example:
        >>> read_frames(b"")
        Traceback (most recent call last):
        ValueError: file at byte 0: the file is empty
    """
    check_file(data, "MP3")
    (found,) = _read([data], lenient)
    if isinstance(found, ValueError):
        raise found
    return found


def read_frames_batch(files: Sequence[bytes], num_threads: int = 1, lenient: bool = False) -> list[MP3Frames]:
    """Read the quantized levels of many MP3 files in one compiled call a thread, without the GIL.

    Args:
        files: The files' bytes.
        num_threads: Number of threads.
        lenient: As in `read_frames`.

    Returns:
        The frames of each file.

    Raises:
        ValueError: If a file cannot be read; the message begins with its index. If there is no whole number of
            threads, at least one.
        TypeError: If a file is no bytes, or ``files`` is one file.

    Example:
        >>> read_frames_batch([])
        []
    """
    check_threads(num_threads)
    check_files(files, "MP3", "read_frames")
    read: list[MP3Frames] = []
    for run in in_threads(lambda run: _read(files[run], lenient), split(files, num_threads), num_threads):
        for found in run:
            if isinstance(found, ValueError):
                raise ValueError(f"file {len(read)} of the batch: {found}")
            read.append(found)
    return read


def _read(files: Sequence[bytes], lenient: bool) -> list[MP3Frames | ValueError]:
    """The frames of each file, or what is wrong with it."""
    data, bounds = join(files)
    measured = zero_records((len(files),), FILE)
    measure_files(data, bounds, measured, lenient)
    counts = _sizes(measured, bounds)
    found: list[MP3Frames | ValueError] = []
    while len(found) < len(files):
        first = len(found)
        ends = counts[first:].cumsum(0)
        last = first + max(1, int(ends[:, 2].searchsorted(_ARRAY_SIZE, "right")))
        starts = np.zeros((last - first + 1, 4), np.int64)
        starts[1:] = ends[: last - first]
        found += _decode(data, bounds[first : last + 1], starts, measured[first:last], lenient)
    return found


def _sizes(files: NDArray[np.void], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Frames, granules and channels, levels, and bytes of spare bits at most, of each file."""
    sizes = np.empty((len(files), 4), np.int64)
    sizes[:, 0] = files["number"]
    sizes[:, 1] = files["number"] * files["channels"] * np.where(files["version"] == 0, 2, 1)
    sizes[:, 2] = 576 * sizes[:, 1]
    sizes[:, 3] = np.diff(bounds)
    return sizes


def _decode(
    data: NDArray[np.uint8],
    bounds: NDArray[np.int64],
    starts: NDArray[np.int64],
    measured: NDArray[np.void],
    lenient: bool,
) -> list[MP3Frames | ValueError]:
    num_frames, num_granules, num_levels, num_spare = starts[-1].tolist()
    frames, granules = zero_records((num_frames,), FRAME), zero_records((num_granules,), GRANULE)
    levels, spare = empty_coefficients(num_levels + 16), np.empty(num_spare, np.uint8)
    files = zero_records((len(measured),), FILE)
    stream = np.empty(int(np.diff(bounds).max()) + PADDING, np.uint8)
    decode_files(data, bounds, files, starts, frames, granules, levels, spare, stream, tables(), lenient)
    return [
        _record(file, start, frames, granules, levels, spare)
        for file, start in zip(files, starts.tolist(), strict=False)
    ]


def _record(
    file: Any,
    start: list[int],
    frames: NDArray[np.void],
    granules: NDArray[np.void],
    levels: NDArray[np.int16],
    spare: NDArray[np.uint8],
) -> MP3Frames | ValueError:
    """What was read of a file, as views of what all share."""
    if file["error"]:
        return ValueError(describe(file))
    version, channels, taken = int(file["version"]), int(file["channels"]), int(file["taken"])
    count = taken * (2 if version == 0 else 1)
    first_frame, first_granule, first_level, first_spare = start
    delay, padding = int(file["delay"]), int(file["padding"])
    return _FRAMES(
        (
            SAMPLE_RATES[version][int(file["rate"])],
            levels[first_level : first_level + 576 * channels * count].reshape(count, channels, 576),
            granules[first_granule : first_granule + channels * count].reshape(count, channels),
            frames[first_frame : first_frame + taken],
            spare[first_spare : first_spare + (int(file["spare"]) + 7) // 8].tobytes(),
            None if delay < 0 else delay,
            None if padding < 0 else padding,
            int(file["left_out"]),
        )
    )
