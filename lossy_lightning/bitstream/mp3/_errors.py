"""What is wrong with a file, in words."""

from typing import Any

from .. import _status
from . import _layout as f

_REASONS = {
    f.NO_FRAME: "no frame of MPEG-1, 2 or 2.5 Layer III begins here; a lenient reader looks for one further on",
    f.LAYER: "frames of Layer {detail} are not supported; only those of Layer III (MP3) are",
    f.TRUNCATED: "the data end within the frame; a lenient reader leaves it out",
    f.JUNK: "no frame begins here, where one should; a lenient reader looks for one further on",
    f.CHANGED_RATE: "the sampling rate or version changes; split the file here",
    f.CHANGED_CHANNELS: "the number of channels changes; split the file here",
    f.FREE_FORMAT: "the length of free-format frames is not to be found; there must be two frames or more",
    f.TOO_SMALL: "a frame of {detail} bytes has no room for its side information",
    f.BAD_CRC: "the CRC is wrong",
    f.NO_RESERVOIR: "{detail} bytes of its main data stand before the first frame, or were lost",
    f.OVERLAP: "its main data begin {detail} bits before those of the frame before end",
    f.TOO_LONG: "its granules are longer than its main data",
    f.BAD_BLOCK_TYPE: "block type 0 is not allowed with window switching",
    f.BAD_BIG_VALUES: "more than 576 levels in a granule",
    f.BAD_TABLE: "Huffman table 4 or 14 is used; there are none",
    f.BAD_CODES: "the codes of a granule are longer than it says",
}


def describe(file: Any) -> str:
    """Frame, byte offset and reason of a file's error."""
    number = int(file["marker"])
    return _status.describe(file, "file" if number < 0 else f"frame {number}", _REASONS, {})
