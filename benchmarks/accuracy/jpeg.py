"""Test accuracy at cost of the CIFAR-10 study: networks on coefficients of JPEG against networks on its pixels.

    LOSSY_DATA=... python -m benchmarks.accuracy.jpeg [name ...] [--seeds 0 1 2 3 4] [--epochs N]
        [--files 75/4:4:4 ...] [--folder FOLDER] [--update docs/numbers.md jpeg-accuracy]
    LOSSY_DATA=... python -m benchmarks.accuracy.jpeg [name ...] --steps 40 [--update docs/numbers.md jpeg-steps]

Each row is a run of `experiments/cifar10/`, made through the command line, on all training images, and tests the last
epoch: test images choose nothing. All rows see the same JPEG files. The seeds come in rounds, so that what is there is
balanced. A table gives accuracy as mean and standard deviation over seeds, multiply-accumulates of one image, and the
difference to each of the pixel controls with its 95 % interval: a paired bootstrap over test images, each counted
as right as often as seeds had it right. Other options, as `--name=value`, go to the command line of each run. A folder
keeps runs and figures, and what it holds already is not run again; several processes may fill it at once.

With `--steps` nothing is trained to the end: the rows take turns with ten training steps each in one process, and the
table gives the median time of a step (augmentation, forward, backward, update; batch 64). First steps of a turn do not
count, nor does the first turn: caches and allocator then know the network, as in training.
"""

import argparse
import math
import statistics
from collections.abc import Callable
from functools import partial
from itertools import chain, product
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.accuracy.paired import Right, difference
from benchmarks.harness import (
    arguments,
    config,
    fit,
    inside,
    kept,
    machine,
    once,
    parser,
    positive,
    precision,
    recipe,
    seconds,
    show,
    spread,
    values,
)
from lossy_lightning.cli import LossyCLI
from lossy_lightning.functional import SAMPLING_FACTORS
from lossy_lightning.nn import InverseDCT
from lossy_lightning.nn.stems.inverse_dct import inverse_basis
from lossy_lightning.profiling import count_macs

DRIFT = "transform of luma moved by, % of its norm"
TURN = 10  # steps that follow each other
CONTROLS = ("pixels, ResNet at 32x32", "pixels, space-to-depth 2", "pixels, transformer")
ROWS: dict[str, str] = {
    CONTROLS[0]: "cifar10_resnet",
    CONTROLS[1]: "cifar10_space_to_depth",
    "unfolded by 4, frozen": "cifar10_unfold",
    "unfolded by 4, frozen, narrow": "cifar10_unfold_narrow",
    "unfolded by 4, trained relative": "cifar10_unfold_trained",
    "unfolded by 4, trained plain": "cifar10_unfold_plain",
    "unfolded by 2, frozen": "cifar10_unfold_coarse",
    "pixels, space-to-depth 4": "cifar10_space_to_depth_coarse",
    "frequencies on the 4x4 grid": "cifar10_frequencies",
    "pixels, DCT convolution on the 4x4 grid": "cifar10_block_dct",
    "planes, 1-bit first layer": "cifar10_planes_binary",
    "planes, float first layer": "cifar10_planes_float",
    CONTROLS[2]: "cifar10_transformer_pixels",
    "blocks of coefficients, transformer": "cifar10_transformer",
    "pixels, Tree-3": "cifar10_tree3",
}


class Files(NamedTuple):
    """The JPEG files that all rows see."""

    quality: int
    subsampling: str

    @classmethod
    def of(cls, text: str) -> "Files":
        """Files as the command line names them, such as 75/4:4:4."""
        quality, _, subsampling = text.partition("/")
        if not quality.isdecimal() or subsampling not in SAMPLING_FACTORS:
            raise argparse.ArgumentTypeError(f"files are named QUALITY/SUBSAMPLING, such as 75/4:4:4; got {text!r}")
        return cls(int(quality), subsampling)

    def __str__(self) -> str:
        """As the command line names them."""
        return f"{self.quality}/{self.subsampling}"

    def arguments(self, name: str) -> list[str]:
        """What tells a run to read these files, wherever it says quality or subsampling."""
        told = {"quality": str(self.quality), "chroma_subsampling": self.subsampling}
        places = [path for path, _ in values(config(name)) if path.rpartition(".")[2] in told]
        return [part for path in places for part in (f"--{path}", told[path.rpartition(".")[2]])]


Found = dict[Files, dict[str, list[dict[str, Any]]]]
"""Figures of each seed, by files and title of a row."""


def figures(name: str, files: Files, extra: list[str], seed: int) -> dict[str, Any]:
    """What one run measures; in and below the folder that we are in."""
    seen = Right()
    given = ["--seed_everything", str(seed), "--data.init_args.val_fraction", "0", *files.arguments(name), *extra]
    cli = fit(name, given, seen)
    metrics = {metric: float(value) for metric, value in cli.trainer.callback_metrics.items()}
    counts = {metric: value for metric, value in metrics.items() if metric.startswith("macs/")}
    return counts | {"test": 100 * metrics["test_acc"], "drift": drift(cli.model.stem)} | seen.figures()


def drift(stem: nn.Module) -> float:
    """How far training has moved the transform of luma from the exact one, in percent of its norm."""
    if not isinstance(stem, InverseDCT):
        return 0.0
    exact = inverse_basis(stem.grids[0])
    return 100 * float((stem.weight("luma") - exact).norm() / exact.norm())


