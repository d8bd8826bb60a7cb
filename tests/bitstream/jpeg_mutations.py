"""Mutated JPEG files through the reader: run as a script, so that a crash ends the script and not the tests."""

import io
import random
import sys
import time

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


def mutate(data: bytes, generator: random.Random, others: list[bytes]) -> bytes:
    """One to eight changes: bytes, bits, cuts, insertions, pieces of other files."""
    changed = bytearray(data)
    for _ in range(generator.randint(1, 8)):
        at = (
            generator.randrange(len(changed))
            if generator.random() < 0.5
            else generator.randrange(min(700, len(changed)))
        )
        kind = generator.randrange(6)
        if kind == 0:
            changed[at] = generator.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, generator.randrange(256)))
        elif kind == 1:
            changed[at] ^= 1 << generator.randrange(8)
        elif kind == 2:
            del changed[at : at + generator.randint(1, 20)]
        elif kind == 3:
            changed[at:at] = bytes(generator.randrange(256) for _ in range(generator.randint(1, 20)))
        elif kind == 4:
            other = generator.choice(others)
            start = generator.randrange(len(other))
            changed[at : at + 40] = other[start : start + generator.randint(1, 200)]
        elif generator.random() < 0.3:
            del changed[at:]
        if not changed:
            return b""
    return bytes(changed)


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


def main(count: int, seed: int) -> None:
    """Read mutated files both ways; print how many were read, and the slowest one's seconds."""
    generator, files = random.Random(seed), originals()
    read, slowest = 0, 0.0
    for _ in range(count):
        data = mutate(generator.choice(files), generator, files)
        for on_truncation in ("error", "fill"):
            start = time.perf_counter()
            image: JPEGCoefficients | str
            try:
                image = read_coefficients(data, max_pixels=2**22, on_truncation=on_truncation)
                read += len(image.components) > 0
            except ValueError as error:
                if " at byte " not in str(error):
                    raise
                image = str(error)
            slowest = max(slowest, time.perf_counter() - start)
            check_windows(data, image, on_truncation, generator)
    print(f"read {read} of {2 * count}, slowest {slowest:.3f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
