"""Some frames of a file, found by seeking."""

from collections.abc import Sequence

import numpy as np

from .._batch import check_files, split
from ..pool import check_threads, in_threads
from ._decoding import read_files
from .frames import MP3Frames
from .headers import MOST_BYTES


def read_windows(
    files: Sequence[bytes], windows: Sequence[tuple[int, int]], num_threads: int = 1, lenient: bool = False
) -> list[MP3Frames | ValueError]:
    """Read some frames of each MP3 file, in compiled code without the GIL: the same part of what `read_frames` gives.

    The headers before a window are scanned, its frames are decoded, and a few before it are read for the bit
    reservoir. So damage of what stands before is seen in headers only, and behind the window not at all; a frame keeps
    its number whether the frames before it are bad or not.

    Args:
        files: The files' bytes. A ``memoryview`` of a mapped file costs the pages that are looked at.
        windows: First frame and number of frames wanted of each file; `read_headers` tells how many a file has.
        num_threads: Number of threads.
        lenient: As in `read_frames`.

    Returns:
        For each file its frames, or what is wrong with it. No file stops the others. ``spare`` begins with the bits of
        the first frame wanted.

    Raises:
        ValueError: If there is not one window of two numbers, at least 0 each, for each file, or no whole number of
            threads, at least one.
        TypeError: If a file is no bytes, or ``files`` is one file.

    Example:
        >>> read_windows([], [])
        []
    """
    check_threads(num_threads)
    check_files(files, "MP3", "read_frames")
    wanted = np.array(windows, np.int64).reshape(-1, 2)
    if len(wanted) != len(files) or (wanted < 0).any():
        raise ValueError(
            f"windows must have a first frame and a number of frames, 0 or more, for each of {len(files)} files; got "
            f"{windows!r}"
        )
    runs = split(files, num_threads, MOST_BYTES)
    results = in_threads(lambda run: read_files(files[run], wanted[run], lenient), runs, num_threads)
    return [frames for found in results for frames in found]
