"""Many files in one compiled call a thread: what they are checked for, cut into and joined to."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

_BYTES = (bytes, bytearray, memoryview)
_LEAST_BYTES = 2**15  # that a thread takes of a batch at once; less is read before another thread has started


def check_file(data: bytes, standard: str) -> None:
    """Refuse what is no file's bytes.

    Raises:
        TypeError: If the data are no bytes.
    """
    if not _is_bytes(data):
        raise TypeError(_expected(standard, data))


def check_files(files: Sequence[bytes], standard: str, reader_of_one: str) -> None:
    """Refuse what is no list of files.

    Args:
        files: What a caller has given.
        standard: Name of the standard, for the message.
        reader_of_one: Name of the function that reads a single file, for the message.

    Raises:
        TypeError: If a file is no bytes, or ``files`` is one file.
    """
    if isinstance(files, _BYTES):
        raise TypeError(f"a list of files is expected; got one as {type(files).__name__}: use {reader_of_one}")
    if set(map(type, files)) <= {bytes, bytearray}:
        return
    for index, data in enumerate(files):
        if not _is_bytes(data):
            raise TypeError(f"file {index} of the batch: {_expected(standard, data)}")


def _is_bytes(data: object) -> bool:
    """Whether the length of an object is its number of bytes, side by side."""
    if isinstance(data, memoryview):
        return data.ndim == 1 and data.itemsize == 1 and data.contiguous
    return isinstance(data, _BYTES)


def _expected(standard: str, data: object) -> str:
    if isinstance(data, memoryview):
        shape = f"shape {data.shape} and items of {data.itemsize} bytes"
        return f"a {standard} file's bytes are expected; got a memoryview of {shape}: pass its tobytes()"
    return f"a {standard} file's bytes are expected; got {type(data).__name__}: pass pathlib.Path(name).read_bytes()"


def split(files: Sequence[bytes], num_threads: int, most_bytes: int | None = None) -> list[slice]:
    """Consecutive runs of files, ever shorter: few, and yet all threads end at about one time.

    Args:
        files: All files.
        num_threads: Threads that will read them.
        most_bytes: In a run, unless it is one file; None for any number.

    Returns:
        Where each run stands among the files.

    Example:
        >>> split([bytes(10_000)] * 4, num_threads=2)
        [slice(0, 3, None), slice(3, 4, None)]
    """
    if num_threads == 1 and most_bytes is None:
        return [slice(0, len(files))]
    ends = list(accumulate(map(len, files)))
    cuts, done = [0], 0
    while cuts[-1] < len(files):
        size = max((ends[-1] - done) // (2 * num_threads), _LEAST_BYTES) if num_threads > 1 else ends[-1]
        size = size if most_bytes is None else min(size, most_bytes)
        cuts.append(max(bisect_right(ends, done + size), cuts[-1] + 1))
        done = ends[cuts[-1] - 1]
    return [slice(a, b) for a, b in pairwise(cuts)]


def join(files: Sequence[bytes], head: bytes = b"") -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Files one after another, as compiled code takes them.

    Args:
        files: What is joined.
        head: What stands before the first file.

    Returns:
        All bytes, and where each file starts; the last entry is where the last one ends.

    Example:
        >>> data, bounds = join([b"ab", b"c"], head=b"head")
        >>> data.tobytes(), bounds
        (b'headabc', array([4, 6, 7]))
    """
    bounds = np.fromiter(accumulate(map(len, files), initial=len(head)), np.int64, len(files) + 1)
    return np.frombuffer(b"".join((head, *files)), np.uint8), bounds


def zero_records(shape: tuple[int, ...], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """Records of zeros; NumPy's own take ten times as long if there are fields."""
    return np.ndarray(shape, dtype, bytearray(math.prod(shape) * dtype.itemsize))
