"""What the chunks of a PNG file tell of its encoder."""

import zlib
from typing import Any

from lossy_lightning.core import InputError

_COMPONENTS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_METADATA = {b"eXIf": "exif", b"iCCP": "icc", b"tEXt": "comment", b"iTXt": "comment", b"zTXt": "comment"}


def describe(data: bytes) -> dict[str, Any]:
    """Columns of a file's row.

    Raises:
        ValueError: If the header is cut off, or no header.

    Source: W3C, Portable Network Graphics (second edition), chapters 5 and 11.
    """
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise InputError("a PNG file must start with its header, IHDR, of 13 bytes")
    names, position = [], 8
    while position + 8 <= len(data):
        names.append(data[position + 4 : position + 8])
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    if position > len(data):
        raise InputError("the PNG file is cut off")
    order = list(dict.fromkeys(names))  # how many IDAT there are is a matter of size
    found = {_METADATA[name] for name in order if name in _METADATA}
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    return {
        "format": "png",
        "width": width,
        "height": height,
        "components": _COMPONENTS.get(data[25], -1),
        "precision": data[24],
        "progressive": data[28] == 1,
        "segments": f"{zlib.crc32(b''.join(order)):08x}",
        **{name: name in found for name in ("exif", "icc", "comment")},
    }
