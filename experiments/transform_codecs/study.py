"""Codes of transform codecs against pixels at full, half and quarter size, on CIFAR-10 at one budget.

    LOSSY_DATA=... python -m experiments.transform_codecs.study [--epochs 8] [--seeds 0 1 2] [--rows NAME ...]
        [--folder FOLDER] [--update docs/transform.md] [--draw FILE.svg]

Each row is a codec; a network of 3 million multiply-accumulates reads its code, each channel normalised: residual
blocks on the code's grid, as wide as the budget allows. Wavelets and HEVC's transforms are taken at the steps whose
entropy is nearest to that of JPEG at quality 25 and 75. Bits are zeroth-order entropies of the test images, each
channel by itself; PSNR is that of all test images together; encoding is processor time on one thread. Nothing is
augmented, and the last epoch is tested. The folder keeps the figures of each run as it ends, so that what is there is
not run again.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.accuracy.small_networks import load
from benchmarks.accuracy.transform_rates import draw, point
from benchmarks.harness import kept, machine, once, parser, positive, precision, seconds, show, spread
from experiments.smaller import Smaller
from lossy_lightning.codecs import JPEG, PCM, DeadZone, HEVCQuantizer, HEVCTransform, TransformCodec, Wavelet
from lossy_lightning.core import Codec
from lossy_lightning.profiling import count_macs

BUDGET = 3_000_000
QUALITIES = (25, 75)


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs) for _ in range(2))
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H / stride, W / stride)``."""
        found = self.norms[1](self.second(self.norms[0](self.first(features)).relu()))
        return (found + self.shortcut(features)).relu()


def network(channels: int, side: int, width: int) -> nn.Sequential:
    """Reads code ``(channels, side, side)``; grids finer than 8 are cut into patches."""
    patch = max(1, side // 8)
    stride = 2 if side // patch > 4 else 1
    return nn.Sequential(
        nn.PixelUnshuffle(patch),  # of finer grids, patches as channels
        nn.BatchNorm2d(channels * patch**2, affine=False),
        nn.Conv2d(channels * patch**2, width, 1, bias=False),
        Block(width, width, 1),
        Block(width, 2 * width, stride),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, 10),
    )


@cache
def within_budget(channels: int, side: int) -> int:
    """The greatest width of which a network keeps to the budget."""
    code, width = torch.zeros(1, channels, side, side), 8
    while sum(count_macs(network(channels, side, width + 1).eval(), code).values()) <= BUDGET:
        width += 1
    return width


def nearest(codecs: Iterable[Codec], bits: float, images: list[Tensor]) -> Codec:
    """The codec whose rate is nearest."""
    return min(codecs, key=lambda codec: abs(point(codec, images).bits - bits))


def rows(images: Tensor) -> dict[str, Codec]:
    """Codecs by name, at the rates of JPEG."""
    few = [images[:500]]
    found: dict[str, Codec] = {"pixels": PCM(), "pixels, half size": Smaller(2), "pixels, quarter size": Smaller(4)}
    transform = HEVCTransform(8, chroma_subsampling="4:4:4")
    for quality in QUALITIES:
        jpeg = JPEG(quality, "4:4:4")
        bits = point(jpeg, few).bits
        wavelets = (TransformCodec(Wavelet(2), DeadZone(2 ** (exponent / 4))) for exponent in range(-8, 17))
        blocks = (TransformCodec(transform, HEVCQuantizer(qp)) for qp in range(14, 44))
        found |= {
            f"JPEG, quality {quality}": jpeg,
            f"wavelet, as JPEG {quality}": nearest(wavelets, bits, few),
            f"HEVC 8x8, as JPEG {quality}": nearest(blocks, bits, few),
        }
    return found


