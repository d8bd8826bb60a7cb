"""The cheapest network for a given accuracy: pixels at full size, at reduced size, or codes? CIFAR-10, small budgets.

    LOSSY_DATA=... python -m experiments.complexity.study --trials [--folder FOLDER]
    LOSSY_DATA=... python -m experiments.complexity.study --choose [--folder FOLDER]
    LOSSY_DATA=... python -m experiments.complexity.study [--seeds 0 1 2] [--budgets 0.3 1 3] [--arms NAME ...]
        [--folder FOLDER] [--sources] [--costs] [--finished] [--results FILE] [--update docs/complexity.md]
        [--draw docs/pictures]

All arms see the same JPEG files (quality 75, 4:4:4), but subbands of wavelets, which are of the images themselves, at
the same rate. First `--trials`: seven short runs for each arm and budget, which train on four fifths of the training
images and are measured on the fifth that is held out (`trials.py` has what is tried, and in which order). `--choose`
writes the best of each into `recipes.json` beside this script. Without either, networks of these recipes are trained on
all training images and tested at the end of the last epoch, seeds in rounds. A folder keeps the figures of each run as
it ends; what is there is not run again, and `--finished` runs nothing. `--sources` also compares subbands and pixels of
the same images, decoded from JPEG files or never coded, where subbands were chosen. `--costs` measures what the
networks cost anew, on a machine that should do nothing else. Other options, as `--name=value`, go to the command line
of each run.
"""

import argparse
import json
import re
import time
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from benchmarks.accuracy.paired import Right
from benchmarks.harness import fit, inside, kept, known, once, recipe, study_parser
from experiments.complexity.costs import measure
from experiments.complexity.tables import CODES, Tested, draw, write, write_sources
from experiments.complexity.trials import BUDGETS, EPOCHS, FORMS, HELD_OUT, Recipe, best, changes, fitted, sequence

RECIPES = Path(__file__).with_name("recipes.json")
_JPEG = {"class_path": "lossy_lightning.codecs.JPEG", "init_args": {"quality": 75, "chroma_subsampling": "4:4:4"}}
_SUBBANDS = {
    "class_path": "lossy_lightning.codecs.TransformCodec",
    "init_args": {
        "analysis": {"class_path": "lossy_lightning.codecs.Wavelet", "init_args": {"levels": 2}},
        "quantizer": {"class_path": "lossy_lightning.codecs.DeadZone", "init_args": {"step": 2.828}},
    },
}
_DECODED = {"class_path": "lossy_lightning.codecs.Decoded", "init_args": {"codec": _JPEG, "view": _SUBBANDS}}
SOURCES = {
    "JPEG files": {"pixels": [], CODES: [f"--data.init_args.codec={json.dumps(_DECODED, separators=(',', ':'))}"]},
    "never coded": {"pixels": ["--data.init_args.codec=lossy_lightning.codecs.PCM"], CODES: []},
}
"""What is changed for either arm, so that both see images of one kind."""


def run(arm: str, chosen: Recipe, budget: float, extra: list[str], tested: bool = True) -> dict[str, Any]:
    """Accuracy of one run in percent, on test images or on those held out; in and below the folder that we are in."""
    start, seen = time.process_time(), Right()
    own = Path("changes.yaml")
    own.write_text(yaml.safe_dump(changes(arm, chosen, fitted(arm, chosen, budget))))
    cli = fit(FORMS[arm][chosen.form].run, ["--config", str(own), *extra], *([seen] if tested else []))
    metrics = {name: float(value) for name, value in cli.trainer.callback_metrics.items()}
    macs = sum(value for name, value in metrics.items() if re.fullmatch(r"macs/\d+bit", name))
    found = {"accuracy": 100 * metrics["test_acc" if tested else "val_acc"], "macs": macs}
    return found | (seen.figures() if tested else {}) | {"seconds": round(time.process_time() - start, 1)}


def key(arm: str, told: Recipe, budget: float, extra: list[str]) -> str:
    """What tells a run from others: figures of another recipe do not count."""
    text = json.dumps(changes(arm, told, fitted(arm, told, budget)), sort_keys=True)
    return " ".join([recipe(FORMS[arm][told.form].run), text, *extra])


def lasting(epochs: int) -> list[str]:
    """Arguments of a run, and of its schedule, of so many epochs."""
    told = str(epochs)
    return ["--trainer.max_epochs", told, "--model.init_args.lr_scheduler.init_args.T_max", told]