def macs(counts: dict[str, float]) -> str:
    """Millions of multiply-accumulates by width."""
    return " + ".join(
        f"{count / 1e6:.2f} M of {width.removesuffix('bit')} bit" for width, count in counts.items() if count
    )


def accuracies(
    titles: list[str], all_files: list[Files], extra: list[str], seeds: list[int], folder: Path
) -> list[list[str]]:
    """Run what is missing, and make the table."""
    found: Found = {files: {title: [] for title in titles} for files in all_files}
    for seed, files, title in product(seeds, all_files, titles):
        name = ROWS[title]
        with inside(folder / f"{files.quality}_{files.subsampling.replace(':', '')}" / f"seed{seed}"):
            run = partial(figures, name, files, extra, seed)
            found[files][title].append(once(Path("figures.json"), " ".join([recipe(name), *extra]), run))
        print(f"  {title}, files {files}, seed {seed}: {found[files][title][-1]['test']:.2f} %", flush=True)
    return table(titles, found)


def table(titles: list[str], found: Found) -> list[list[str]]:
    """Accuracy, cost, and points above the controls that are there."""
    controls = [control for control in CONTROLS if control in titles]
    rows = [["network", "test accuracy, %", "MACs", *(f"points above {control}" for control in controls), DRIFT]]
    for files, networks in found.items():
        for title, each in networks.items():
            counts = {key.split("/")[1]: value for key, value in each[0].items() if key.startswith("macs/")}
            against = [difference(each, networks[control]) if title != control else "" for control in controls]
            moved = spread([one["drift"] for one in each]) if any(one["drift"] for one in each) else ""
            full = f"{title}, {files}" if len(found) > 1 else title
            rows.append([full, spread([one["test"] for one in each]), macs(counts), *against, moved])
    return rows if any(row[-1] for row in rows[1:]) else [row[:-1] for row in rows]


def stepper(name: str, files: Files, bf16: bool) -> tuple[str, Callable[[], None]]:
    """Multiply-accumulates of a run's network, and a training step on a batch that is there already."""
    cli = LossyCLI(args=[*arguments(name), *files.arguments(name)], run=False)
    data, model = cli.datamodule, cli.model
    data.prepare_data()
    data.setup("fit")
    model.stem.adapt(data.codecs.training, data.spec, data.statistics)
    code, target = next(iter(data.train_dataloader()))
    optimizer = model.optimizer(model.parameters())
    model.train()
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=bf16)

    def step() -> None:
        with autocast:
            loss = F.cross_entropy(model(data.augmentation(code)), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    with autocast:
        counts = count_macs(model, code[:1])
    return macs({f"{width}bit": count for width, count in counts.items()}), step


def steps(names: list[str], files: Files, bf16: bool, count: int) -> list[list[str]]:
    """Let the rows take turns, and make the table."""
    rows = {name: stepper(ROWS[name], files, bf16) for name in names}
    turns: dict[str, list[list[float]]] = {name: [] for name in names}
    for _ in range(math.ceil(count / TURN) + 1):
        for name, (_, step) in rows.items():
            turns[name].append([seconds(step) for _ in range(TURN + 1)])
    medians = {name: statistics.median(chain(*(turn[1:] for turn in each[1:]))) for name, each in turns.items()}
    head = ["network", "MACs", "step, ms", f"times faster than {names[0]}"]
    return [head] + [
        [name, rows[name][0], f"{1e3 * median:.1f}", f"{medians[names[0]] / median:.2f}"]
        for name, median in medians.items()
    ]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("rows", nargs="*", metavar="name", help=f"rows to run; default all of {list(ROWS)}")
    options.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    options.add_argument("--epochs", type=positive, help="another length than the run's own, and of its schedule")
    options.add_argument(
        "--files", nargs="+", type=Files.of, default=[Files(75, "4:4:4")], metavar="QUALITY/SUBSAMPLING"
    )
    options.add_argument("--precision", default=precision(), help="Lightning's; default here: %(default)s")
    options.add_argument("--folder", type=Path, help="where runs and figures are kept")
    options.add_argument("--steps", type=positive, help="time so many steps of each row instead")
    options.add_argument(
        "--update", nargs=2, metavar=("FILE", "TABLE"), help="put the table into this place of a document, too"
    )
    given, others = options.parse_known_args()
    if unknown := set(given.rows) - set(ROWS):
        options.error(f"there is no row {sorted(unknown)}; rows are {list(ROWS)}")
    if given.update and not Path(given.update[0]).is_file():
        options.error(f"there is no document {given.update[0]} to put a table into")
    titles = given.rows or list(ROWS)
    extra = ["--trainer.precision", given.precision]
    if given.epochs is not None:
        extra += ["--trainer.max_epochs", str(given.epochs)]
        extra += ["--model.init_args.lr_scheduler.init_args.T_max", str(given.epochs)]
    with kept(given.folder) as folder:
        if given.steps is not None:
            rows = steps(titles, given.files[0], given.precision.startswith("bf16"), given.steps)
            note = f"{given.steps} steps in {given.precision} on {machine()}."
        else:
            rows = accuracies(titles, given.files, [*extra, *others], given.seeds, folder)
            note = f"Trained in {given.precision} on {machine()}."
    document, name = given.update or (None, "")
    show(rows, note, document and Path(document), name)


if __name__ == "__main__":
    main()
