"""Files of networks: safetensors, whose tensors are stored as narrow as they are, with a checksum of the whole file.

Source: https://github.com/huggingface/safetensors, section "Format"; FIPS 180-4 (2015), 6.2 (SHA-256).
"""

import hashlib
import json
import os
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

PACKED = "packed network"
#: How the header begins; the digits of the checksum follow, which are zeros while it is computed.
_START = b'{"__metadata__":{"sha256":"'
_UNSET = "0" * 64
_AT = slice(8 + len(_START), 8 + len(_START) + 64)
_NAMES = {"BOOL": np.bool_, "U8": np.uint8, "I8": np.int8, "I16": np.int16, "I32": np.int32, "I64": np.int64}
_NAMES |= {"F16": np.float16, "F32": np.float32, "U64": np.uint64, "F64": np.float64}


def write_file(path: str | Path, told: dict[str, Any], tensors: dict[str, np.ndarray], kind: str = PACKED) -> None:
    """Write a file under a temporary name, then rename it.

    Truth values take a bit each, whole numbers of several bytes are deflated; the header says which.

    Args:
        path: Of the file.
        told: What its header says beside the tensors; JSON.
        tensors: By name.
        kind: Of the file, which the header says, too.

    Raises:
        OSError: If it cannot be written.
    """
    shapes: dict[str, Any] = {}
    header: dict[str, Any] = {}
    blobs, end = [], 0
    for name, tensor in tensors.items():
        dtype = next(key for key, kind in _NAMES.items() if np.dtype(kind) == tensor.dtype)
        array, how = np.ascontiguousarray(tensor), ""
        if array.dtype == np.bool_:
            array, how = np.packbits(array, axis=None), "bits"
        elif array.dtype.kind == "i" and array.dtype.itemsize > 1 and array.size > 64:
            array, how = _deflated(array), "deflated"
        if how:
            shapes[name] = [how, dtype, list(tensor.shape)]
        stored = next(key for key, kind in _NAMES.items() if np.dtype(kind) == array.dtype)
        header[name] = {"dtype": stored, "shape": list(array.shape), "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
        blobs.append(array.tobytes())
    text = json.dumps({"format": _format(kind), "shapes": shapes, **told}, separators=(",", ":"))
    about = {"sha256": _UNSET, "lossy_lightning": text}
    head = json.dumps({"__metadata__": about, **header}, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    content = struct.pack("<Q", len(head)) + head + b"".join(blobs)
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name the file that the network is written to")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} to: make it first")
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content[: _AT.start] + _checksum(content) + content[_AT.stop :])
    os.chmod(file.name, 0o666 & ~_umask())
    os.replace(file.name, path)


def read_file(path: str | Path, kind: str = PACKED) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What the header of a file says, and its tensors.

    Raises:
        ValueError: If it is no file of that kind, or a byte of it has changed since it was written.
        OSError: If it cannot be read; of one that is not there, FileNotFoundError, of a folder, IsADirectoryError.
    """
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path} is a folder: name the file of a {kind}")
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no file {path}: name one of a {kind}")
    data = Path(path).read_bytes()
    try:
        (size,) = struct.unpack_from("<Q", data)
        if size > len(data) - 8:
            raise ValueError
        header = json.loads(data[8 : 8 + size])
        told = json.loads(header.pop("__metadata__")["lossy_lightning"])
        written = told.pop("format")
        shapes = told.pop("shapes")
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is no file of a {kind}, or it is damaged") from error
    if data[8:].startswith(_START) and data[_AT] != _checksum(data):
        raise ValueError(f"{path} is damaged, its checksum does not fit: copy it again from where it is whole")
    if written != _format(kind) or not data[8:].startswith(_START):
        other = "" if written == _format(kind) else f", but of a {str(written).removeprefix(_format(''))}"
        raise ValueError(f"{path} is no file of a {kind}{other or ', or of an earlier version: write it anew'}")
    body = memoryview(data)[8 + size :]
    try:
        return told, {name: _tensor(body, entry, shapes.get(name)) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, zlib.error) as error:
        raise ValueError(f"{path} holds tensors that lossy_lightning did not write: {error!r}") from error


def _checksum(content: bytes) -> bytes:
    """SHA-256, in hexadecimal digits, of a file's content without the digits themselves."""
    parts = hashlib.sha256(content[: _AT.start])
    parts.update(_UNSET.encode())
    parts.update(memoryview(content)[_AT.stop :])
    return parts.hexdigest().encode()


def _format(kind: str) -> str:
    return f"lossy_lightning {kind}"


def _tensor(body: memoryview, entry: dict[str, Any], how: list[Any] | None) -> np.ndarray:
    begin, end = entry["data_offsets"]
    array = np.frombuffer(body[begin:end], _NAMES[entry["dtype"]]).reshape(entry["shape"])
    if how is None:
        return array
    kind, dtype, shape = how
    count = int(np.prod(shape))
    if kind == "bits":
        return np.unpackbits(array, count=count).astype(np.bool_).reshape(shape)
    flat = np.frombuffer(zlib.decompress(array.tobytes()), np.int32).cumsum(dtype=np.int64)
    return flat.astype(_NAMES[dtype]).reshape(shape)


def _deflated(array: np.ndarray) -> np.ndarray:
    """Differences of neighbours, deflated: places of codes are regular, so little remains."""
    differences = np.diff(array.ravel().astype(np.int64), prepend=0).astype(np.int32)
    return np.frombuffer(zlib.compress(differences.tobytes(), 9), np.uint8)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
