"""Files to frames."""

from collections.abc import Sequence

from .._batch import check_file, check_files, split
from ..pool import check_threads, in_threads
from ._decoding import read_files
from .frames import MP3Frames


def read_frames(data: bytes, lenient: bool = False) -> MP3Frames:
    """Read the quantized levels of an MP3 file: entropy decoding only.

    All of Layer III is read, of MPEG-1, 2 and 2.5: any bit rate, also in free format, any kind of block and of joint
    stereo. Tags around the frames are skipped, and so is a first frame that describes the file (Xing, Info, VBRI). Bit
    rate and mode may change from frame to frame; sampling rate and number of channels may not.

    A frame is bad if it is cut off, if there is something else where it should begin, if its CRC is wrong, if main data
    that it refers to are missing, or if its codes do not fit into it. Memory is bounded by the file's length: n bytes
    give at most 137 n bytes, 136 n of levels and side information and n of bits that code nothing, and reading takes
    twice that. The first call of a process loads compiled code from disk; the first one ever compiles it.

    Args:
        data: The file's bytes.
        lenient: Whether bad frames are left out and counted, instead of an error. What is left out leaves no silence:
            the frames before and behind it follow each other.

    Returns:
        The file's frames.

    Raises:
        ValueError: If the file is no MP3 file, its sampling rate or number of channels changes, or a frame is bad; the
            message names frame, byte offset and reason.
        TypeError: If the data are no bytes.

    Source:
        ISO/IEC 11172-3 (1993), 2.4; ISO/IEC 13818-3 (1998), 2.4.

    Example:
        >>> read_frames(b"")
        Traceback (most recent call last):
        ValueError: file at byte 0: the file is empty
    """
    check_file(data, "MP3")
    (found,) = read_files([data], None, lenient)
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
    for run in in_threads(lambda run: read_files(files[run], None, lenient), split(files, num_threads), num_threads):
        for found in run:
            if isinstance(found, ValueError):
                raise ValueError(f"file {len(read)} of the batch: {found}")
            read.append(found)
    return read
