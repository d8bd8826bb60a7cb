"""CIFAR-10 at 11 to 12 MMAC, trained long on a GPU: is a network on codes as good as one on pixels?

    LOSSY_DATA=... python -m experiments.complexity.gpu pack cifar10.npz
    python -m experiments.complexity.gpu trials cifar10.npz [--seconds 150]
    python -m experiments.complexity.gpu final cifar10.npz
    python -m experiments.complexity.gpu table

Three arms see the same JPEG files (quality 75, 4:4:4): their *pixels*, 2x2 side by side; their pixels at *half* size,
as libjpeg's scaled decoding gives them; their *codes*, unfolded by 4 to RGB by a frozen transform. `pack` writes what
travels to the GPU: the files' levels, the scaled pixels, the classes. `trials` finds each arm's recipe on 2 048
held-out training images, never looking at a test image: four augmentations, then two more networks of the same costs,
then four changes of the optimization, each with the best so far; ten trials an arm. It writes `gpu_recipes.json` beside
this script. `final` trains three seeds an arm by these recipes on all training images and tests the last epoch; runs
that `docs/results/complexity_gpu.json` holds already are not run again. `table` shows what it holds: codes count as no
worse than pixels if the 95 % interval of the difference stays above -0.5 points, a margin fixed before any test.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from experiments.complexity.gpu_training import BATCH_SIZE, Examples, Recipe, Run, right, train
from lossy_lightning.augmentation import MCUFlip, MCUShift, PixelFlip, PixelShift
from lossy_lightning.codecs import JPEG
from lossy_lightning.core import CodeSpec
from lossy_lightning.nn import InverseDCT, ResNet, Scale, SpaceToDepth
from lossy_lightning.profiling import count_macs, count_parameters

CODEC = JPEG(75, "4:4:4")
HELD_OUT = 2048
SEEDS = (0, 1, 2)
RECIPES = Path(__file__).parent / "gpu_recipes.json"
RESULTS = Path(__file__).parents[2] / "docs" / "results" / "complexity_gpu.json"
#: Depths and widths of about the same cost.
NETWORKS = {
    "wide": ((1, 1, 1), (32, 64, 96)),
    "deep": ((1, 2, 2), (16, 48, 104)),
    "late": ((1, 1, 2), (24, 56, 104)),
}
#: Those of the arm at half size read 3 channels instead of 12, and spend that on width.
HALF_NETWORKS = {
    "wide": ((1, 1, 1), (32, 64, 112)),
    "deep": ((1, 2, 2), (16, 48, 108)),
    "late": ((1, 1, 2), (24, 56, 108)),
}


class Arm(NamedTuple):
    """What a network may read.

    Attributes:
        stem: Features of codes; nothing in it is trained.
        plain: Codes of the images of these numbers.
        augmented: The same after an augmentation, by its name; the first is the weaker.
        networks: Depths and widths by name.
    """

    stem: nn.Module
    plain: Callable[[Tensor], Tensor]
    augmented: dict[str, Callable[[Tensor], Tensor]]
    networks: dict[str, Any]

    def network(self, name: str) -> nn.Module:
        """A residual network on the features."""
        depths, widths = self.networks[name]
        shape: Any = self.stem.shape
        return ResNet(shape, 10, depths, widths, (1, 2, 2), False, entry_kernel=3, entry_stride=1, entry_pool=False)


def pixel_arm(pixels: Tensor, stem: type[nn.Module], pitch: int, networks: dict[str, Any]) -> Arm:
    """Pixels, shifted at random by up to two or four pixels of the whole image."""
    spec = CodeSpec.uniform(tuple(pixels.shape[1:]), 0, 255, ordinal=True)
    flip = PixelFlip()
    weak, strong = PixelShift(2 // pitch), PixelShift(4 // pitch)
    augmented = {"shift 2": lambda i: weak(flip(pixels[i])), "shift 4": lambda i: strong(flip(pixels[i]))}
    return Arm(stem(spec), lambda i: pixels[i], augmented, networks)


def code_arm(codes: Tensor, pixels: Tensor) -> Arm:
    """Codes, shifted by a block, or decoded, shifted by up to four pixels and encoded again."""
    spec = CODEC.spec((3, 32, 32))
    stem = InverseDCT(spec, factor=4, rgb=True)
    blocks, flip, shift, move = MCUShift(), MCUFlip(), PixelShift(4), PixelFlip()
    for each in (stem, blocks, flip):
        each.adapt([CODEC], spec, None)
        each.to(codes.device)
    augmented = {
        "blocks": lambda i: blocks(flip(codes[i])),
        "re-encoded": lambda i: CODEC.encode(shift(move(pixels[i]))),
    }
    return Arm(stem, lambda i: codes[i], augmented, NETWORKS)


class Data(NamedTuple):
    """Arms and classes of a split."""

    arms: dict[str, Arm]
    labels: Tensor

    def examples(self, arm: str, index: Tensor, augmentation: str | None = None) -> Examples:
        """Features and classes of the images of these numbers."""
        chosen = self.arms[arm]
        code = chosen.plain(index) if augmentation is None else chosen.augmented[augmentation](index)
        with torch.no_grad():
            features = torch.cat([chosen.stem(part) for part in code.split(4096)])
        return Examples(features.half() if features.is_cuda else features, self.labels[index])


def load(path: Path, split: str, device: torch.device, every: int) -> Data:
    """The arms of a split on a device; of all its images, or every so many."""
    with np.load(path) as packed:
        levels, half, labels = (packed[f"{split}_{name}"] for name in ("levels", "half", "labels"))
    codes = torch.from_numpy(np.moveaxis(levels, 0, 1)[::every].copy()).to(device)
    scaled = torch.from_numpy(half[::every].copy()).movedim(-1, 1).contiguous().to(device)
    pixels = torch.cat([CODEC.decode(part) for part in codes.split(2048)])
    arms = {
        "pixels": pixel_arm(pixels, SpaceToDepth, 1, NETWORKS),
        "pixels at half size": pixel_arm(scaled, Scale, 2, HALF_NETWORKS),
        "codes": code_arm(codes, pixels),
    }
    for arm in arms.values():
        arm.stem.to(device)
    return Data(arms, torch.from_numpy(labels[::every].copy()).long().to(device))


def pack(path: Path) -> None:
    """Write levels, scaled pixels and classes of all images."""
    folder, packed = Path(os.environ["LOSSY_DATA"]) / "cifar10", {}
    for split in ("train", "test"):
        names = sorted(place.name for place in (folder / split).iterdir() if place.is_dir())
        levels, half, labels = [], [], []
        for file in sorted((folder / split).glob("*/*.png")):
            image, jpeg = Image.open(file).convert("RGB"), BytesIO()
            image.save(jpeg, "JPEG", quality=75, subsampling="4:4:4")
            levels.append(CODEC.read(jpeg.getvalue())[0].numpy())
            scaled = Image.open(jpeg)
            scaled.draft("RGB", (16, 16))
            half.append(np.asarray(scaled))
            labels.append(names.index(file.parent.name))
        # A channel's levels are alike: side by side they take less room.
        packed |= {f"{split}_levels": np.stack(levels, 1), f"{split}_half": np.stack(half)}
        packed[f"{split}_labels"] = np.array(labels, np.uint8)
    np.savez_compressed(path, **packed)


def make_run(data: Data, arm: str, recipe: Recipe, index: Tensor, epochs: int, seed: int) -> Run:
    """A run whose first weights are those of a seed."""
    torch.manual_seed(seed)
    network = data.arms[arm].network(recipe.network).to(index.device, memory_format=torch.channels_last)
    batch_size = min(BATCH_SIZE, len(index))
    return Run(network, recipe, lambda: data.examples(arm, index, recipe.augmentation), epochs, batch_size)


def first_recipes(arm: Arm) -> list[Recipe]:
    """The augmentations that are tried."""
    weak, strong = arm.augmented
    return [Recipe(weak), Recipe(strong), Recipe(strong, cutout=4), Recipe(strong, mixup=0.2)]


def changed(best: Recipe) -> list[list[Recipe]]:
    """What is tried after that: networks, then the optimization, each list from the best so far."""
    networks = [best._replace(network=name) for name in NETWORKS if name != best.network]
    rates = [best._replace(lr=0.1), best._replace(lr=0.4)]
    return [networks, [*rates, best._replace(weight_decay=1e-3), best._replace(label_smoothing=0.0)]]


def trials(data: Data, most_epochs: int, seconds: float, final_seconds: float) -> dict[str, Any]:
    """Search each arm's recipe; all trials are equally long, as long as time allows."""
    order = torch.randperm(len(data.labels), generator=torch.Generator().manual_seed(0)).to(data.labels.device)
    held_out, index = order.tensor_split([min(HELD_OUT, len(order) // 4)])
    tried: dict[str, list[dict[str, Any]]] = {arm: [] for arm in data.arms}
    plans = {arm: first_recipes(data.arms[arm]) for arm in data.arms}
    pace = train([make_run(data, arm, recipe, index, 9, 0) for arm in plans for recipe in plans[arm]], range(3))
    # Rounds of twelve, six and twelve runs take as long as two and a half of the first.
    epochs = max(1, min(most_epochs, int(seconds / (2.5 * pace))))
    print(f"{pace:.3f} s an epoch of 12 runs; {epochs} epochs", flush=True)
    best: dict[str, Recipe] = {}
    for number in range(3):
        if number:
            plans = {arm: changed(best[arm])[number - 1] for arm in best}
        runs = [(arm, make_run(data, arm, recipe, index, epochs, 0)) for arm in plans for recipe in plans[arm]]
        train([run for _, run in runs], range(epochs))
        for arm, run in runs:
            told, loss = right(run.network, data.examples(arm, held_out))
            tried[arm].append(run.recipe._asdict() | {"accuracy": 100 * float(told.double().mean()), "loss": loss})
            print(arm, tried[arm][-1], flush=True)
        for arm, known in tried.items():
            chosen = max(known, key=lambda one: (one["accuracy"], -one["loss"]))
            best[arm] = Recipe(*(chosen[name] for name in Recipe._fields))
    final_epochs = max(1, min(3 * most_epochs, int(final_seconds / (pace * len(SEEDS) * len(best) / 12))))
    return {
        "epochs": epochs, "final_epochs": final_epochs, "held_out": len(held_out), "trials": tried,
        "recipes": {arm: recipe._asdict() for arm, recipe in best.items()},
    }  # fmt: skip


def final(data: Data, tests: Data, plan: dict[str, Any], known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Train and test the runs that are not known yet, and add them to those that are."""
    index, tested = (torch.arange(len(each.labels), device=each.labels.device) for each in (data, tests))
    done = {(run["arm"], run["seed"]) for run in known}
    todo = [(arm, seed) for seed, arm in product(SEEDS, data.arms) if (arm, seed) not in done]
    epochs, recipes = plan["final_epochs"], {arm: Recipe(**told) for arm, told in plan["recipes"].items()}
    runs = [make_run(data, arm, recipes[arm], index, epochs, seed) for arm, seed in todo]
    pace = train(runs, range(epochs)) if runs else 0.0
    print(f"{pace:.3f} s an epoch of {len(runs)} runs", flush=True)
    for (arm, seed), run in zip(todo, runs, strict=True):
        told, _ = right(run.network, tests.examples(arm, tested))
        known.append({
            "arm": arm, "seed": seed, "epochs": epochs, "recipe": run.recipe._asdict(), "examples": len(told),
            "accuracy": 100 * float(told.double().mean()), "right": np.packbits(told.cpu().numpy()).tobytes().hex(),
            **costs(data.arms[arm], run.recipe.network),
        })  # fmt: skip
        print(arm, seed, known[-1]["accuracy"], flush=True)
    return known


def costs(arm: Arm, network: str) -> dict[str, int]:
    """MACs and parameters of an arm's model."""
    device = arm.plain(torch.tensor([0])).device
    model = nn.Sequential(arm.stem, arm.network(network).to(device))
    macs = count_macs(model, arm.plain(torch.tensor([0])))
    return {"macs": sum(macs.values()), "parameters": sum(count_parameters(model).values())}


def table(runs: list[dict[str, Any]]) -> str:
    """Accuracy and cost of each arm, and the difference to pixels."""
    from benchmarks.accuracy.paired import difference
    from benchmarks.harness import spread
    from lossy_lightning.report import as_markdown

    arms = {arm: [run for run in runs if run["arm"] == arm] for arm in dict.fromkeys(run["arm"] for run in runs)}
    rows = [["arm", "test accuracy, %", "MACs", "parameters", "points above pixels at full size (95 %)"]]
    for arm, own in arms.items():
        costs = f"{own[0]['macs'] / 1e6:.2f} M", f"{own[0]['parameters'] / 1e3:.0f} k"
        rows.append([arm, spread([run["accuracy"] for run in own]), *costs])
        rows[-1].append("" if arm == "pixels" else difference(own, arms["pixels"]))
    return as_markdown(rows)


def write(path: Path, found: Any) -> None:
    """Keep what was found, a run a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["pack", "trials", "final", "table"])
    parser.add_argument("data", nargs="?", type=Path, help="the packed images")
    parser.add_argument("--every", type=int, default=1, help="take every so many images only, for a try")
    parser.add_argument("--epochs", type=int, default=100, help="of a trial, at most")
    parser.add_argument("--seconds", type=float, default=150, help="that trials may take")
    parser.add_argument("--final-seconds", type=float, default=150, help="that the last runs may take")
    parser.add_argument("--recipes", type=Path, default=RECIPES)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if arguments.command == "pack":
        pack(arguments.data)
        return
    if arguments.command == "table":
        print(table(json.loads(arguments.results.read_text())["runs"]))
        return
    torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = True, False  # float32 is that in tests
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    start = time.perf_counter()
    data = load(arguments.data, "train", device, arguments.every)
    if arguments.command == "trials":
        write(arguments.recipes, trials(data, arguments.epochs, arguments.seconds, arguments.final_seconds))
    else:
        plan = json.loads(arguments.recipes.read_text())
        known = json.loads(arguments.results.read_text())["runs"] if arguments.results.exists() else []
        tests = load(arguments.data, "test", device, arguments.every)
        name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
        write(arguments.results, {"device": name, "torch": torch.__version__, "runs": final(data, tests, plan, known)})
    print(f"{time.perf_counter() - start:.0f} s in all")


if __name__ == "__main__":
    main()
