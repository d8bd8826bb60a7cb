"""Folders of small files whose classes differ in what a test plants."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def write_jpegs(folder: Path, count: int, options: Callable[[int, int], dict[str, Any]], classes: int = 2) -> Path:
    """``count`` files of noise, the classes by turns; options of Pillow, and ``size``, by class and number."""
    for i in range(count):
        label = i % classes
        given = {"quality": 75, "size": 16} | options(label, i)
        size = given.pop("size")
        smooth = np.random.default_rng(i).integers(0, 256, (4, 4, 3), np.uint8)
        place = folder / f"class{label}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(smooth).resize((size, size)).save(place / f"{i}.jpg", **given)
    return folder


def labels_of(files: Iterable[Path]) -> list[str]:
    """Names of the files' folders."""
    return [file.parent.name for file in files]
