"""Test accuracy at cost of the CIFAR-10 examples: networks on coefficients of JPEG against networks on its pixels.

    LOSSY_DATA=... python benchmarks/jpeg_accuracy.py [name ...] [--seeds 0 1 2 3 4] [--epochs N]
        [--files 75/4:4:4 ...] [--folder FOLDER] [--update docs/numbers.md jpeg-accuracy]
    LOSSY_DATA=... python benchmarks/jpeg_accuracy.py [name ...] --steps 40 [--update docs/numbers.md jpeg-steps]

Each row runs its YAML from `examples/` through the command line, on all training images, and tests the last epoch: test
images choose nothing. All rows see the same JPEG files. The seeds come in rounds, so that what is there is balanced. A
table gives accuracy as mean and standard deviation over seeds, multiply-accumulates of one image, and the difference
to each of the two pixel controls with its 95 % interval: a paired bootstrap over test images, each counted as right as
often as seeds had it right. Other options, as `--name=value`, go to the command line of each run. A folder keeps runs
and figures, and what it holds already is not run again; several processes may fill it at once.

With `--steps` nothing is trained to the end: the rows take turns with ten training steps each in one process, and the
table gives the median time of a step (augmentation, forward, backward, update; batch 64). First steps of a turn do not
count, nor does the first turn: caches and allocator then know the network, as in training.
"""

import argparse
import contextlib
import math
import os
import statistics
from collections.abc import Callable
from functools import partial
from itertools import chain, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from keeping import EXAMPLES, kept, once, positive, recipe, seconds, spread
from lightning.pytorch import Callback
from tables import update_table
from torch import Tensor, nn

from lossy_lightning.cli import LossyCLI
from lossy_lightning.functional import SAMPLING_FACTORS
from lossy_lightning.nn import Unfold
from lossy_lightning.nn.stems.unfolding import inverse_basis
from lossy_lightning.profiling import count_macs
from lossy_lightning.report import as_markdown

DRIFT = "transform of luma moved by, % of its norm"
TURN = 10  # steps that follow each other
CONTROLS = ("pixels, ResNet at 32x32", "pixels, space-to-depth 2")
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

    def config(self, example: str) -> str:
        """The example, told to read these files."""
        text = (EXAMPLES / f"{example}.yaml").read_text()
        return text.replace("quality: 75", f"quality: {self.quality}").replace('"4:4:4"', f'"{self.subsampling}"')


class Right(Callback):
    """Which test images are classified right, in their order."""

    def __init__(self) -> None:
        self.batches: list[Tensor] = []

    def on_test_start(self, trainer: Any, pl_module: Any) -> None:
        """Look at what the accuracy is told."""
        pl_module.test_acc.register_forward_hook(
            lambda metric, told, share: self.batches.append((told[0].argmax(1) == told[1]).cpu())
        )

    def figures(self) -> dict[str, Any]:
        """The same as a file keeps it."""
        right = torch.cat(self.batches).numpy()
        return {"examples": len(right), "right": np.packbits(right).tobytes().hex()}


def figures(example: str, files: Files, extra: list[str], seed: int) -> dict[str, Any]:
    """What one run of an example measures; in and below the folder that we are in."""
    Path(f"{example}.yaml").write_text(files.config(example))
    args = ["fit", "--config", f"{example}.yaml", "--seed_everything", str(seed), "--data.init_args.val_fraction", "0"]
    seen = Right()
    args += ["--trainer.enable_progress_bar", "false", *extra]
    cli = LossyCLI(args=args, trainer_defaults={"callbacks": [seen]})
    metrics = {name: float(value) for name, value in cli.trainer.callback_metrics.items()}
    counts = {name: value for name, value in metrics.items() if name.startswith("macs/")}
    return counts | {"test": 100 * metrics["test_acc"], "drift": drift(cli.model.stem)} | seen.figures()


def drift(stem: nn.Module) -> float:
    """How far training has moved the transform of luma from the exact one, in percent of its norm."""
    if not isinstance(stem, Unfold):
        return 0.0
    exact = inverse_basis(stem.grids[0])
    return 100 * float((stem.weight("luma") - exact).norm() / exact.norm())


def share_right(found: list[dict[str, Any]]) -> np.ndarray:
    """How often each test image was classified right, as a share of the seeds."""
    each = [np.unpackbits(np.frombuffer(bytes.fromhex(one["right"]), np.uint8))[: one["examples"]] for one in found]
    return np.mean(each, 0)


def difference(found: list[dict[str, Any]], control: list[dict[str, Any]]) -> str:
    """Points above a control over the seeds that both have, and the 95 % interval of 2 000 draws of test images."""
    seeds = min(len(found), len(control))
    points = 100 * (share_right(found[:seeds]) - share_right(control[:seeds]))
    generator = np.random.default_rng(0)
    means = [points[generator.integers(len(points), size=len(points))].mean() for _ in range(2000)]
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{points.mean():+.2f} ({low:+.2f} to {high:+.2f})"


def macs(counts: dict[str, float]) -> str:
    """Millions of multiply-accumulates by width."""
    return " + ".join(
        f"{count / 1e6:.2f} M of {width.removesuffix('bit')} bit" for width, count in counts.items() if count
    )


