"""ResNet-50 on decoded pixels against networks straight from JPEG: MACs, a training step, an epoch from files.

    LOSSY_DATA=... python -m benchmarks.speed.jpeg_training [name ...] [--rounds 5] [--batch-size 16] [--steps 8]
        [--update docs/numbers.md]

All read the training files of `imagenette224` (224x224, quality 75, 4:2:0) in shuffled batches, whole: pixels by
torchvision's `ImageFolder` with `decode_jpeg`, codes by `JPEGFolder`, each flipped at random, each example for itself.
A step is augmentation, forward, backward and an SGD update in float32 on a batch that is there already; an epoch is
`steps` batches from files, read in the same process, with a step each. The networks take turns in each round; figures
are medians over rounds, after one round that does not count. Augmentations are timed on a batch of codes, as a share
of the fastest step.
"""

import os
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.io import ImageReadMode, decode_jpeg, read_file

from benchmarks.harness import machine, parser, positive, seconds, show
from lossy_lightning.augmentation import (
    CoefficientBrightness,
    CoefficientContrast,
    FrequencyDropout,
    MCUFlip,
    MCUShift,
    MCUTurn,
    MCUZoom,
    PixelFlip,
)
from lossy_lightning.codecs import JPEG, PCM
from lossy_lightning.core import CodeSpec
from lossy_lightning.data import JPEGFolder
from lossy_lightning.nn import (
    FrequencyBatchNorm,
    LateConcat,
    ResNet,
    Scale,
    UpSampling,
)
from lossy_lightning.profiling import count_macs

SIZE = 224
CODEC = JPEG(75, requantize=True)
RFA = {"aware": (256, 1024), "luma": (128, 512), "joint": (128, 512), "chroma": (128, 512)}
PIXELS = {"ResNet-50 v1.5, pixels": ResNet, "ResNet-50 v1, pixels": partial(ResNet, v1=True)}
CODES = {
    "UpSampling": UpSampling,
    "UpSampling-RFA": partial(UpSampling, aware=(256, 1024)),
    "Deconvolution-RFA": partial(UpSampling, learned=True, aware=(256, 1024)),
    "Late-Concat": partial(LateConcat, **RFA | {"aware": None}),
    "Late-Concat-RFA": partial(LateConcat, **RFA),
    "Late-Concat-RFA-Thinner": LateConcat,
    "ours: Late-Concat, narrow": partial(LateConcat, aware=None, luma=(64, 256)),
    "ours: Late-Concat, narrow and shallow": partial(LateConcat, aware=None, luma=(64, 256), depths=(3, 4, 4, 3)),
}
AUGMENTATIONS = [
    MCUFlip(), MCUTurn(), MCUShift(), CoefficientBrightness(), CoefficientContrast(), FrequencyDropout(),
    MCUZoom(),
]  # fmt: skip


class Network(NamedTuple):
    """What is measured."""

    macs: int
    train: Callable[[Tensor, Tensor], None]
    loader: DataLoader


def pixel_loader(root: Path, batch_size: int) -> DataLoader:
    def decode(path: str) -> Tensor:
        return decode_jpeg(read_file(path), ImageReadMode.RGB)

    return DataLoader(ImageFolder(root / "train", loader=decode), batch_size, shuffle=True, drop_last=True)


def code_loader(root: Path, batch_size: int) -> DataLoader:
    data = JPEGFolder(CODEC, root, crop=SIZE, batch_size=batch_size, val_fraction=0)
    return data.train_dataloader()


