"""Is encoding quality learned as a proxy for the class? CIFAR-10 with classes coded unlike, tested at all qualities.

    LOSSY_DATA=... python -m experiments.drift.study [--seeds 0 1 2] [--pairs cat-dog ...] [--arms drift_pixels ...]
        [--folder FOLDER] [--held-out] [--finished] [--update docs/drift.md]

*Confounded*: the first class of a pair is coded as JPEG of quality 10, the second at 95, the others at 50. The
*randomised twin* of a seed and arm sees the same mix of qualities, whatever the class: each image draws its own. Each
run is an arm of `study.yaml` through the command line and tests its last epoch on all test images at qualities 10 to
95, by `DriftMonitor`. A folder keeps the counts of each run as it ends; what is there is not run again. Seeds come in
rounds, the twins first, then pair by pair, so that what is there is balanced; ``--finished`` runs nothing and shows it.
``--held-out`` is how the recipe was chosen: a fifth of the training images is tested on, and no test image is read.
Other options, as `--name=value`, go to the command line of each run.
"""

import argparse
import copy
import json
import os
import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness import config, fit, inside, kept, known, machine, once, recipe, show, study_parser
from experiments.drift.tables import Found, accuracies, proxies, swapped
from lossy_lightning.callbacks import DriftMonitor
from lossy_lightning.data import CIFAR10

POOR, MEDIUM, FINE = 10, 50, 95
PAIRS = ("cat-dog", "automobile-truck", "airplane-ship", "deer-horse", "bird-frog")
"""Poor class and fine class of each; together they are all ten."""
TWIN = "twin"
ARMS = {
    "drift_pixels": "pixels",
    "drift_levels": "levels B",
    "drift_coefficients": "B·Q",
    "drift_tables": "B·Q and tables",
    "drift_pixels_augmented": "pixels, coded again",
    "drift_coefficients_augmented": "B·Q, coded again",
}


def at(codec: dict[str, Any], quality: int) -> dict[str, Any]:
    """A codec of JPEG, or what is made of it, at another quality, as the command line has it."""
    made = copy.deepcopy(codec)
    inner = made["init_args"].get("codec", made)
    inner["init_args"]["quality"] = quality
    return made


def coded(arm: str, pair: str, seed: int) -> list[str]:
    """What tells a run through which codecs training examples go."""
    own = config(arm)["data"]["init_args"]["codec"]
    if pair == TWIN:
        codecs = [at(own, quality) for quality in (MEDIUM, POOR, FINE)]
        chosen: dict[Any, Any] = {
            "class_path": "experiments.drift.mixture.Mixture",
            "init_args": {"codecs": codecs, "shares": [0.8, 0.1, 0.1], "seed": seed},
        }
    else:
        poor, fine = map((CIFAR10.classes or ()).index, pair.split("-"))
        chosen = {poor: at(own, POOR), fine: at(own, FINE)}
    return ["--data.init_args.train_codecs", json.dumps(chosen)]


def run(arm: str, pair: str, seed: int, extra: list[str]) -> dict[str, Any]:
    """Counts of one run by quality, as text; in and below the folder that we are in."""
    start = time.process_time()
    cli = fit(arm, ["--seed_everything", str(seed), *coded(arm, pair, seed), *extra])
    (monitor,) = (callback for callback in cli.trainer.callbacks if isinstance(callback, DriftMonitor))
    counts = {name: " ".join(map(str, found.flatten().tolist())) for name, found in monitor.counts.items()}
    macs = sum(float(n) for name, n in cli.trainer.callback_metrics.items() if re.fullmatch(r"macs/\d+bit", name))
    return {"counts": counts, "macs": macs, "seconds": round(time.process_time() - start, 1)}


def runs(arms: list[str], pairs: list[str], seeds: list[int]) -> Iterator[tuple[str, str, int]]:
    """All runs, in their order."""
    yield from ((arm, pair, seed) for seed in seeds for pair in (TWIN, *pairs) for arm in arms)


def hold_out(folder: Path) -> Path:
    """Links to the training images alone, every fifth of a class as a test image."""
    root = folder / "held_out"
    for place in sorted((Path(os.environ["LOSSY_DATA"]) / "cifar10" / "train").iterdir()):
        for number, file in enumerate(sorted(place.glob("*.png"))):
            link = root / ("train" if number % 5 else "test") / place.name / file.name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.symlink_to(file)
    return root


def complete(found: Found, arms: list[str], pairs: list[str], seeds: list[int]) -> tuple[list[str], list[int]]:
    """Pairs and seeds of which each arm has each run: all pairs, or those of the first seed if it is not through."""
    through = [s for s in seeds if all((arm, pair, s) in found for arm in arms for pair in (TWIN, *pairs))]
    if through:
        return pairs, through
    return [p for p in pairs if all((arm, pair, seeds[0]) in found for arm in arms for pair in (TWIN, p))], seeds[:1]


def options() -> argparse.ArgumentParser:
    """Of the command line."""
    given = study_parser(__doc__)
    given.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    given.add_argument("--pairs", nargs="+", choices=PAIRS, default=[*PAIRS], help="poor class and fine class")
    given.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    given.add_argument("--held-out", action="store_true", help="test on training images that are left out")
    return given


def main() -> None:
    """Run what is missing, and show the tables."""
    given, others = options().parse_known_args()
    done = given.results and given.results.absolute()
    extra = ["--trainer.precision", given.precision, *others]
    found: Found = {}
    with kept(given.folder) as folder:
        places = ["--data.init_args.cache_dir", str(folder / "cache")]
        if given.held_out:
            places += ["--data.init_args.root", str(hold_out(folder))]
        done = done or folder / ("held_out.json" if given.held_out else "figures.json")
        there = known(done)
        for arm, pair, seed in runs(given.arms, given.pairs, given.seeds):
            key = f"{recipe(arm)} {pair} {POOR} {MEDIUM} {FINE} seed {seed} {' '.join(extra)}"
            if given.finished and key not in there:
                continue
            with inside(folder / pair / f"seed{seed}"):
                found[arm, pair, seed] = once(done, key, partial(run, arm, pair, seed, [*extra, *places]))
            print(f"  {ARMS[arm]}, {pair}, seed {seed}: {found[arm, pair, seed]['seconds']} s", flush=True)
    pairs, seeds = complete(found, given.arms, given.pairs, given.seeds)
    if not pairs:
        print("no pair has all its runs yet")
        return
    titles = {arm: ARMS[arm] for arm in given.arms}
    note = f"{len(pairs)} pair(s), {len(seeds)} seed(s), trained in {given.precision} on {machine()}."
    for name, table in (("proxy", proxies), ("swapped", swapped), ("qualities", accuracies)):
        show(table(found, titles, pairs, seeds), note, given.update, f"drift-{name}")


if __name__ == "__main__":
    main()