def accuracies(
    names: list[str], all_files: list[Files], extra: list[str], seeds: list[int], folder: Path
) -> list[list[str]]:
    """Run what is missing, and make the table."""
    found: dict[Files, dict[str, list[dict[str, Any]]]] = {files: {name: [] for name in names} for files in all_files}
    for seed, files, name in product(seeds, all_files, names):
        place = folder / f"{files.quality}_{files.subsampling.replace(':', '')}" / f"seed{seed}"
        place.mkdir(parents=True, exist_ok=True)
        with contextlib.chdir(place):
            run = partial(figures, ROWS[name], files, extra, seed)
            found[files][name].append(once(Path("figures.json"), " ".join([recipe(ROWS[name]), *extra]), run))
        print(f"  {name}, files {files}, seed {seed}: {found[files][name][-1]['test']:.2f} %", flush=True)
    controls = [control for control in CONTROLS if control in names]
    several = len(all_files) > 1
    rows = [["network", "test accuracy, %", "MACs", *(f"points above {control}" for control in controls), DRIFT]]
    for files, networks in found.items():
        for name, each in networks.items():
            counts = {key.split("/")[1]: value for key, value in each[0].items() if key.startswith("macs/")}
            against = [difference(each, networks[control]) if name != control else "" for control in controls]
            moved = spread([one["drift"] for one in each]) if any(one["drift"] for one in each) else ""
            title = f"{name}, {files}" if several else name
            rows.append([title, spread([one["test"] for one in each]), macs(counts), *against, moved])
    return rows if any(row[-1] for row in rows[1:]) else [row[:-1] for row in rows]


def stepper(example: str, files: Files, bf16: bool) -> tuple[str, Callable[[], None]]:
    """Multiply-accumulates of an example, and a training step on a batch that is there already."""
    Path(f"{example}.yaml").write_text(files.config(example))
    cli = LossyCLI(args=["--config", f"{example}.yaml"], run=False)
    data, model = cli.datamodule, cli.model
    data.prepare_data()
    data.setup("fit")
    model.stem.adapt(data.codec, data.statistics)
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


def steps(names: list[str], files: Files, precision: str, count: int) -> list[list[str]]:
    """Let the rows take turns, and make the table."""
    rows = {name: stepper(ROWS[name], files, precision.startswith("bf16")) for name in names}
    turns: dict[str, list[list[float]]] = {name: [] for name in names}
    for _ in range(math.ceil(count / TURN) + 1):
        for name, (_, step) in rows.items():
            turns[name].append([seconds(step) for _ in range(TURN + 1)])
    print(f"load {os.getloadavg()[0]:.1f}, {torch.get_num_threads()} threads, {precision}, {count} steps")
    medians = {name: statistics.median(chain(*(turn[1:] for turn in each[1:]))) for name, each in turns.items()}
    head = ["network", "MACs", "step, ms", f"times faster than {names[0]}"]
    return [head] + [
        [name, rows[name][0], f"{1e3 * median:.1f}", f"{medians[names[0]] / median:.2f}"]
        for name, median in medians.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="name", help=f"rows to run; default all of {list(ROWS)}")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--epochs", type=positive, help="another length than the example's, and of its schedule")
    parser.add_argument(
        "--files", nargs="+", type=Files.of, default=[Files(75, "4:4:4")], metavar="QUALITY/SUBSAMPLING"
    )
    parser.add_argument("--precision", default="bf16-mixed", help="Lightning's; processors without bf16 want 32-true")
    parser.add_argument("--folder", type=Path, help="where runs and figures are kept")
    parser.add_argument("--steps", type=positive, help="time so many steps of each row instead")
    parser.add_argument(
        "--update", nargs=2, metavar=("FILE", "TABLE"), help="put the table into this place of a document, too"
    )
    arguments, others = parser.parse_known_args()
    if unknown := set(arguments.rows) - set(ROWS):
        parser.error(f"there is no row {sorted(unknown)}; rows are {list(ROWS)}")
    if arguments.update and not Path(arguments.update[0]).is_file():
        parser.error(f"there is no document {arguments.update[0]} to put a table into")
    names = arguments.rows or list(ROWS)
    extra = ["--trainer.precision", arguments.precision]
    if arguments.epochs is not None:
        extra += ["--trainer.max_epochs", str(arguments.epochs)]
        extra += ["--model.init_args.lr_scheduler.init_args.T_max", str(arguments.epochs)]
    extra += others
    document = arguments.update and Path(arguments.update[0]).absolute()
    with kept(arguments.folder) as folder:
        if arguments.steps is not None:
            folder.mkdir(parents=True, exist_ok=True)
            with contextlib.chdir(folder):
                table = as_markdown(steps(names, arguments.files[0], arguments.precision, arguments.steps))
        else:
            table = as_markdown(accuracies(names, arguments.files, extra, arguments.seeds, folder))
    print(table)
    if arguments.update:
        update_table(document, arguments.update[1], table)


if __name__ == "__main__":
    main()
