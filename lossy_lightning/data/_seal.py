"""A seal on the folder of a split: a folder that was completed is opened again without reading all of it."""

import os
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lossy_lightning.data._once import load, save

_SEAL = "seal.pt"
_BLOCK = 2**20
_HEAD = 4096  # bytes, NumPy's header among them


def write_seal(folder: Path) -> None:
    """Seal a folder, once its files are on the disk; the seal itself is written last."""
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    save(_mark(folder), folder / _SEAL)


def is_sealed(folder: Path) -> bool:
    """Whether a folder has a seal, and its codes the size and the beginning that they had then."""
    try:
        return bool(load(folder / _SEAL) == _mark(folder))
    except (OSError, ValueError):
        return False


def checksum(codes: NDArray[Any]) -> int:
    """Checksum of all codes."""
    return zlib.crc32(codes.reshape(-1).view(np.uint8).data)


def file_checksum(file: BinaryIO, start: int, length: int) -> int | None:
    """Checksum of a part of a file; None if the file ends before it does."""
    file.seek(start)
    total = 0
    while length:
        block = file.read(min(length, _BLOCK))
        if not block:
            return None
        total = zlib.crc32(block, total)
        length -= len(block)
    return total


def _mark(folder: Path) -> list[int]:
    """Size of the codes, and checksum of their beginning."""
    with (folder / "codes.npy").open("rb") as file:
        return [os.fstat(file.fileno()).st_size, zlib.crc32(file.read(_HEAD))]
