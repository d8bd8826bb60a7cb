"""Frames without sound that tell what an encoder put around the sound."""

import numpy as np

from ._bands import SAMPLE_RATES
from ._headers import FRAME_BYTES
from ._side_info import SIDE_BYTES

_MOST = 2**12 - 1  # samples that a tag can tell
_TAG_BYTES = 4 + 4 + 4 + 4 + 36  # name, flags, frames, bytes, and what LAME adds


def info_frame(header: int, sample_rate: int, num_frames: int, num_bytes: int, delay: int, padding: int) -> bytes:
    """An Info frame with LAME's tag, to stand before the frames of a file; readers get delay and padding from it.

    Args:
        header: Of the file's first frame; its bit rate becomes the least that has room for the tag.
        sample_rate: In Hz.
        num_frames: Frames of the file.
        num_bytes: Bytes of them.
        delay: Samples before the sound that the encoder added, 0 to 4095.
        padding: Samples behind it.

    Raises:
        ValueError: If delay or padding cannot be told.

    Source: G. Bouvigne, "MP3 Info Tag revision 1 specifications", LAME, 2005.

    Example:
        >>> frame = info_frame(0xFFF348C4, 16_000, num_frames=30, num_bytes=4320, delay=576, padding=704)
        >>> len(frame), frame[13:17]
        (72, b'Info')
    """
    if not (0 <= delay <= _MOST and 0 <= padding <= _MOST):
        raise ValueError(f"a tag tells a delay and padding of 0 to {_MOST} samples; got {delay=}, {padding=}")
    version = next(i for i, rates in enumerate(SAMPLE_RATES) if sample_rate in rates)
    channels = 1 if header >> 6 & 3 == 3 else 2
    side = int(SIDE_BYTES[version, channels])
    sizes = FRAME_BYTES[version, SAMPLE_RATES[version].index(sample_rate)]
    index = int(np.argmax(sizes >= 4 + side + _TAG_BYTES))
    size = int(sizes[index])
    # No CRC, no padding, no joint stereo.
    plain = header & 0xFFFF0DCF | 0x10000 | index << 12
    told = (3, num_frames, num_bytes + size)  # the flags of the two numbers behind them
    body = b"Info" + b"".join(number.to_bytes(4, "big") for number in told)
    # Behind a name of nine bytes stand twelve that say nothing here.
    body += b"LAME".ljust(9) + bytes(12) + (delay << 12 | padding).to_bytes(3, "big")
    return (plain.to_bytes(4, "big") + bytes(side) + body).ljust(size, b"\0")
