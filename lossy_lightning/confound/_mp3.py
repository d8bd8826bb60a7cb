"""What the first frames and the tags of an MP3 file tell of its encoder."""

from typing import Any, NamedTuple

from lossy_lightning.core import InputError

_BIT_RATES = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_SAMPLE_RATES = (44_100, 48_000, 32_000)
_MODES = ("stereo", "joint", "dual", "mono")
_LOOKED_AT = 32  # frames in which a bit rate may change
_SEARCHED = 2**16  # bytes in which the first frame must begin


class _Frame(NamedTuple):
    version: int  # 0: MPEG-1, 1: MPEG-2, 2: MPEG-2.5
    bit_rate: int  # kbit/s, 0: free format
    sample_rate: int
    mode: str
    size: int
    samples: int


def describe(data: bytes) -> dict[str, Any]:
    """Columns of a file's row.

    Raises:
        ValueError: If there is no frame of Layer III near the beginning.

    Source: ISO/IEC 11172-3, section 2.4.1.3; ISO/IEC 13818-3, section 2.4.2.3; LAME's tag.
    """
    start = _after_tags(data)
    position = _first_frame(data, start)
    first = _frame(data, position)
    if first is None:
        raise InputError("no frame of MPEG Layer III begins in the first 64 KiB")
    tag = _tag(data, position, first)
    rates, at, total = set(), position + first.size * bool(tag), 0
    for _ in range(_LOOKED_AT):
        frame = _frame(data, at)
        if frame is None or frame.size == 0:
            break
        rates.add(frame.bit_rate)
        at += frame.size
        total += 1
    variable = tag.get("variable", len(rates) > 1)
    frames = tag.get("frames", (len(data) - position) * total // max(1, at - position))
    return {
        "format": "mp3",
        "samples": frames * first.samples,
        "sample_rate": first.sample_rate,
        "channels": 1 if first.mode == "mono" else 2,
        "mode": first.mode,
        "bit_rate": 0 if variable else 1000 * next(iter(rates), first.bit_rate),
        "variable_rate": variable,
        "encoder_delay": tag.get("delay", -1),
        "encoder_tag": bool(tag),
        "id3": start > 0 or data[-128:-125] == b"TAG",
    }


def _after_tags(data: bytes) -> int:
    """Where the last of the ID3v2 tags ends."""
    position = 0
    while data[position : position + 3] == b"ID3" and position + 10 <= len(data):
        size = 0
        for byte in data[position + 6 : position + 10]:
            size = size << 7 | byte & 127
        position += 10 + size + (10 if data[position + 5] & 16 else 0)
    return position


def _first_frame(data: bytes, start: int) -> int:
    """Where a frame begins that another one follows; `start` if there is none."""
    position = data.find(b"\xff", start, start + _SEARCHED)
    while position >= 0:
        frame = _frame(data, position)
        if frame and (position + frame.size >= len(data) or _frame(data, position + frame.size)):
            return position
        position = data.find(b"\xff", position + 1, start + _SEARCHED)
    return start


def _frame(data: bytes, position: int) -> _Frame | None:
    header = data[position : position + 4]
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version = {3: 0, 2: 1, 0: 2}.get(header[1] >> 3 & 3)
    rate, sampling = header[2] >> 4, header[2] >> 2 & 3
    if version is None or header[1] >> 1 & 3 != 1 or rate == 15 or sampling == 3:
        return None
    kbits = _BIT_RATES[min(version, 1)][rate]
    hertz = _SAMPLE_RATES[sampling] >> version
    slots = 144_000 if version == 0 else 72_000
    size = slots * kbits // hertz + (header[2] >> 1 & 1) if kbits else 0
    return _Frame(version, kbits, hertz, _MODES[header[3] >> 6], size, 1152 if version == 0 else 576)


def _tag(data: bytes, position: int, frame: _Frame) -> dict[str, Any]:
    """What the frame of Xing, LAME or VBRI tells, empty if the first frame is none."""
    side = (17 if frame.mode == "mono" else 32) if frame.version == 0 else (9 if frame.mode == "mono" else 17)
    content = data[position + 4 : position + max(frame.size, 200)]
    if content[32:36] == b"VBRI":
        return {"variable": True, "frames": int.from_bytes(content[46:50], "big")}
    if content[side : side + 4] not in (b"Xing", b"Info"):
        return {}
    flags, at = content[side + 7], side + 8
    found: dict[str, Any] = {"variable": content[side : side + 4] == b"Xing"}
    if flags & 1:
        found["frames"] = int.from_bytes(content[at : at + 4], "big")
    at += 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    delays = content[at + 21 : at + 24]
    if content[at : at + 4].isalnum() and len(delays) == 3:
        found["delay"] = delays[0] << 4 | delays[1] >> 4
    return found
