"""Frames of MP3 files, found by their headers: how long a sound is, and whether its file is whole."""

import struct
from typing import NamedTuple

from lossy_lightning.core import InputError

_BIT_RATES = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}  # kbit/s, of MPEG-1 and of the lower rates
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # Hz, by version
_LITTLE = 8  # bytes
_FURTHEST = 2**20  # bytes in which the first frame is looked for


class Frame(NamedTuple):
    """What the header of a frame says.

    Attributes:
        size: In bytes.
        samples: Of a channel.
        kind: Version and rate, equal in all frames of a sound.
        side: Bytes of side information.
        crc: Bytes of the check sum.
    """

    size: int
    samples: int
    kind: int
    side: int
    crc: int


class MP3Frames(NamedTuple):
    """The frames of a file.

    Attributes:
        start: Offset of the first one.
        number: Of the frames whose sound is there, a frame that only counts them among them.
        samples: Of a channel in a frame.
        stated: Number of frames that the file states, None if it does not.
        is_cut: Whether the file ends within the sound.
        missing: Bytes of padding that the last frame lacks.
    """

    start: int
    number: int
    samples: int
    stated: int | None
    is_cut: bool
    missing: int


def find_frames(data: bytes) -> MP3Frames | None:
    """The frames of a file of MPEG layer III; None if there are none, or their size is free.

    Source: ISO/IEC 11172-3:1993, 2.4.1; ISO/IEC 13818-3:1998.
    """
    start = _first(data)
    if start is None:
        return None
    first = _frame(data, start)
    if first is None:
        return None
    count, position, is_cut, missing = 0, start, False, 0
    while position + 4 <= len(data):
        frame = _frame(data, position)
        if frame is None or frame.kind != first.kind:
            following = _resume(data, position, first.kind)
            if following is None:
                break  # tags, or nothing that could be decoded
            position = following
            continue
        if position + frame.size > len(data):
            is_cut = not _has_its_sound(data, position, frame)
            if not is_cut:
                count, missing = count + 1, position + frame.size - len(data)
            break
        count, position = count + 1, position + frame.size
    stated = _stated(data, start, first)
    if stated is not None:
        is_cut = count - 1 < stated
    return MP3Frames(start, count, first.samples, stated, is_cut, missing)


def with_count(data: bytes, frames: MP3Frames) -> bytes:
    """The file with a frame in front that states how many frames there are, for decoders that would guess it.

    Padding that the last one lacks is there, too.
    """
    header = bytearray(data[frames.start : frames.start + 4])
    header[1] |= 1  # no check sum
    for index in range(1, 15):
        header[2] = header[2] & 0x0D | index << 4
        frame = _frame(bytes(header), 0)
        if frame is not None and frame.size >= 16 + frame.side:
            break
    else:
        raise InputError("no frame of this sound has room for a count")
    counter = bytearray(frame.size)
    counter[:4] = header
    counter[4 + frame.side : 16 + frame.side] = b"Xing" + struct.pack(">II", 1, frames.number)
    return bytes(counter) + data[frames.start :] + bytes(frames.missing)


def _frame(data: bytes, i: int) -> Frame | None:
    """The header at a place; None if there is none."""
    if i + 4 > len(data) or data[i] != 0xFF or data[i + 1] & 0xE6 != 0xE2:  # layer III
        return None
    version, rate, step = data[i + 1] >> 3 & 3, data[i + 2] >> 2 & 3, data[i + 2] >> 4
    if version == 1 or rate == 3 or step in (0, 15):
        return None
    mono, first = data[i + 3] >> 6 == 3, version == 3
    samples, hertz = 1152 if first else 576, _RATES[version][rate]
    size = samples // 8 * 1000 * _BIT_RATES[first][step] // hertz + (data[i + 2] >> 1 & 1)
    side = (17 if mono else 32) if first else (9 if mono else 17)
    return Frame(size, samples, version << 2 | rate, side, 0 if data[i + 1] & 1 else 2)


def _first(data: bytes) -> int | None:
    """Offset of the first frame, behind tags; another of its kind follows it, or the end."""
    i = 0
    while data[i : i + 3] == b"ID3" and i + 10 <= len(data):
        i += 10 + sum((byte & 0x7F) << shift for byte, shift in zip(data[i + 6 : i + 10], (21, 14, 7, 0), strict=True))
    end = i + _FURTHEST
    while (i := data.find(b"\xff", i, end)) >= 0:
        frame = _frame(data, i)
        if frame is not None:
            following = _frame(data, i + frame.size)
            if i + frame.size == len(data) or (following is not None and following.kind == frame.kind):
                return i
        i += 1
    return None


def _resume(data: bytes, i: int, kind: int) -> int | None:
    """Offset of the next frame of a kind behind damaged data; two of them in a row."""
    end = i + _FURTHEST
    while (i := data.find(b"\xff", i + 1, end)) >= 0:
        frame = _frame(data, i)
        if frame is not None and frame.kind == kind:
            following = _frame(data, i + frame.size)
            if following is not None and following.kind == kind:
                return i
    return None


def _has_its_sound(data: bytes, i: int, frame: Frame) -> bool:
    """Whether the last frame lacks padding only: its sound may lie in the bytes that earlier frames left.

    A file that was cut off within a frame looks the same, for the frame's bytes belong to later ones. So only a frame
    counts that has little more than its header, or lacks little, as vectors of the standard do.
    """
    start = i + 4 + frame.crc
    side = data[start : start + frame.side]
    is_little = len(data) <= start + frame.side + _LITTLE or len(data) >= i + frame.size - _LITTLE
    if len(side) < frame.side or not is_little:
        return False
    bits = "".join(f"{byte:08b}" for byte in side)
    first = frame.samples == 1152
    mono = frame.side in (17, 9) and (data[i + 3] >> 6 == 3)
    channels = 1 if mono else 2
    begin, skip = (9, (5 if mono else 3) + 4 * channels) if first else (8, 1 if mono else 2)
    granule, count = (59, 2 * channels) if first else (63, channels)
    lengths = (begin + skip + granule * k for k in range(count))
    needed = sum(int(bits[at : at + 12], 2) for at in lengths)
    there = int(bits[:begin], 2) + len(data) - start - frame.side
    return needed <= 8 * there


def _stated(data: bytes, i: int, frame: Frame) -> int | None:
    """The number of frames that the first one states, as encoders of variable rates write it."""
    for at in (i + 4 + frame.side, i + 4 + frame.crc + frame.side):
        if data[at : at + 4] in (b"Xing", b"Info") and len(data) >= at + 12 and data[at + 7] & 1:
            return int.from_bytes(data[at + 8 : at + 12], "big")
    if data[i + 36 : i + 40] == b"VBRI" and len(data) >= i + 54:
        return int.from_bytes(data[i + 50 : i + 54], "big")
    return None
