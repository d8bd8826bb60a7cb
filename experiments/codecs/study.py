"""What is a number worth? Codes of 192 numbers an image against pixels as few, and all image codecs at one budget.

    LOSSY_DATA=... python -m experiments.codecs.study --trials [--folder FOLDER]
    LOSSY_DATA=... python -m experiments.codecs.study --choose [--folder FOLDER]
    LOSSY_DATA=... python -m experiments.codecs.study [--parts numbers codecs] [--seeds 0 1 2] [--names NAME ...]
        [--grids 32x32 "own grid"] [--epochs N] [--folder FOLDER] [--finished] [--results FILE]
        [--update docs/codecs_study.md] [--draw docs/pictures/codecs_study.svg]

CIFAR-10, networks of 3 million multiply-accumulates. *numbers*: 8x8 pixels, components and low frequencies of 8x8
blocks, and latents of linear analysis, decoded to 32x32 and on their own grids. *codecs*: every image codec of the
package at two rates. First `--trials` of *numbers*: short runs on four fifths of the training images, which the fifth
that is held out measures, of each form of an arm and then of the best at half the learning rate. `--choose` writes the
best of each into `recipes.json` beside this script. Without either, networks of these recipes are trained on all
training images and tested at the end of the last epoch, seeds in rounds. Codecs that learn are trained when they are
needed first, and kept in the folder, as are the figures of each run as it ends; what is there is not run again, and
`--finished` runs nothing.
Other options, as `--name=value`, go to the command line of each training of a codec.
"""

import argparse
import json
import time
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.accuracy.small_networks import load
from benchmarks.harness import kept, known, once, parser, positive
from experiments.codecs.arms import (
    ALONG,
    EQUAL_BITS,
    GRIDS,
    LATENTS,
    NUMBERS,
    PARTS,
    PIXELS,
    Arm,
    Place,
    codec,
    identity,
)
from experiments.codecs.networks import fitted, network, train
from experiments.codecs.tables import Found, measure, write
from experiments.complexity.gpu_training import Examples, right
from experiments.complexity.trials import HELD_OUT, Recipe, best
from lossy_lightning.profiling import count_macs

EPOCHS = 30
EPOCHS_OF_TRIALS = 6
RECIPES = Path(__file__).with_name("recipes.json")
LR = 0.2


class Data(NamedTuple):
    """Images and classes that networks are trained and tested on."""

    images: Tensor
    labels: Tensor
    test_images: Tensor
    test_labels: Tensor


def data(folder: Path, held_out: bool) -> Data:
    """All of them; or training images alone, in their fixed random order, of which the last fifth is held out."""
    images, labels = load("train", folder / "images")
    if not held_out:
        return Data(images, labels, *load("test", folder / "images"))
    cut = len(images) - round(HELD_OUT * len(images))
    return Data(images[:cut], labels[:cut], images[cut:], labels[cut:])


def run(arm: Arm, told: Recipe, on: Data, place: Place, epochs: int) -> dict[str, Any]:
    """Accuracy of one network in percent, and what it costs."""
    made = codec(arm.name, told.form, place)
    start, unit = time.process_time(), fitted(made, arm.fine)
    torch.manual_seed(place.seed)
    model = network(made, arm.fine, unit)
    train(model, made, on.images, on.labels, epochs, told.lr)
    code = made.encode(on.test_images)
    seen = right(model, Examples(code, on.test_labels))[0].numpy()
    macs, decoder = (sum(count_macs(part.eval(), code[:1]).values()) for part in (model, model[0]))
    return {"accuracy": 100 * float(seen.mean()), "macs": macs, "decoder": decoder, "epochs": epochs} | {
        "form": told.form,
        "examples": len(seen),
        "right": np.packbits(seen).tobytes().hex(),
        "seconds": round(time.process_time() - start, 1),
    }


def key(arm: Arm, told: Recipe, place: Place, epochs: int) -> str:
    """What tells a run from others."""
    parts = [identity(arm.name, told.form), arm.grid, f"rate {told.lr:g}", f"{epochs} epochs", *place.extra]
    return ", ".join([*parts, f"seed {place.seed}"])


def trials(arm: Arm, on: Data, place: Place, finished: bool) -> dict[Recipe, float]:
    """Accuracy of each trial of an arm, percent; all of them, or those that are there."""
    found: dict[Recipe, float] = {}
    done = place.folder / "trials.json"

    def attempt(told: Recipe) -> None:
        name = key(arm, told, place, EPOCHS_OF_TRIALS)
        if not finished or name in known(done):
            found[told] = once(done, name, partial(run, arm, told, on, place, EPOCHS_OF_TRIALS))["accuracy"]
            print(f"  {arm}, {told.form}, {told.lr:g}: {found[told]:.2f} %", flush=True)

    for form in arm.forms:
        attempt(Recipe(form, lr=LR))
    if arm.forms and len(found) == len(arm.forms):
        attempt(best(found)._replace(lr=LR / 2))
    return found


