"""Mutated JPEG files, and what a reader must do with each (see `fuzz`)."""

import io
import random

import numpy as np
from PIL import Image

from lossy_lightning.bitstream.jpeg import (
    BlockWindow,
    JPEGCoefficients,
    read_coefficients,
    read_headers,
    read_windows,
    write_coefficients,
)

from .mutations import mutate

KERNELS = ("jpeg._blocks", "jpeg._files", "jpeg._frames", "jpeg._huffman", "jpeg._progressive", "jpeg._restarts",
           "jpeg._scan_headers", "jpeg._scans", "jpeg._stuffing", "jpeg._windows")  # fmt: skip


def originals() -> list[bytes]:
    """Small files of every kind that the reader knows."""
    generator = np.random.default_rng(0)
    files = []
    for mode, channels in (("L", 1), ("RGB", 3), ("CMYK", 4)):
        coarse = generator.integers(0, 256, (5, 6, channels), np.uint8).squeeze()
        image = Image.fromarray(coarse, mode if channels != 3 else None).resize((43, 35))
        for progressive in (False, True):
            for subsampling in ("4:2:0", "4:4:4"):
                for restart in (0, 2):
                    buffer = io.BytesIO()
                    image.save(
                        buffer,
                        "JPEG",
                        quality=85,
                        progressive=progressive,
                        subsampling=subsampling,
                        restart_marker_blocks=restart,
                    )
                    files.append(buffer.getvalue())
    wide = read_coefficients(files[8])._replace(precision=12)
    return [*files, write_coefficients(wide)]


def mutated(data: bytes, generator: random.Random, others: list[bytes]) -> bytes:
    """A changed file; most of what matters is in the first bytes."""
    return mutate(data, generator, others, 700)


def check_windows(data: bytes, image: JPEGCoefficients | str, on_truncation: str, generator: random.Random) -> None:
    """A window of each component holds what the whole image does, or the file is bad for the same reason."""
    (header,) = read_headers([data], 2**22, on_truncation)
    windows, cells = [], (generator.randint(1, 4), generator.randint(1, 4))
    guard = np.full((4, 4, 64 * cells[0] * cells[1] + 64), 77, np.int16)
    for rows, columns in [] if isinstance(header, ValueError) else header.grids:
        top, left = generator.randrange(-(-rows // cells[0])), generator.randrange(-(-columns // cells[1]))
        down, across = min(2, -(-rows // cells[0]) - top), min(2, -(-columns // cells[1]) - left)
        windows.append(guard.copy()[1 : 1 + down, 1 : 1 + across, 32:-32])
        windows[-1] = BlockWindow(windows[-1], top * cells[0], left * cells[1], cells)
    (found,) = read_windows([data], [windows], 1, 2**22, on_truncation)
    assert isinstance(image, str) == isinstance(found, ValueError), (image, found)
    for i, window in enumerate(windows):
        around = window.out.base.copy()
        around[1 : 1 + window.out.shape[0], 1 : 1 + window.out.shape[1], 32:-32] = 77
        assert (around == 77).all()
        if not isinstance(image, str):
            whole = image.components[i].coefficients[window.row, window.column]
            assert (window.out[0, 0, :64] == whole.ravel()).all()
    assert not isinstance(image, str) or str(found) == image, (image, found)


def check(data: bytes, generator: random.Random) -> int:
    """Read a file both ways, whole and in windows: how often it is read."""
    read = 0
    for on_truncation in ("error", "fill"):
        image: JPEGCoefficients | str
        try:
            image = read_coefficients(data, max_pixels=2**22, on_truncation=on_truncation)
            read += len(image.components) > 0
        except ValueError as error:
            if " at byte " not in str(error):
                raise
            image = str(error)
        check_windows(data, image, on_truncation, generator)
    return read
