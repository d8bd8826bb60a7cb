"""What is wrong with a file, in words."""

from typing import Any

from .. import _status
from . import _records as f
from ._files import BLOCKS_PER_BYTE

_MARKERS = {0xC4: "DHT", 0xD8: "SOI", 0xD9: "EOI", 0xDA: "SOS", 0xDB: "DQT", 0xDC: "DNL", 0xDD: "DRI", 0xCC: "DAC"}
_MARKERS |= {0xDE: "DHP", 0xDF: "EXP", 0xFE: "COM", 0xC8: "JPG", 0x01: "TEM"}
_MARKERS |= {0xC0 + i: f"SOF{i}" for i in range(16) if i not in (4, 8, 12)}
_MARKERS |= {0xD0 + i: f"RST{i}" for i in range(8)} | {0xE0 + i: f"APP{i}" for i in range(16)}

_UNSUPPORTED = "arithmetic, lossless and hierarchical coding are not supported; only SOF0, SOF1 and SOF2 are"
# How to read leniently depends on who reads: `on_truncation="fill"` here, an option of their own in codecs and folders.
_REASONS = {
    f.NOT_JPEG: "this is no JPEG file; it must start with FF D8",
    f.TRUNCATED: "the data end early; read leniently, they are what a scan that has begun has",
    f.BAD_LENGTH: "{detail} bytes is a wrong length for this segment",
    f.UNSUPPORTED: _UNSUPPORTED,
    f.UNKNOWN_MARKER: "unknown marker",
    f.BAD_PRECISION: "samples of {detail} bits; 8 are supported, and 12 in SOF1 and SOF2",
    f.BAD_SIZE: "height or width is 0 (a height given later by DNL is not supported)",
    f.TOO_LARGE: "{detail} pixels are more than max_pixels={max_pixels}; raise it to read them",
    f.BAD_COMPONENTS: "{detail} components; 1 to 4 are supported",
    f.BAD_SAMPLING: "sampling factors {detail:#04x}; each must be 1 to 4",
    f.BAD_ORDER: "the marker must not stand here",
    f.BAD_TABLE: "table destination {detail:#04x} is not allowed",
    f.BAD_HUFFMAN: "the counts and symbols are no Huffman code",
    f.MISSING_QUANTIZATION: "quantization table {detail} is used but not defined",
    f.MISSING_DC: "DC Huffman table {detail} is used but not defined",
    f.MISSING_AC: "AC Huffman table {detail} is used but not defined",
    f.BAD_SCAN: "the scan's components or parameters are not allowed",
    f.TOO_MANY_BLOCKS: "{detail} blocks in an MCU; at most 10 are allowed",
    f.BAD_CODE: "no Huffman code matches the data (scan {detail})",
    f.BAD_RUN: "a run of zeros leaves its block (scan {detail})",
    f.EARLY_MARKER: "the marker cuts coded data short; read leniently, zeros are filled in",
    f.BAD_RESTART: "RST{detail} must stand here; read leniently, the data go on as in libjpeg",
    f.NO_SCAN: "the file ends before its first scan",
    f.SCANNED_TWICE: "component {detail} has been scanned before, as only progressive files may",
    f.BAD_WINDOW: "the window of component {detail} leaves its grid of blocks",
    f.REFINED_TOO_OFTEN: "{detail} scans refine coefficients more often than these have bits",
    f.TOO_SHORT: f"{{detail}} blocks are more than {BLOCKS_PER_BYTE} for each byte of the file",
}


def describe(frame: Any, max_pixels: int) -> str:
    """Marker, byte offset and reason of a file's error."""
    marker = int(frame["marker"])
    name = _MARKERS.get(marker, f"marker FF {marker:02X}") if marker else "data"
    return _status.describe(frame, name, _REASONS, {"max_pixels": max_pixels})