def trials(arm: str, budget: float, folder: Path, extra: list[str], finished: bool) -> dict[Recipe, float]:
    """Accuracy of each trial of an arm and budget, percent; all seven, or those that are there."""
    short = [*lasting(EPOCHS), "--data.init_args.val_fraction", str(HELD_OUT), "--test_after_fit", "false", *extra]
    short += ["--trainer.check_val_every_n_epoch", str(EPOCHS)]
    found: dict[Recipe, float] = {}
    steps = sequence(arm)
    trial: Recipe | None = next(steps)
    while trial is not None:
        name, done = key(arm, trial, budget, short), folder / "trials.json"
        if finished and name not in known(done):
            break
        with inside(folder / "trials" / f"{arm} {budget:g}"):
            places = [*short, "--data.init_args.cache_dir", str(folder / "cache")]
            found[trial] = once(done, name, partial(run, arm, trial, budget, places, False))["accuracy"]
        print(f"  {arm}, {budget:g} MMAC, {trial}: {found[trial]:.2f} %", flush=True)
        try:
            trial = steps.send(found[trial])
        except StopIteration:
            trial = None
    return found


def choose(folder: Path, extra: list[str]) -> None:
    """Write what the trials found."""
    told: dict[str, Any] = {"trials": {}, "recipes": {}}
    for budget, arm in product(BUDGETS, FORMS):
        found = trials(arm, budget, folder, extra, finished=True)
        if len(found) < len(list(FORMS[arm])) + 2:
            raise SystemExit(f"{arm} at {budget:g} MMAC has {len(found)} trials only; run --trials first")
        tried = [{**each._asdict(), "accuracy": round(accuracy, 2)} for each, accuracy in found.items()]
        told["trials"].setdefault(f"{budget:g}", {})[arm] = tried
        told["recipes"].setdefault(f"{budget:g}", {})[arm] = best(found)._asdict()
    RECIPES.write_text(json.dumps(told, indent=1) + "\n")


def chosen(arm: str, budget: float) -> Recipe:
    """The recipe of an arm and budget."""
    recipes = json.loads(RECIPES.read_text())["recipes"]
    return Recipe(**recipes[f"{budget:g}"][arm])


def tests(given: argparse.Namespace, folder: Path, extra: list[str]) -> Tested:
    """Run what is missing; figures by budget and arm, one of each seed."""
    done, found = given.results and given.results.absolute(), Tested({})
    done = done or folder / "figures.json"
    for seed, budget, arm in product(given.seeds, given.budgets, given.arms):
        told = chosen(arm, budget)
        name = f"{key(arm, told, budget, extra)} {budget:g} MMAC, seed {seed}"
        if given.finished and name not in known(done):
            continue
        with inside(folder / f"{arm} {budget:g}" / f"seed{seed}"):
            places = ["--seed_everything", str(seed), "--data.init_args.cache_dir", str(folder / "cache")]
            figures = once(done, name, partial(run, arm, told, budget, [*extra, *places]))
        found.setdefault((budget, arm), []).append(figures)
        print(f"  {arm}, {budget:g} MMAC, seed {seed}: {figures['accuracy']:.2f} %", flush=True)
    return found


def from_same_images(given: argparse.Namespace, folder: Path, extra: list[str]) -> dict[str, Tested]:
    """Pixels and subbands of images of one kind, for each kind and the budgets whose best codes are subbands."""
    budgets = [
        budget for budget in given.budgets if FORMS[CODES][chosen(CODES, budget).form].run == "complexity_wavelets"
    ]
    found: dict[str, Tested] = {title: {} for title in SOURCES}
    for title, arms in SOURCES.items():
        for arm, own in arms.items():
            some = argparse.Namespace(**{**vars(given), "arms": [arm], "budgets": budgets})
            found[title] |= tests(some, folder, [*extra, *own])
    return found


def options() -> argparse.ArgumentParser:
    """Of the command line."""
    given = study_parser(__doc__)
    given.add_argument("--trials", action="store_true", help="run the trials, on held-out training images")
    given.add_argument("--choose", action="store_true", help="write the best of the trials into recipes.json")
    given.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    given.add_argument("--budgets", nargs="+", type=float, choices=BUDGETS, default=BUDGETS, help="millions of MACs")
    given.add_argument("--arms", nargs="+", choices=list(FORMS), default=list(FORMS))
    given.add_argument("--sources", action="store_true", help="also compare subbands and pixels of the same images")
    given.add_argument("--costs", action="store_true", help="measure times on this machine")
    given.add_argument("--draw", type=Path, metavar="FOLDER", help="draw accuracy over each cost into this folder")
    return given


def main() -> None:
    """Run what is missing, and show the tables."""
    given, others = options().parse_known_args()
    extra = ["--trainer.precision", given.precision, *others]
    with kept(given.folder) as folder:
        if given.trials:
            for budget, arm in product(BUDGETS, given.arms):
                trials(arm, budget, folder, extra, given.finished)
        elif given.choose:
            choose(folder, extra)
        else:
            found = tests(given, folder, extra)
            recipes = {(budget, arm): chosen(arm, budget) for budget, arm in found}
            done = given.results.absolute() if given.results else folder / "figures.json"
            if given.costs:
                measure(recipes, done)
            measured = known(done).get("costs", {})
            write(found, recipes, measured, given.update)
            if given.sources:
                write_sources(from_same_images(given, folder, extra), given.update)
            if given.draw:
                draw(found, measured, given.draw)


if __name__ == "__main__":
    main()