def choose(arms: list[Arm], on: Data, place: Place) -> None:
    """Write what the trials of these arms found; what is there of others stays."""
    told: dict[str, Any] = {"trials": {}, "recipes": {}} | known(RECIPES)
    for arm in arms:
        if not arm.forms:
            continue
        found = trials(arm, on, place, finished=True)
        if len(found) <= len(arm.forms):
            raise SystemExit(f"{arm} has {len(found)} trials only; run --trials first")
        told["trials"][str(arm)] = [each._asdict() | {"accuracy": round(value, 2)} for each, value in found.items()]
        told["recipes"][str(arm)] = best(found)._asdict()
    RECIPES.write_text(json.dumps(told, indent=1) + "\n")


def chosen(arm: Arm) -> Recipe:
    """The recipe of an arm; pixels at the bits of latents have that of pixels, and name the latents' form, too.

    In the part of all codecs, each has the learning rate that the trials of numbers chose.
    """
    if arm.name not in NUMBERS:
        return Recipe("", lr=LR)
    if not RECIPES.exists():
        raise SystemExit(f"there are no recipes {RECIPES}; run --trials and --choose first")
    if arm.name == EQUAL_BITS:
        pixels, latents = (chosen(Arm(name, arm.fine)) for name in (PIXELS, LATENTS))
        return pixels._replace(form=f"{pixels.form} {latents.form}")
    return Recipe(**json.loads(RECIPES.read_text())["recipes"][str(arm)])


def tests(arms: list[Arm], on: Data, places: list[Place], epochs: int, done: Path, finished: bool) -> Found:
    """Run what is missing; figures by arm, one of each seed."""
    found: dict[Arm, list[dict[str, Any]]] = {}
    for place, arm in product(places, arms):
        told = chosen(arm)
        name = key(arm, told, place, epochs)
        if not finished or name in known(done):
            figures = once(done, name, partial(run, arm, told, on, place, epochs))
            found.setdefault(arm, []).append(figures)
            print(f"  {arm}, seed {place.seed}: {figures['accuracy']:.2f} %", flush=True)
    return found


def measured(found: Found, on: Data, place: Place, done: Path, finished: bool) -> Iterator[tuple[Arm, dict[str, Any]]]:
    """Rate, distortion and cost of the codec of each arm that was tested."""
    for arm in found:
        form = chosen(arm).form
        name = " ".join([identity(arm.name, form), *place.extra, "measured"])
        if not finished or name in known(done):
            yield arm, once(done, name, partial(about, arm.name, form, place, on.test_images))


def about(name: str, form: str, place: Place, images: Tensor) -> dict[str, float]:
    """Rate, distortion and cost of a codec; nothing if the network is the codec."""
    return {} if name == ALONG else measure(codec(name, form, place), images)


def options() -> argparse.ArgumentParser:
    """Of the command line."""
    given = parser(__doc__)
    given.add_argument("--trials", action="store_true", help="run the trials, on held-out training images")
    given.add_argument("--choose", action="store_true", help="write the best of the trials into recipes.json")
    given.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    names = dict.fromkeys(arm.name for arms in PARTS.values() for arm in arms)
    given.add_argument("--names", nargs="+", choices=[*names], metavar="NAME", help="codecs to run; default all")
    given.add_argument("--grids", nargs="+", choices=GRIDS, default=GRIDS, help="what codes are read on; default both")
    given.add_argument("--epochs", type=positive, default=EPOCHS, help="of runs that are tested; default %(default)s")
    given.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    given.add_argument("--folder", type=Path, help="where images, codecs and figures are kept")
    given.add_argument("--finished", action="store_true", help="run nothing; show what is there")
    given.add_argument("--results", type=Path, metavar="FILE", help="figures, in place of those in the folder")
    given.add_argument("--update", type=Path, metavar="FILE", help="put the tables into this document, too")
    given.add_argument("--draw", type=Path, metavar="FILE", help="draw accuracy over bits into this file")
    return given


def main() -> None:
    """Run what is missing, and show the tables."""
    given, extra = options().parse_known_args()
    torch.set_num_threads(1)
    asked = [arm for part in given.parts for arm in PARTS[part] if arm.grid in given.grids]
    arms = [arm for arm in asked if not given.names or arm.name in given.names]
    with kept(given.folder) as folder:
        folder.mkdir(parents=True, exist_ok=True)
        on = data(folder, given.trials or given.choose)
        places = [Place(on.images, folder, seed, tuple(extra)) for seed in given.seeds]
        if given.trials:
            for arm in arms:
                trials(arm, on, places[0]._replace(seed=0), given.finished)
        elif given.choose:
            choose(arms, on, places[0]._replace(seed=0))
        else:
            done = given.results.absolute() if given.results else folder / "figures.json"
            found = tests(arms, on, places, given.epochs, done, given.finished)
            told = dict(measured(found, on, places[0]._replace(seed=0), done, given.finished))
            shown = {arm: each for arm, each in found.items() if arm in told}
            write(shown, told, given.update, given.draw)


if __name__ == "__main__":
    main()
