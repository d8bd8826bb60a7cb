"""Files to what their headers say."""

from collections.abc import Sequence
from typing import NamedTuple

from .._batch import check_files, split
from ._bands import SAMPLE_RATES
from ._decoding import measure
from ._errors import describe

MOST_BYTES = 2**18  # of files that one compiled call reads


class MP3Header(NamedTuple):
    """What the headers of an MP3 file say.

    Attributes:
        sample_rate: In Hz.
        channels: 1 or 2.
        num_frames: Number of frames with sound; some of them may turn out to be bad when they are decoded.
        granules_per_frame: 2 in MPEG-1, 1 in MPEG-2 and 2.5, each of 576 samples.
        delay: As in `MP3Frames`.
        padding: As in `MP3Frames`.
    """

    sample_rate: int
    channels: int
    num_frames: int
    granules_per_frame: int
    delay: int | None
    padding: int | None


def read_headers(files: Sequence[bytes], lenient: bool = False) -> list[MP3Header | ValueError]:
    """Read all frame headers of MP3 files, and nothing between them.

    Args:
        files: The files' bytes.
        lenient: As in `read_frames`.

    Returns:
        For each file what its headers say, or what is wrong with them.

    Raises:
        TypeError: If a file is no bytes, or ``files`` is one file.

    Example:
        >>> read_headers([b"RIFF"])
        [ValueError('file at byte 0: no frame of MPEG-1, 2 or 2.5 Layer III begins here; a lenient reader looks for \
one further on')]
    """
    check_files(files, "MP3", "read_frames")
    found: list[MP3Header | ValueError] = []
    for run in split(files, 1, MOST_BYTES):
        for file in measure(files[run], lenient)[1]:
            if file["error"]:
                found.append(ValueError(describe(file)))
                continue
            version, delay, padding = int(file["version"]), int(file["delay"]), int(file["padding"])
            found.append(
                MP3Header(
                    SAMPLE_RATES[version][int(file["rate"])],
                    int(file["channels"]),
                    int(file["frames"]),
                    2 if version == 0 else 1,
                    None if delay < 0 else delay,
                    None if padding < 0 else padding,
                )
            )
    return found
