"""Files to records: memory for what compiled code finds, and views of it."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .._batch import join, zero_records
from .._memory import empty_coefficients
from ._bands import SAMPLE_RATES
from ._errors import describe
from ._files import decode_files, measure_files
from ._frames import PADDING
from ._huffman import tables
from ._layout import FILE, FRAME, GRANULE
from .frames import MP3Frames

_ARRAY_SIZE = 2**21  # levels that share an array at most
_WHOLE = np.iinfo(np.int64).max  # frame behind the last one, of a file that is read whole
_FIELDS = ("version", "rate", "channels", "number", "taken", "left_out", "delay", "padding", "spare")
# The constructor of a named tuple takes twice as long.
_FRAMES: Callable[[tuple[object, ...]], MP3Frames] = partial(tuple.__new__, MP3Frames)


def measure(
    files: Sequence[bytes], scan: bool, lenient: bool
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.void]]:
    """The files' bytes one after another, where each starts, and what their headers say: all, or the first ones."""
    if len(files) == 1 and len(files[0]):
        data, bounds = np.frombuffer(files[0], np.uint8), np.array([0, len(files[0])])
    else:
        data, bounds = join(files)
    measured = zero_records((len(files),), FILE)
    measure_files(data, bounds, measured, scan, lenient)
    return data, bounds, measured


def read_files(
    files: Sequence[bytes], windows: NDArray[np.int64] | None, lenient: bool
) -> list[MP3Frames | ValueError]:
    """The frames of each file, or what is wrong with it.

    Args:
        files: The files' bytes.
        windows: First frame and number of frames wanted of each file, ``(files, 2)``; None for all frames.
        lenient: Whether bad frames are left out.
    """
    data, bounds, measured = measure(files, windows is None, lenient)
    wanted = np.array([[0, _WHOLE]]).repeat(len(files), 0) if windows is None else windows.cumsum(1)
    # A window's next frame is looked at, too; files of few bytes have few frames.
    frames = measured["number"] if windows is None else np.minimum(windows[:, 1], np.diff(bounds) // 8) + 1
    sizes = np.empty((len(files), 4), np.int64)
    sizes[:, 0] = frames
    sizes[:, 1] = frames * measured["channels"] * np.where(measured["version"] == 0, 2, 1)
    sizes[:, 2] = 576 * sizes[:, 1]
    sizes[:, 3] = np.diff(bounds) if windows is None else np.minimum(np.diff(bounds), 2**14 * frames)
    found: list[MP3Frames | ValueError] = []
    while len(found) < len(files):
        first = len(found)
        ends = sizes[first:].cumsum(0)
        last = first + max(1, int(ends[:, 2].searchsorted(_ARRAY_SIZE, "right")))
        starts = np.zeros((last - first + 1, 4), np.int64)
        starts[1:] = ends[: last - first]
        found += _decode(data, bounds[first : last + 1], wanted[first:last], starts, lenient)
    return found


def _decode(
    data: NDArray[np.uint8],
    bounds: NDArray[np.int64],
    windows: NDArray[np.int64],
    starts: NDArray[np.int64],
    lenient: bool,
) -> list[MP3Frames | ValueError]:
    num_frames, num_granules, num_levels, num_spare = starts[-1].tolist()
    frames, granules = zero_records((num_frames,), FRAME), zero_records((num_granules,), GRANULE)
    levels, spare = empty_coefficients(num_levels + 16), np.empty(num_spare, np.uint8)
    files, stream = zero_records((len(windows),), FILE), np.empty(int(np.diff(bounds).max()) + PADDING, np.uint8)
    decode_files(data, bounds, files, windows, starts, frames, granules, levels, spare, stream, tables(), lenient)
    found: list[MP3Frames | ValueError] = []
    told = zip(*(files[name].tolist() for name in _FIELDS), strict=True)
    for start, end, (version, rate, channels, number, taken, left_out, delay, padding, bits) in zip(
        starts.tolist(), windows[:, 1].tolist(), told, strict=False
    ):
        if number < end < _WHOLE:
            found.append(ValueError(f"the file has {number} frames; got a window that ends before frame {end}"))
            continue
        frame, granule, level, byte = start
        count = taken * (2 if version == 0 else 1)
        found.append(
            _FRAMES(
                (
                    SAMPLE_RATES[version][rate],
                    levels[level : level + 576 * channels * count].reshape(count, channels, 576),
                    granules[granule : granule + channels * count].reshape(count, channels),
                    frames[frame : frame + taken],
                    spare[byte : byte + (bits + 7) // 8].tobytes(),
                    None if delay < 0 else delay,
                    None if padding < 0 else padding,
                    left_out,
                )
            )
        )
    for i in files["error"].nonzero()[0].tolist():
        found[i] = ValueError(describe(files[i]))
    return found
