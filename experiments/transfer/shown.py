"""The same on two small data sets, shown only: a linear probe on images of Imagenette and on sounds of ESC-10.

    LOSSY_DATA=... python -m experiments.transfer.shown --folder FOLDER [--data imagenette esc10] [--draws 10]
        [--finished] [--results FILE] [--update docs/transfer_study.md]

Images are brought to 128x128, which MobileNetV1 0.25 reads and codecs code: 1 000 to train on, 400 to test on. Sounds
are 100 clips of five seconds in five folds; one fold is tested, draws go through all. Nothing was chosen here: codecs,
features and probe are those of `experiments.transfer.study`.
"""

import os
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torchvision.io import ImageReadMode, read_image

from benchmarks.harness import kept, known, once, positive, show, study_parser
from experiments.transfer import features
from experiments.transfer.features import Arm
from experiments.transfer.probes import Array, drawn, linear, scaled
from experiments.transfer.tables import Arms, curves
from lossy_lightning.codecs import PCM
from lossy_lightning.core import Codec
from lossy_lightning.data import AudioFolder, read_sound

RATE, SECONDS, SIDE = 16_000, 5, 128


class Data(NamedTuple):
    """A data set, its signals in memory.

    Attributes:
        signals: ``(N, *signal)``.
        labels: ``(N,)``.
        folds: Of each signal; -1 if it is only trained on. Draws test one fold after another.
    """

    signals: torch.Tensor
    labels: Array
    folds: Array


def imagenette() -> Data:
    """Images of 224x224, JPEG files of quality 75, brought to 128x128."""
    root = Path(os.environ["LOSSY_DATA"]) / "imagenette224"
    paths = [path for side in ("train", "val") for path in sorted((root / side).glob("*/*"))]
    images = torch.stack([read_image(str(path), ImageReadMode.RGB) for path in paths]).float()
    small = F.interpolate(images, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True)
    folds = np.array([-1 if path.parts[-3] == "train" else 0 for path in paths])
    return Data(small.round().to(torch.uint8), np.array([path.parent.name for path in paths]), folds)


def esc10() -> Data:
    """Clips at 16 kHz, each in the fold that its name begins with."""
    data = AudioFolder(PCM(16), Path(os.environ["LOSSY_DATA"]) / "esc10", RATE, seconds=SECONDS)
    paths = [Path(path) for path, _, _ in sorted(data.sounds)]
    sounds = torch.stack([read_sound(str(path), data.form) for path in paths])
    return Data(sounds, np.array([path.parent.name for path in paths]), np.array([int(p.name[0]) for p in paths]))


class Study(NamedTuple):
    """What is read of a data set, and how.

    Attributes:
        take: Reads it.
        codec: Of a name.
        arms: What classifiers read.
        sizes: Examples of each class; None: all.
        note: Below the table.
    """

    take: Callable[[], Data]
    codec: Callable[[str], Codec]
    arms: tuple[Arm, ...]
    sizes: tuple[int | None, ...]
    note: str


STUDIES = {
    "imagenette": Study(
        imagenette,
        features.image_codec,
        (Arm("pixels"), Arm("JPEG"), Arm("wavelet"), *(Arm(each, "MobileNetV1 0.25") for each in ("", "JPEG"))),
        (1, 5, 20, None),
        "Of 400 test images; those of all 100 a class by bootstrap.",
    ),
    "esc10": Study(
        esc10,
        features.sound_codec,
        (Arm("Lyra"), Arm("MP3"), *(Arm(each, "YAMNet") for each in ("", "Lyra", "MP3"))),
        (1, 2, 5, None),
        "Of five folds of 20 clips; all are 8 a class.",
    ),
}


@cache
def taken(name: str) -> Data:
    """A data set, read once."""
    return STUDIES[name].take()


def run(name: str, arm: Arm, draws: int) -> dict[str, Any]:
    """Accuracy of the linear probe by examples a class, in percent, and what an example costs."""
    study, data = STUDIES[name], taken(name)
    made = features.make(arm, study.codec(arm.codec), data.signals)
    tested = sorted({*data.folds.tolist()} - {-1})
    found: dict[str, list[float]] = {}
    for number in study.sizes:
        for seed in range(len(tested) if number is None else draws):
            test = data.folds == tested[seed % len(tested)]
            chosen = np.flatnonzero(~test)[drawn(data.labels[~test], number, seed)]
            own, others = scaled(made.values[chosen], made.values[test])
            right = linear(own, data.labels[chosen], others) == data.labels[test]
            found.setdefault(str(number), []).append(round(float(100 * right.mean()), 3))
    told = {title: value for title, value in made._asdict().items() if title not in ("values", "macs")}
    return {"linear": found, "features": made.values.shape[1], "tested": int(test.sum())} | told


def main() -> None:
    """Run what is missing, and show the tables."""
    options = study_parser(__doc__)
    options.add_argument("--data", nargs="+", choices=list(STUDIES), default=list(STUDIES))
    options.add_argument("--draws", type=positive, default=10)
    given = options.parse_args()
    torch.set_num_threads(1)
    with kept(given.folder) as folder:
        folder.mkdir(parents=True, exist_ok=True)
        done = given.results or folder / "figures.json"
        for name in given.data:
            arms: Arms = {}
            for arm in STUDIES[name].arms:
                key = f"{name} | {arm} | {given.draws} draws"
                if given.finished and key not in known(done):
                    continue
                arms[arm] = once(done, key, partial(run, name, arm, given.draws))
                print(f"  {key}", flush=True)
            if arms:
                note = f"Means of {given.draws} draws, with intervals of 95 %. {STUDIES[name].note}"
                rows = curves(arms, "linear", STUDIES[name].sizes)
                show(rows, note, given.update, f"transfer-{name}")


if __name__ == "__main__":
    main()