def make(name: str, root: Path, batch_size: int, device: torch.device) -> Network:
    in_pixels = name in PIXELS
    spec: CodeSpec = (PCM() if in_pixels else CODEC).spec((3, SIZE, SIZE))
    stem = Scale(spec) if in_pixels else FrequencyBatchNorm(spec, by_field=True)
    model = nn.Sequential(stem, (PIXELS | CODES)[name](stem.shape, 10)).to(device)
    augmentation = (PixelFlip() if in_pixels else MCUFlip()).to(device)
    if not in_pixels:
        augmentation.adapt([CODEC], spec, None)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)

    def train(batch: Tensor, target: Tensor) -> None:
        loss = F.cross_entropy(model(augmentation(batch.to(device, non_blocking=True))), target.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    example = torch.zeros(1, *spec.shape, dtype=spec.dtype, device=device)
    macs = sum(count_macs(model, example).values())
    return Network(macs, train, (pixel_loader if in_pixels else code_loader)(root, batch_size))


def epoch(network: Network, steps: int) -> None:
    batches: Iterator[tuple[Tensor, Tensor]] = islice(iter(network.loader), steps)
    for batch, target in batches:
        network.train(batch, target)


def compare(
    networks: dict[str, Network], ready: dict[str, list[Tensor]], rounds: int, steps: int
) -> dict[str, tuple[float, float]]:
    """Median seconds of a step and of an epoch of each network; they take turns."""
    step: dict[str, list[float]] = {name: [] for name in networks}
    whole: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(rounds + 1):
        for name, network in networks.items():
            step[name].append(seconds(partial(network.train, *ready[name])))
            whole[name].append(seconds(partial(epoch, network, steps)))
    return {name: (statistics.median(step[name][1:]), statistics.median(whole[name][1:])) for name in networks}


def table(networks: dict[str, Network], medians: dict[str, tuple[float, float]], images: int) -> list[list[str]]:
    """Costs of each network, and how many times less than the first one's they are; ``images`` of an epoch."""
    first = next(iter(networks))
    rows = [["network", "GMACs", "step, ms", "epoch, images/s", f"MACs, step, epoch: times better than {first}"]]
    for name, (step, whole) in medians.items():
        macs = networks[name].macs
        gains = networks[first].macs / macs, medians[first][0] / step, medians[first][1] / whole
        milliseconds = f"{1e3 * step:,.0f}".replace(",", " ")
        costs = [f"{macs / 1e9:.2f}", milliseconds, f"{images / whole:.1f}", ", ".join(f"{gain:.2f}" for gain in gains)]
        rows.append([name, *costs])
    return rows


def run(augmentation: nn.Module, codes: Tensor, device: torch.device) -> None:
    augmentation(codes)
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    arguments = parser(__doc__)
    known = [*PIXELS, *CODES]
    arguments.add_argument("networks", nargs="*", metavar="name", help=f"networks to run; default all of {known}")
    arguments.add_argument("--rounds", type=positive, default=5)
    arguments.add_argument("--batch-size", type=positive, default=16)
    arguments.add_argument("--steps", type=positive, default=8, help="batches of an epoch")
    arguments.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given = arguments.parse_args()
    if unknown := set(given.networks) - set(known):
        arguments.error(f"there is no network {sorted(unknown)}; networks are {known}")
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    root = Path(os.environ["LOSSY_DATA"]) / "imagenette224"
    batch_size, rounds, steps = given.batch_size, given.rounds, given.steps
    networks = {name: make(name, root, batch_size, device) for name in given.networks or known}
    ready = {name: [part.to(device) for part in next(iter(network.loader))] for name, network in networks.items()}
    medians = compare(networks, ready, rounds, steps)
    note = f"On {device} in 32-true, batch size {batch_size}, on {machine()}."
    show(table(networks, medians, steps * batch_size), note, given.update, "jpeg-training")
    fastest = min(step for step, _ in medians.values())
    codes = next((ready[name][0] for name in networks if name in CODES), None)
    for augmentation in AUGMENTATIONS if codes is not None else ():
        augmentation.to(device).adapt([CODEC], CODEC.spec((3, SIZE, SIZE)), None)
        times = [seconds(partial(run, augmentation, codes, device)) for _ in range(rounds + 1)][1:]
        share = statistics.median(times) / fastest
        print(f"{augmentation}: {1e3 * statistics.median(times):.1f} ms, {100 * share:.1f} % of the fastest step")


if __name__ == "__main__":
    main()