def train(
    model: nn.Module,
    codes: Tensor,
    labels: Tensor,
    epochs: int,
    seed: int,
    prepare: Callable[[Tensor], Tensor] = Tensor.float,
    batch: int = 128,
) -> None:
    """AdamW on one cycle of learning rates; each batch of codes is prepared anew."""
    order = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.05)
    batches = len(codes) // batch
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, epochs=epochs, steps_per_epoch=batches)
    model.train()
    for _ in range(epochs):
        for index in torch.randperm(len(codes), generator=order).split(batch)[:batches]:
            with torch.autocast("cpu", torch.bfloat16, enabled=precision().startswith("bf16")):
                loss = F.cross_entropy(model(prepare(codes[index])), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            cycle.step()


@torch.no_grad()
def accuracy(
    model: nn.Module, codes: Tensor, labels: Tensor, prepare: Callable[[Tensor], Tensor] = Tensor.float
) -> float:
    """Test accuracy in percent."""
    model.eval()
    right = [model(prepare(c)).argmax(1) == t for c, t in zip(codes.split(500), labels.split(500), strict=True)]
    return 100 * float(torch.cat(right).float().mean())


def run(codec: Codec, epochs: int, seed: int, cache_dir: Path) -> dict[str, Any]:
    """Accuracy of one network."""
    torch.manual_seed(seed)
    (images, labels), (test_images, test_labels) = (load(split, cache_dir) for split in ("train", "test"))
    codes = codec.encode(images).contiguous()
    model = network(codes.shape[1], codes.shape[2], within_budget(codes.shape[1], codes.shape[2]))
    train(model, codes, labels, epochs, seed)
    return {"accuracy": accuracy(model, codec.encode(test_images).contiguous(), test_labels)}


def measure(codec: Codec, cache_dir: Path) -> dict[str, float]:
    """Rate, distortion, and encoding time of the test images."""
    images, _ = load("test", cache_dir)
    taken = min(seconds(partial(codec.encode, images[:1000]), time.process_time) for _ in range(3))
    return point(codec, [images])._asdict() | {"ms": 1000 * taken}


def main() -> None:
    """Run what is missing, and show the table."""
    options = parser(__doc__)
    options.add_argument("--epochs", type=positive, default=8)
    options.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options.add_argument("--rows", nargs="+", metavar="NAME", help="rows to run; default all")
    options.add_argument("--folder", type=Path, help="where images and figures are kept")
    options.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    options.add_argument("--draw", type=Path, metavar="FILE", help="draw accuracy over bits into this file")
    given = options.parse_args()
    with kept(given.folder) as folder:
        folder.mkdir(parents=True, exist_ok=True)
        codecs = rows(load("test", folder)[0])
        unknown = {*(given.rows or [])} - {*codecs}
        if unknown:
            options.error(f"there is no row {sorted(unknown)}; rows are {list(codecs)}")
        chosen = {name: codecs[name] for name in given.rows or codecs}
        figures: dict[str, list[float]] = {name: [] for name in chosen}
        for seed in given.seeds:  # seeds come in rounds, so that what is there is balanced
            for name, codec in chosen.items():
                key = f"{codec!r} {given.epochs} epochs, seed {seed}"
                found = once(folder / "figures.json", key, partial(run, codec, given.epochs, seed, folder))
                figures[name].append(found["accuracy"])
                print(f"  {name}, seed {seed}: {found['accuracy']:.2f} %", flush=True)
        curves: dict[str, list[tuple[float, float]]] = {}
        told = [["code", "bits a pixel", "PSNR, dB", "encoding 1000 images, ms", "test accuracy, %"]]
        for name, codec in chosen.items():
            about = once(folder / "figures.json", repr(codec), partial(measure, codec, folder))
            psnr = "" if math.isinf(about["psnr"]) else f"{about['psnr']:.1f}"
            curves.setdefault(name.split(",")[0], []).append((about["bits"], statistics.mean(figures[name])))
            told.append([name, f"{about['bits']:.2f}", psnr, f"{about['ms']:.0f}", spread(figures[name])])
    seeds = f"{len(given.seeds)} seed{'s' * (len(given.seeds) > 1)}"
    note = f"{given.epochs} epochs, {seeds}, in {precision()}. {machine()}."
    show(told, note, given.update, "transform-codecs")
    if given.draw:
        draw(curves, "test accuracy, %", given.draw)


if __name__ == "__main__":
    main()
