"""What the headers of WAV, FLAC and Ogg files tell of their encoder."""

import struct
import zlib
from typing import Any

from lossy_lightning.core import InputError


def describe_wav(data: bytes) -> dict[str, Any]:
    """Columns of the row of a WAV file.

    Raises:
        ValueError: If there is no format or no data.

    Source: Microsoft and IBM, Multimedia programming interface and data specifications 1.0, 1991.
    """
    names, position, layout, length = [], 12, b"", -1
    while position + 8 <= len(data):
        name, size = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        names.append(name)
        if name == b"fmt ":
            layout = data[position + 8 : position + 8 + size]
        if name == b"data":
            length = min(size, len(data) - position - 8)
        position += 8 + size + size % 2
    if len(layout) < 16 or length < 0:
        raise InputError("a WAV file must have a format of 16 bytes or more, and data")
    kind, channels, rate, _, block, bits = struct.unpack("<HHIIHH", layout[:16])
    return {
        "format": "wav",
        "samples": length // max(1, block),
        "channels": channels,
        "sample_rate": rate,
        "precision": bits,
        "mode": f"kind {kind}",
        "segments": f"{zlib.crc32(b''.join(names)):08x}",
        "comment": b"LIST" in names or b"id3 " in names,
    }


def describe_flac(data: bytes) -> dict[str, Any]:
    """Columns of the row of a FLAC file.

    Raises:
        ValueError: If the stream's own block is not there.

    Source: RFC 9639, section 8.
    """
    if len(data) < 42 or data[4] & 127 != 0:
        raise InputError("a FLAC file must start with the block of its stream")
    kinds, position = bytearray(), 4
    while position + 4 <= len(data):
        kinds.append(data[position] & 127)
        last = data[position] >> 7
        position += 4 + int.from_bytes(data[position + 1 : position + 4], "big")
        if last:
            break
    packed = int.from_bytes(data[18:26], "big")
    least, most = struct.unpack(">HH", data[8:12])
    return {
        "format": "flac",
        "samples": packed & (2**36 - 1) or -1,
        "sample_rate": packed >> 44,
        "channels": (packed >> 41 & 7) + 1,
        "precision": (packed >> 36 & 31) + 1,
        "mode": f"blocks {least}-{most}",
        "segments": f"{zlib.crc32(bytes(kinds)):08x}",
        "encoder_tag": 4 in kinds,
    }


def describe_ogg(data: bytes) -> dict[str, Any]:
    """Columns of the row of an Ogg file of Vorbis or Opus.

    Raises:
        ValueError: If it holds anything else, or its first page is cut off.

    Source: RFC 3533; Vorbis I specification, section 4.2.2; RFC 7845, section 5.1.
    """
    start = 27 + (data[26] if len(data) > 26 else 0)
    packet = data[start : start + 30]
    last = data.rfind(b"OggS")
    granules = int.from_bytes(data[last + 6 : last + 14], "little", signed=True)
    if packet[:7] == b"\x01vorbis" and len(packet) >= 28:
        channels, rate, _, nominal, _ = struct.unpack("<BIiii", packet[11:28])
        own = {"format": "vorbis", "samples": granules, "sample_rate": rate, "bit_rate": nominal}
    elif packet[:8] == b"OpusHead" and len(packet) >= 19:
        channels, skipped, rate = struct.unpack("<BHI", packet[9:16])
        own = {"format": "opus", "samples": granules - skipped, "sample_rate": rate, "encoder_delay": skipped}
    else:
        raise InputError("the Ogg file holds neither Vorbis nor Opus")
    return {**own, "channels": channels, "encoder_tag": True}
