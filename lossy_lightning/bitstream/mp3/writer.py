"""Frames to files."""

import numpy as np
from numpy.typing import NDArray

from ._bands import SAMPLE_RATES
from ._encode import encoding
from ._headers import FRAME_BYTES
from ._huffman import tables
from ._layout import FRAME, GRANULE
from ._side_info import SIDE_BYTES
from ._writing import NO_ROOM, PLAN, UNFIT_FACTORS, lay_out, pack, plan
from .frames import MP3Frames
from .headers import read_headers

_MOST = 8206  # largest absolute level: 15 and 13 linbits
_LIMITS = {
    "block_type": 3,
    "mixed": 1,
    "preflag": 1,
    "scalefac_scale": 1,
    "count1_table": 1,
    "region0_count": 15,
    "region1_count": 7,
    "table_select": 31,
    "subblock_gain": 7,
}


def write_frames(frames: MP3Frames, larger: bool = True) -> bytes:
    """Write quantized levels as an MP3 file: entropy coding only.

    Granules whose levels still fit their coding choices keep them, so that what was read and not changed is written
    with the same main data, bit for bit. The levels of all others get the regions and tables that take least bits. A
    frame whose main data no longer fit where they were uses what the bit reservoir has before it gets larger.

    Tags and frames without sound of the file that was read are not written, and nothing tells delay and padding.

    Args:
        frames: What to write.
        larger: Whether frames that are too small get the next larger bit rate; else they are an error.

    Returns:
        The file's bytes; `read_frames` gives the same levels.

    Raises:
        ValueError: If the arrays do not make frames, a level or side information is out of range, scale factors have no
            code, or a frame cannot be as large as its levels need; the message names frame, bits needed and bits there.

    Source:
        ISO/IEC 11172-3 (1993), 2.4.1 and annex C.1.5; ISO/IEC 13818-3 (1998), 2.4.1.

    Example:
        >>> from lossy_lightning.bitstream.mp3 import MP3Frames, read_frames
        >>> silence = MP3Frames(
        ...     16_000, np.zeros((1, 1, 576), np.int16), np.zeros((1, 1), GRANULE), np.zeros(1, FRAME)
        ... )
        >>> silence.frames["header"], silence.frames["size"] = 0xFFF318C4, 36
        >>> read_frames(write_frames(silence))
        MP3Frames(sample_rate=16000, frames=1, granules=1, channels=1, delay=None, padding=None, left_out=0)
    """
    version, rate, channels = _check(frames)
    count = len(frames.frames)
    levels = np.ascontiguousarray(frames.levels).reshape(-1, 576)
    granules, headers = frames.granules.reshape(-1).copy(), frames.frames.copy()
    spare, num_spare = np.frombuffer(frames.spare + bytes(16), np.uint8), 8 * len(frames.spare)
    plans, ancillary_at = np.zeros(len(granules), PLAN), np.zeros(count, np.int64)
    error, at = plan(
        levels, granules, headers, spare, num_spare, version, rate, channels, plans, ancillary_at, tables(), encoding()
    )
    if error:
        what = "its scale factors have no code" if error == UNFIT_FACTORS else "its levels take more than 4095 bits"
        raise ValueError(f"granule {at // channels}, channel {at % channels}: {what}")
    starts = np.zeros(count + 1, np.int64)
    error, at, needed, there = lay_out(granules, headers, version, rate, channels, larger, starts)
    if error == NO_ROOM:
        hint = "no frame is larger" if larger else "larger=True makes frames larger"
        raise ValueError(f"frame {at} needs {needed} bits, and there are {there}; {hint}")
    main = np.zeros(int(starts[-1]) // 8 + 1, np.uint8)
    out = np.zeros(int(headers["size"].sum(dtype=np.int64)), np.uint8)
    pack(
        levels, granules, headers, spare, num_spare, version, rate, channels, plans, ancillary_at, starts, encoding(),
        main, out,
    )  # fmt: skip
    data = out.tobytes()
    if headers["header"][0] >> 12 & 15 == 0:
        _check_free_format(data, count)
    return data


def _check_free_format(data: bytes, count: int) -> None:
    """Refuse a file if something in its frames looks so much like a header that readers take them to be shorter."""
    (found,) = read_headers([data])
    if isinstance(found, ValueError) or found.num_frames != count:
        raise ValueError(
            "the data of these frames look like headers, which alone tell how long frames in free format are: give "
            "them a bit rate"
        )


def _check(frames: MP3Frames) -> tuple[int, int, int]:
    """Index of version and sampling rate, and channels, of a record that makes frames."""
    rates = {hz: (version, rate) for version, row in enumerate(SAMPLE_RATES) for rate, hz in enumerate(row)}
    if frames.sample_rate not in rates:
        raise ValueError(f"sample_rate must be one of {sorted(rates)}; got {frames.sample_rate}")
    version, rate = rates[frames.sample_rate]
    count = len(frames.frames) * (2 if version == 0 else 1)
    if not count:
        raise ValueError("there is no frame to write; a file has one at least")
    channels = frames.levels.shape[1] if frames.levels.ndim == 3 else 0
    expected = (count, channels, 576)
    if frames.levels.dtype != np.int16 or frames.levels.shape != expected or channels not in (1, 2):
        raise ValueError(
            f"levels must be int16 ({count}, 1 or 2, 576) for {len(frames.frames)} frames; got {frames.levels.dtype} "
            f"{frames.levels.shape}"
        )
    if frames.granules.dtype != GRANULE or frames.granules.shape != (count, channels) or frames.frames.dtype != FRAME:
        raise ValueError(
            f"granules must be records {(count, channels)} as read_frames gives; got {frames.granules.shape}"
        )
    if max(-int(frames.levels.min()), int(frames.levels.max())) > _MOST:
        raise ValueError(f"levels must be -{_MOST} to {_MOST}; got {frames.levels.min()} to {frames.levels.max()}")
    for name, most in {**_LIMITS, "scalefac_compress": 15 if version == 0 else 511}.items():
        if (frames.granules[name] > most).any():
            raise ValueError(f"{name} must be 0 to {most}; got {frames.granules[name].max()}")
    _check_headers(frames.frames, version, rate, channels)
    return version, rate, channels


def _check_headers(frames: NDArray[np.void], version: int, rate: int, channels: int) -> None:
    """Refuse headers that are not those of such a file, and sizes that are not theirs."""
    header, size = frames["header"], frames["size"].astype(np.int64)
    index = header >> 12 & 15
    sync = 0xFFE00000 | (3, 2, 0)[version] << 19 | 1 << 17 | rate << 10
    padding = (header >> 9 & 1).astype(np.int64)
    right = np.where(index == 0, size, FRAME_BYTES[version, rate][np.minimum(index, 14)] + padding)
    least = 4 + np.where(header & 0x10000, 0, 2) + SIDE_BYTES[version, channels]
    bad = (header & 0xFFFE0C00 != sync) | (index == 15) | ((header >> 6 & 3 == 3) != (channels == 1)) | (size != right)
    bad |= size < least
    if bad.any():
        first = int(bad.argmax())
        raise ValueError(
            f"frame {first}: header {int(header[first]):08x} and {int(size[first])} bytes do not go with the sampling "
            f"rate, {channels} channels, and each other"
        )
    free = index == 0
    if free.any() and (not free.all() or len(free) < 2 or len(np.unique(size - padding)) > 1):
        raise ValueError(
            "where the next frame begins tells how long one in free format is: all must be in free format and "
            f"as long, two at least; got {int(free.sum())} of {len(free)}, {np.unique(size - padding)} bytes long"
        )
