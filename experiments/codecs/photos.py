"""Learned codecs of photos."""

import os
import time
from functools import partial
from pathlib import Path

import torch

from benchmarks.harness import once, recipe
from experiments.codecs.arms import Place, trained

RUN, WEIGHT = "codecs_imagenette", "reconstruction_weight"
WEIGHTS = ("0.01", "0.003", "0.03", "0.001")


def minutes(weight: str, place: Place) -> float:
    """Train the codec of a weight, and tell for how many minutes of one core."""
    start = time.process_time()
    trained(RUN, {WEIGHT: weight}, place)
    return round((time.process_time() - start) / 60, 1)


def train(place: Place) -> dict[str, float]:
    """Train the codecs that are missing; minutes of each weight."""
    done = place.folder / "minutes.json"
    names = {weight: f"{recipe(RUN)} {weight} {' '.join(place.extra)}".strip() for weight in WEIGHTS}
    return {weight: once(done, name, partial(minutes, weight, place)) for weight, name in names.items()}


def place(folder: Path, extra: tuple[str, ...] = ()) -> Place:
    """Where codecs are trained, and on what."""
    return Place(torch.empty(0), folder, 0, extra, Path(os.environ["LOSSY_DATA"]) / "imagenette224")
