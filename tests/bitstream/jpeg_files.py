"""JPEG files that tests make, and scripts that they run."""

import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
Libjpeg = Callable[[Sequence[Path]], list[list[tuple[np.ndarray, np.ndarray]]]]


def run_script(name: str, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
    command = [sys.executable, str(HERE / name), *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def picture(width: int, height: int, seed: int = 0, mode: str = "RGB") -> Image.Image:
    """Noise on top of smooth color, so that blocks differ in how full they are."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (3, 4, 3), np.uint8)).resize((width, height), Image.BICUBIC)
    noise = generator.normal(0, 40, (height, width, 3)) * (generator.random((height, width, 1)) < 0.3)
    return Image.fromarray(np.clip(np.asarray(coarse) + noise, 0, 255).astype(np.uint8)).convert(mode)


def encode(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def replace(data: bytes, marker: int, offset: int, value: bytes) -> bytes:
    """Other bytes at ``offset`` behind the first marker of that kind."""
    at = data.index(bytes([0xFF, marker])) + 2 + offset
    return data[:at] + value + data[at + len(value) :]


def segments(data: bytes) -> list[bytes]:
    """SOI, each marker segment with the coded data behind it, EOI."""
    parts, position = [data[:2]], 2
    while data[position + 1] != 0xD9:
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if data[position + 1] == 0xDA:
            while data[end] != 0xFF or data[end + 1] == 0 or 0xD0 <= data[end + 1] <= 0xD7:
                end += 1
        parts.append(data[position:end])
        position = end
    return [*parts, data[position:]]
