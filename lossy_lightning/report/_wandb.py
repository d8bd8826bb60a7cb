"""The file of a run that W&B logged offline, read without W&B."""

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from lossy_lightning.core import InputError

_BLOCK = 32768
_HISTORY, _ITEM, _KEY, _NESTED_KEY, _VALUE = 2, 1, 1, 2, 16
"""Numbers of fields: of a record, of a history record, and of its items."""


def history(path: Path) -> Iterator[dict[str, float]]:
    """The numbers of each call of ``wandb.log``, by name; what W&B adds (``_step``, …) is left out.

    Raises:
        ValueError: If the file is damaged; what stands before has been given.
    """
    for record in _records(path):
        for number, content in _fields(record):
            if number == _HISTORY and isinstance(content, bytes):
                yield dict(_numbers(content))


def _numbers(content: bytes) -> Iterator[tuple[str, float]]:
    for number, item in _fields(content):
        if number != _ITEM or not isinstance(item, bytes):
            continue
        fields = [(field, text.decode(errors="replace")) for field, text in _fields(item) if isinstance(text, bytes)]
        name = ".".join(text for field, text in fields if field in (_KEY, _NESTED_KEY))
        value = json.loads(next((text for field, text in fields if field == _VALUE), "null"))
        if value in ("NaN", "Infinity", "-Infinity"):
            value = float(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and not name.startswith("_"):
            yield name, float(value)


def _records(path: Path) -> Iterator[bytes]:
    """Records of a file.

    Source: LevelDB's log format: blocks of 32 KiB hold parts of records, each with its CRC-32 (4 bytes), length (2) and
    type (1: whole, 2: first, 3: middle, 4: last); W&B starts it with 7 bytes of its own.
    """
    data = path.read_bytes()
    if data[:4] != b":W&B":
        raise InputError("is no file of W&B")
    position, parts = 7, bytearray()
    while position < len(data):
        if (left := _BLOCK - position % _BLOCK) < 7:
            position += left
            continue
        if position + 7 > len(data):
            raise InputError("ends within a record")
        checksum, length, kind = struct.unpack_from("<IHB", data, position)
        part = data[position + 7 : position + 7 + length]
        if len(part) < length:
            raise InputError("ends within a record")
        if zlib.crc32(part, zlib.crc32(bytes([kind]))) != checksum:
            raise InputError(f"is damaged at byte {position}")
        position += 7 + length
        parts = part if kind in (1, 2) else parts + part  # type: ignore[assignment]
        if kind in (1, 4):
            yield bytes(parts)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a message.

    Source: Protocol Buffers, Encoding: https://protobuf.dev/programming-guides/encoding/
    """
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        kind, size = key & 7, 0
        if kind == 0:
            value, position = _varint(data, position)
            yield key >> 3, value
            continue
        if kind == 2:
            size, position = _varint(data, position)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise InputError("holds a record of another kind")
        yield key >> 3, data[position : position + size]
        position += size


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data):
        byte = data[position]
        value, shift, position = value | (byte & 127) << shift, shift + 7, position + 1
        if byte < 128:
            return value, position
    raise InputError("holds a record that ends early")
