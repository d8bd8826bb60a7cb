"""What `lossy-lightning confound` finds: in planted cases, in folders that are even, and in known data sets.

    [LOSSY_DATA=...] python -m benchmarks.accuracy.confound [--update docs/confound.md]

Planted cases are 2 000 JPEG files of one photograph's crops, two classes, that differ in one setting; speed is the
processor's time for 10 000 files of 64x64 of two and of ten classes, figures included, on one thread.
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

from benchmarks.harness import parser
from benchmarks.tables import update_table
from lossy_lightning.confound import Confound, confound, labelled_files
from lossy_lightning.core.files import write_atomically
from lossy_lightning.report import as_markdown

PLANTED: dict[str, Callable[[int, int], dict[str, Any]]] = {
    "quality 80 against 75": lambda label, i: {"quality": 80} if label else {},
    "4:4:4 against 4:2:0": lambda label, i: {"subsampling": "4:4:4"} if label else {},
    "72x72 against 64x64": lambda label, i: {"size": 72} if label else {},
    "progressive against baseline": lambda label, i: {"progressive": True} if label else {},
    "a comment of the encoder": lambda label, i: {"comment": b"made by X"} if label else {},
    "quality 80 in half of a class": lambda label, i: {"quality": 80} if label and i // 2 % 2 else {},
    "nothing": lambda label, i: {},
    "quality 70 to 90, 4:2:0 or 4:4:4, whatever the class": lambda label, i: {
        "quality": int(np.random.default_rng(i).integers(70, 91)),
        "subsampling": ("4:2:0", "4:4:4")[int(np.random.default_rng(-i % 2**32).integers(2))],
    },
}
SHARED = {
    "Speech Commands, eight words": "SpeechCommands/speech_commands_v0.02",
    "CIFAR-10, PNG": "cifar10",
    "ESC-10, Ogg Vorbis": "esc10",
    "Imagenette, 224x224 at q75": "imagenette224",
}
DRAWN = {"quality 80 against 75": "confound_planted.svg", "nothing": "confound_even.svg"}
HEADS = ["files", "classes", "traces: macro AUC", "95 % interval", "bytes per sample: macro AUC", "told by"]


def write(folder: Path, count: int, options: Callable[[int, int], dict[str, Any]], classes: int = 2) -> Path:
    """Crops of a photograph, the classes by turns."""
    photo = Image.fromarray(load_sample_image("flower.jpg"))
    for i in range(count):
        given = {"quality": 75, "subsampling": "4:2:0", "size": 64} | options(i % classes, i)
        size = given.pop("size")
        left, top = np.random.default_rng(i).integers(0, (photo.width - size, photo.height - size)).tolist()
        place = folder / f"class{i % classes}"
        place.mkdir(parents=True, exist_ok=True)
        photo.crop((left, top, left + size, top + size)).save(place / f"{i}.jpg", **given)
    return folder


def measured(folder: Path) -> Confound:
    """The figures of a folder."""
    files, labels, groups = labelled_files(folder)
    return confound(files, labels, groups)


def cells(found: Confound) -> list[str]:
    """Those of a row."""
    low, high = found.traces.interval
    told = ", ".join(found.matter) or "none"
    interval = f"{low:.3f} to {high:.3f}"
    return [
        f"{found.num_files}",
        f"{len(found.classes)}",
        f"{found.traces.auc:.3f}",
        interval,
        f"{found.size.auc:.3f}",
        told,
    ]


def seconds(folder: Path) -> float:
    """Processor time of a folder's figures."""
    start = time.process_time()
    measured(folder)
    return time.process_time() - start


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document")
    given = options.parse_args()
    rows = [["data", *HEADS]]
    with tempfile.TemporaryDirectory() as name:
        for number, (title, planted) in enumerate(PLANTED.items()):
            found = measured(write(Path(name, str(number)), 2000, planted))
            rows.append([f"planted: {title}", *cells(found)])
            if given.update and title in DRAWN:
                write_atomically(given.update.parent / "pictures" / DRAWN[title], found.pictures()["prediction"])
        if "LOSSY_DATA" in os.environ:
            for title, folder in SHARED.items():
                rows.append([title, *cells(measured(Path(os.environ["LOSSY_DATA"], folder)))])
        table = as_markdown(rows)
        print(table)
        if given.update:
            update_table(given.update, "confound", table)
        for classes in (2, 10):
            folder = write(Path(name, f"many{classes}"), 10_000, PLANTED["quality 80 against 75"], classes)
            print(f"10 000 files of {classes} classes: {seconds(folder):.1f} s of the processor")


if __name__ == "__main__":
    main()
