"""The file of a learned codec: a header, range-coded values, and a checksum of both."""

import struct
import zlib
from math import prod
from typing import NamedTuple

from lossy_lightning.bitstream.kinds import LEARNED
from lossy_lightning.core import InputError

_VERSION = 1
_START = struct.Struct("<4sBB8s")
_SIZE = struct.Struct("<I")
MAX_SAMPLES = 2**28
"""Of a signal, and values of its code: a header that tells more is taken to be damaged."""


class Container(NamedTuple):
    """Content of a file.

    Attributes:
        key: First 8 bytes of the hash of the codec's fingerprint.
        shape: Of the signal, with its channels.
        values: Range-coded.
    """

    key: bytes
    shape: tuple[int, ...]
    values: bytes


def to_bytes(container: Container) -> bytes:
    """A file."""
    head = _START.pack(LEARNED, _VERSION, len(container.shape), container.key)
    body = head + b"".join(_SIZE.pack(size) for size in container.shape) + container.values
    return body + _SIZE.pack(zlib.crc32(body))


def from_bytes(data: bytes) -> Container:
    """What a file holds.

    Raises:
        ValueError: If it is none of these files, of a later version, cut off or damaged.
    """
    if len(data) < _START.size or data[:4] != LEARNED:
        raise InputError(
            f"this is no file of a learned codec: it begins with {data[:4]!r}, not {LEARNED!r}; give it one that "
            "such a codec wrote"
        )
    _, version, axes, key = _START.unpack_from(data)
    if version != _VERSION:
        raise InputError(f"the file is of version {version}, known here is {_VERSION}: write it again, or update")
    body = _START.size + axes * _SIZE.size
    if len(data) < body + _SIZE.size or zlib.crc32(data[: -_SIZE.size]) != _SIZE.unpack(data[-_SIZE.size :])[0]:
        raise InputError("the file is cut off or damaged: its checksum is another; write it again")
    shape = tuple(_SIZE.unpack_from(data, _START.size + i * _SIZE.size)[0] for i in range(axes))
    if not 0 < prod(shape) <= MAX_SAMPLES:
        raise InputError(f"the file tells a signal of shape {shape}; from 1 to {MAX_SAMPLES} samples are allowed")
    return Container(key, shape, data[body : -_SIZE.size])
