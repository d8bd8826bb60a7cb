"""Codes to MP3 files."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossy_lightning.bitstream.mp3 import FRAME, GRANULE, MP3Frames, info_frame, write_frames
from lossy_lightning.codecs.standards._lame import bit_rates
from lossy_lightning.codecs.standards._mp3_layout import ENCODER_DELAY, MP3Layout
from lossy_lightning.core import InputError

_RATES = ((44_100, 48_000, 32_000), (22_050, 24_000, 16_000), (11_025, 12_000, 8_000))  # of MPEG-1, 2 and 2.5


def write(layout: MP3Layout, values: dict[str, NDArray[Any]], bit_rate: int, samples: int) -> bytes:
    """A file of a code; it tells delay and padding if the sound's length is not what a reader would take it for.

    Args:
        layout: What the code holds.
        values: What readers give of frames.
        bit_rate: In kbit/s.
        samples: Of the sound.

    Raises:
        ValueError: If both granules of a frame are not in one kind of stereo, MPEG-2 is in intensity stereo, or levels
            do not fit a file.
    """
    levels = values["levels"]
    granules = np.zeros(levels.shape[:2], GRANULE)
    for name in ("global_gain", "block_type", "mixed", "subblock_gain", "scale_factors", "scalefac_scale", "preflag"):
        granules[name] = values[name]
    frames = _frames(layout, len(levels) // layout.granules_a_frame, bit_rate)
    if layout.channels == 2:
        frames["header"] |= _stereo(layout, values)
    try:
        data = write_frames(MP3Frames(layout.sample_rate, np.ascontiguousarray(levels, np.int16), granules, frames))
    except ValueError as error:
        raise InputError(str(error)) from error
    if samples == layout.samples(len(levels), None, None):
        return data
    padding = layout.padding(len(levels), samples)
    first = int(frames["header"][0])
    return info_frame(first, layout.sample_rate, len(frames), len(data), ENCODER_DELAY, padding) + data


def _frames(layout: MP3Layout, count: int, bit_rate: int) -> NDArray[np.void]:
    """Frames of a constant bit rate without CRC, in plain stereo or mono, padded to keep it (ISO 11172-3, 2.4.2.3)."""
    version = next(i for i, rates in enumerate(_RATES) if layout.sample_rate in rates)
    index = 1 + bit_rates(layout.sample_rate).index(bit_rate)
    rate = _RATES[version].index(layout.sample_rate)
    mode = 3 if layout.channels == 1 else 0
    header = 0x7FF << 21 | (3, 2, 0)[version] << 19 | 1 << 17 | 1 << 16 | index << 12 | rate << 10 | mode << 6 | 1 << 2
    # Ends of frames, as close to the exact ones as whole bytes are.
    ends = np.arange(count + 1) * (72_000 * layout.granules_a_frame * bit_rate) // layout.sample_rate
    frames = np.zeros(count, FRAME)
    frames["size"] = np.diff(ends)
    padded = np.diff(ends) > 72_000 * layout.granules_a_frame * bit_rate // layout.sample_rate
    frames["header"] = header | padded << 9
    return frames


def _stereo(layout: MP3Layout, values: dict[str, NDArray[Any]]) -> NDArray[np.uint32]:
    """What joint stereo adds to the header of each frame; nothing if no frame has any."""
    used = (values["intensity"] >= 0).any(1)
    if used.any() and layout.granules_a_frame == 1:
        raise InputError("intensity stereo of MPEG-2 is not written, for its positions depend on their bit widths")
    extensions = (used | values["mid_side"] << 1).reshape(-1, layout.granules_a_frame).astype(np.uint32)
    if (extensions != extensions[:, :1]).any():
        raise InputError("both granules of a frame are in one kind of stereo; got mid_side or intensity that differ")
    joint = np.uint32(bool(extensions.any()))
    return joint << np.uint32(6) | extensions[:, 0] << np.uint32(4)
