"""What the segments of a JPEG file tell of its encoder."""

import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any

from lossy_lightning.bitstream.jpeg import STANDARD_HUFFMAN, JPEGHeader
from lossy_lightning.functional import quality_tables

_SUBSAMPLINGS = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1"}
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
_ARITHMETIC = (0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
_NO_FRAMES = (0xC4, 0xC8, 0xCC)  # Huffman tables, a reserved marker, arithmetic conditioning


def describe(data: bytes, header: JPEGHeader) -> dict[str, Any]:
    """Columns of a file's row, from its headers and the names of its segments; no coefficient is decoded.

    Source: ITU-T T.81 (1992), annex B.
    """
    markers, payloads, first_scan = bytearray(), [], len(data)
    frame = interval = 0
    for marker, start, end in _segments(data):
        if marker == 0xFE or marker & 0xF0 == 0xE0:
            markers.append(marker)
        if marker == 0xDA:
            first_scan = start
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            frame = marker
        elif marker == 0xDD:
            interval = int.from_bytes(data[start : start + 2], "big")
        else:
            payloads.append((marker, data[start : min(end, start + 1024)]))
    found = {name for marker, payload in payloads for name in [_metadata(marker, payload)] if name}
    tables = b"".join(table.tobytes() for table in header.quantization_tables)
    return {
        "format": "jpeg",
        "width": header.width,
        "height": header.height,
        "components": len(header.sampling_factors),
        "precision": header.precision,
        "subsampling": _subsampling(header.sampling_factors),
        "tables": f"{zlib.crc32(tables):08x}",
        "quality": _qualities().get(header.quantization_tables[0].tobytes(), -1),
        "progressive": frame in _PROGRESSIVE,
        "scans": 1 + data.count(b"\xff\xda", first_scan),  # within a scan, 0xFF is followed by 0 or a restart
        "huffman": _huffman(payloads, frame),
        "restart_interval": interval,
        "segments": f"{zlib.crc32(bytes(markers)):08x}",
        **{name: name in found for name in ("exif", "icc", "comment", "jfif", "adobe", "xmp")},
    }


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, and where its payload begins and ends, up to the first scan."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill
            position += 1
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        yield marker, position + 4, position + 2 + length
        if marker == 0xDA:
            return
        position += 2 + length


def _metadata(marker: int, payload: bytes) -> str | None:
    match marker:
        case 0xE0 if payload.startswith(b"JFIF"):
            return "jfif"
        case 0xE1 if payload.startswith(b"Exif"):
            return "exif"
        case 0xE1 if payload.startswith(b"http"):
            return "xmp"
        case 0xE2 if payload.startswith(b"ICC_PROFILE"):
            return "icc"
        case 0xEE if payload.startswith(b"Adobe"):
            return "adobe"
        case 0xFE:
            return "comment"
    return None


def _huffman(payloads: list[tuple[int, bytes]], frame: int) -> str:
    """Whether the Huffman tables before the first scan are the standard's."""
    if frame in _ARITHMETIC:
        return "none"
    own = False
    for marker, payload in payloads:
        while marker == 0xC4 and len(payload) > 17:
            size = 17 + sum(payload[1:17])
            own |= payload[1:size] not in STANDARD_HUFFMAN[payload[0] >> 4 & 1]
            payload = payload[size:]
    return "optimised" if own else "standard"


def _subsampling(factors: tuple[tuple[int, int], ...]) -> str:
    """``4:2:0`` and so on for one luma and two equal chroma components, else all factors as they stand."""
    if len(factors) == 1:
        return "grey"
    (h, v), chroma = factors[0], set(factors[1:])
    if len(factors) == 3 and len(chroma) == 1:
        ((a, b),) = chroma
        if h % a == 0 and v % b == 0 and (h // a, v // b) in _SUBSAMPLINGS:
            return _SUBSAMPLINGS[h // a, v // b]
    return " ".join(f"{h}x{v}" for h, v in factors)


@cache
def _qualities() -> dict[bytes, int]:
    """Luma tables as libjpeg scales them, to the quality; of two that give one table the higher."""
    return {quality_tables(q)[0].numpy().astype("uint16").tobytes(): q for q in range(1, 101)}
