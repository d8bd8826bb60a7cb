"""Is the least attack that succeeds visible, and is it if the network reads codes? Files, networks and attacks.

    LOSSY_DATA=... python -m experiments.attack.study [--settings q75 ...] [--seeds 0 1 ...] [--images 200]
        [--folder FOLDER] [--held-out] [--finished] [--results FILE] [--update docs/attack_study.md]

A network on decoded samples and one on codes, equally right on clean examples, are trained on the same files. Of test
examples that both get right, each seed its own, the least change is found that fools a network through a real file,
by each route: samples that are kept as they are, samples that are coded afterwards, and codes. Batches of examples
come in rounds over all seeds, so that what is there is balanced; a folder keeps networks, adversarial signals and the
figures of each batch as it ends, and what is there is not run again. ``--finished`` runs nothing and shows it.
``--held-out`` is how the recipe was chosen: examples are training images that no network saw, and no test image is
read. Other options, as `--name=value`, go to the command line of each training.
"""

import argparse
import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.harness import fit, inside, kept, known, machine, once, positive, recipe, show, study_parser
from experiments.attack.batch import attack_batch
from experiments.attack.checks import self_check
from experiments.attack.claim import claims
from experiments.attack.pictures import draw
from experiments.attack.routes import Medium
from experiments.attack.settings import SETTINGS, Setting
from experiments.attack.tables import TABLES, Figures


def train(setting: Setting, kind: str, seed: int, place: Path, extra: list[str]) -> dict[str, Any]:
    """A network's accuracy and cost; its layers and its codec go into a file."""
    start = time.process_time()
    cli = fit(setting.arms[kind], ["--seed_everything", str(seed), *extra])
    found = cli.trainer.callback_metrics
    layers = nn.Sequential(cli.model.stem, cli.model.backbone).eval().requires_grad_(False)
    place.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"net": layers, "codec": cli.datamodule.codec}, place)
    macs = sum(float(n) for name, n in found.items() if re.fullmatch(r"macs/\d+bit", name))
    return {
        "accuracy": float(found["test_acc"]),
        "macs": macs,
        "seconds": round(time.process_time() - start, 1),
    }


def examples(
    setting: Setting, medium: Medium, nets: dict[str, nn.Module], seed: int, count: int, held_out: Path | None
) -> tuple[Tensor, Tensor]:
    """The first examples of a seed's share of the test set that both networks get right."""
    signals, targets = setting.load(seed, held_out)
    chosen: list[Tensor] = []
    for part in torch.arange(len(signals)).split(200):
        clean = medium.write(medium.encode(signals[part]))
        with torch.no_grad():
            right = [
                net(medium.read(kind == "samples", clean)).argmax(1) == targets[part] for kind, net in nets.items()
            ]
        chosen.append(part[right[0] & right[1]])
        if sum(map(len, chosen)) >= count:
            break
    index = torch.cat(chosen)[:count]
    return signals[index], targets[index]


def run(
    setting: Setting, nets: dict[str, nn.Module], codec: Any, seed: int, number: int, count: int, folder: Path,
    held_out: Path | None,
) -> dict[str, Any]:  # fmt: skip
    """Figures of one batch; its adversarial signals go into a file for the pictures."""
    start = time.process_time()
    medium = setting.medium(codec)
    signal, target = examples(setting, medium, nets, seed, count, held_out)
    rows = slice(number * setting.batch, min((number + 1) * setting.batch, count))
    signal, target = signal[rows], target[rows]
    if not len(signal):
        return {"columns": {}, "claims": {}, "check": {}, "seconds": 0.0}
    columns, pictures = attack_batch(medium, nets, signal, target, seed)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"clean": medium.write(medium.encode(signal)).signal, **pictures}, folder / f"batch{number}.pt")
    told = claims(medium, nets, signal, target) if setting.claims else {}
    check = self_check(medium, nets, signal, target, columns, seed) if number == 0 else {}
    return {"columns": columns, "claims": told, "check": check, "seconds": round(time.process_time() - start, 1)}


def batches(settings: list[str], seeds: list[int] | None, images: int | None) -> Iterator[tuple[str, int, int, int]]:
    """All batches in their order: setting, seed, number of the batch, examples of a seed."""
    for name in settings:
        count = images or SETTINGS[name].examples
        for number in range(-(-count // SETTINGS[name].batch)):
            yield from ((name, seed, number, count) for seed in seeds or SETTINGS[name].seeds)


def options() -> argparse.ArgumentParser:
    """Of the command line."""
    given = study_parser(__doc__)
    given.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    given.add_argument("--seeds", nargs="+", type=int, help="default: all of each setting")
    given.add_argument("--images", type=positive, help="examples of each seed; default: all of each setting")
    given.add_argument("--held-out", action="store_true", help="attack training examples that are left out")
    given.add_argument("--pictures", type=Path, metavar="FOLDER", help="draw the pictures into this folder")
    return given


def main() -> None:
    """Run what is missing, and show the tables."""
    given, others = options().parse_known_args()
    results = given.results and given.results.absolute()
    torch.set_num_threads(1)
    figures: Figures = {}
    with kept(given.folder) as folder:
        for name, seed, number, count in batches(given.settings, given.seeds, given.images):
            setting = SETTINGS[name]
            held_out = setting.hold_out(folder) if given.held_out else None
            done = results or folder / ("held_out.json" if given.held_out else "figures.json")
            there = known(done)
            arms = " ".join(recipe(arm) for arm in setting.arms.values())
            key = f"{name} {arms} seed {seed}"
            part = f"{key} batch {number} of {count}"
            if given.finished and part not in there:
                continue
            place = folder / ("held_out" if given.held_out else "test") / name / f"seed{seed}"
            extra = ["--trainer.precision", given.precision, "--data.init_args.cache_dir", str(folder / "cache")]
            extra += [*others, *(setting.root(held_out) if held_out else [])]
            with inside(place):
                for kind in setting.arms:
                    make = partial(train, setting, kind, seed, place / f"{kind}.pt", extra)
                    figures[name, seed, kind] = once(done, f"{key} {kind}", make)
                if part not in there:
                    _check_networks(place, setting)
                    stored = {kind: torch.load(place / f"{kind}.pt", weights_only=False) for kind in setting.arms}
                    nets = {kind: each["net"] for kind, each in stored.items()}
                    make = partial(run, setting, nets, stored["codes"]["codec"], seed, number, count, place, held_out)
                    once(done, part, make)
                figures[name, seed, number] = once(done, part, dict)
            print(f"  {name}, seed {seed}, batch {number}: {figures[name, seed, number]['seconds']} s", flush=True)
        if not any(isinstance(part, int) for *_, part in figures):
            print("no batch is there yet")
            return
        for title, table in TABLES.items():
            rows = table(figures)
            if len(rows) > 1:
                show(rows, f"Trained in {given.precision}, on {machine()}.", given.update, f"attack-{title}")

        if given.pictures:
            draw(figures, folder / ("held_out" if given.held_out else "test"), given.pictures.absolute())


def _check_networks(place: Path, setting: Setting) -> None:
    for kind in setting.arms:
        if not (place / f"{kind}.pt").exists():
            raise FileNotFoundError(
                f"{place / kind}.pt is missing, though the network is in the figures; "
                "point --folder to where it was trained, or begin in a new folder"
            )


if __name__ == "__main__":
    main()
