"""JPEG's quantization tables learned for a task, against the standard's at equal file size, on CIFAR-10.

    LOSSY_DATA=... python -m experiments.transform_codecs.tables [--epochs 8] [--seeds 0 1 2] [--qualities 5 15 40]
        [--folder FOLDER] [--update docs/transform.md]

Tables for luma and chroma and a network of 3 million multiply-accumulates are trained together through the
straight-through quantizer, from the standard's tables of a quality on; a price on ``log2(1 + |level|)``, which stands
in for bits, rises and falls so that levels take as much as with those tables. Then the tables, as whole numbers, are
JPEG's: `JPEG(quantization_tables=…)` writes files that any viewer opens. Their mean size over 1 000 training images
chooses the standard quality of nearest size, and a network is trained from scratch on the codes of each. The difference
of accuracies is shown with the 95 % interval of its mean over seeds (Student's t).
"""

import math
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.accuracy.small_networks import load
from benchmarks.harness import kept, machine, once, parser, positive, precision, show, spread
from benchmarks.intervals import over
from experiments.transform_codecs.study import network, run, within_budget
from lossy_lightning.codecs import JPEG
from lossy_lightning.functional import jpeg_transform, quality_tables, quantize


class LearnedTables(nn.Module):
    """Quantization tables that are trained, by their logarithms: 1 to 255, for luma and chroma.

    Args:
        quality: Whose standard tables they start from.
    """

    def __init__(self, quality: int) -> None:
        super().__init__()
        self.logs = nn.Parameter(quality_tables(quality).float().log())

    def tables(self) -> Tensor:
        """``(2, 8, 8)``, float."""
        return self.logs.exp()

    @torch.no_grad()
    def restrict(self) -> None:
        """Bring tables back to 1 to 255, after a step."""
        self.logs.clamp_(0, math.log(255))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Levels in common units ``(N, 192, rows, columns)``, and bits a pixel, about, of images of floats."""
        luma, chroma = self.tables()
        levels, values = [], []
        for component, table in zip(jpeg_transform(images, (1, 1)), (luma, chroma, chroma), strict=True):
            level = quantize(component, table)
            levels.append(level)
            values.append((level * table).flatten(-2).movedim(-1, -3))
        bits = torch.stack([(1 + level.abs()).log2().sum() for level in levels]).sum()
        return torch.cat(values, 1), bits / images[:, 0].numel()


def whole_numbers(tables: Tensor) -> list[list[list[int]]]:
    """Tables as JPEG has them."""
    found: list[list[list[int]]] = tables.detach().round().clamp(1, 255).int().tolist()
    return found


def learn(quality: int, epochs: int, seed: int, cache_dir: Path) -> dict[str, Any]:
    """Tables of a quality, trained with a network."""
    torch.manual_seed(seed)
    images, labels = load("train", cache_dir)
    coder, width = LearnedTables(quality), within_budget(192, 4)
    model, price = network(192, 4, width), 0.0
    with torch.no_grad():
        target = float(coder(images[:2000].float())[1])
    batches = len(images) // 128
    optimizer = torch.optim.AdamW(
        [{"params": model.parameters(), "weight_decay": 0.05}, {"params": coder.parameters(), "weight_decay": 0.0}]
    )
    rates = [4e-3, 2e-2]
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, epochs=epochs, steps_per_epoch=batches)
    for _ in range(epochs):
        for index in torch.randperm(len(images)).split(128)[:batches]:
            values, bits = coder(images[index].float())
            with torch.autocast("cpu", torch.bfloat16, enabled=precision().startswith("bf16")):
                loss = F.cross_entropy(model(values), labels[index])
            optimizer.zero_grad()
            (loss + price * bits).backward()
            optimizer.step()
            coder.restrict()
            cycle.step()
            price = max(0.0, price + 0.5 * (float(bits.detach()) / target - 1))
    return {"tables": whole_numbers(coder.tables())}


def file_size(codec: JPEG, images: Tensor) -> float:
    """Mean bytes of files."""
    codes = codec.encode(images)
    return sum(len(codec.write(code, (3, 32, 32))) for code in codes) / len(codes)


def of_size(size: float, images: Tensor) -> JPEG:
    """The standard's tables whose files are nearest in size."""
    low, high = 1, 100
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if file_size(JPEG(middle, "4:4:4"), images) <= size else (low, middle)
    return min((JPEG(q, "4:4:4") for q in (low, high)), key=lambda codec: abs(file_size(codec, images) - size))


def pair(quality: int, epochs: int, seed: int, folder: Path) -> dict[str, Any]:
    """Sizes and accuracies of learned tables and of the standard's."""
    images = load("train", folder)[0][:1000]
    learned = JPEG(quality, "4:4:4", quantization_tables=learn(quality, epochs, seed, folder)["tables"])
    standard = of_size(file_size(learned, images), images)
    found: dict[str, Any] = {"tables": learned.quantization_tables, "standard": standard.quality}
    for name, codec in (("learned", learned), ("standard's", standard)):
        found[f"{name} size"] = file_size(codec, images)
        found[f"{name} accuracy"] = run(codec, epochs, seed, folder)["accuracy"]
    return found


def main() -> None:
    """Run what is missing, and show the table."""
    options = parser(__doc__)
    options.add_argument("--epochs", type=positive, default=8)
    options.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options.add_argument("--qualities", nargs="+", type=positive, default=[5, 15, 40])
    options.add_argument("--folder", type=Path, help="where images and figures are kept")
    options.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given = options.parse_args()
    with kept(given.folder) as folder:
        folder.mkdir(parents=True, exist_ok=True)
        sizes, accuracies = ["learned size", "standard's size"], ["learned accuracy", "standard's accuracy"]
        rows = [["starts from quality", *(f"{name}, bytes" for name in sizes), *(f"{name}, %" for name in accuracies)]]
        rows[0].append("points above the standard's")
        for quality in given.qualities:
            each = []
            for seed in given.seeds:
                key = f"tables {quality} {given.epochs} epochs, seed {seed}"
                each.append(once(folder / "figures.json", key, partial(pair, quality, given.epochs, seed, folder)))
                print(f"  {quality}, seed {seed}: {[each[-1][name] for name in (*sizes, *accuracies)]}", flush=True)
            gains = [one[accuracies[0]] - one[accuracies[1]] for one in each]
            told = [spread([one[name] for one in each], 0) for name in sizes]
            told += [spread([one[name] for one in each]) for name in accuracies]
            rows.append([str(quality), *told, str(over(gains))])
    note = f"{given.epochs} epochs, {len(given.seeds)} seed(s), in {precision()}. {machine()}."
    show(rows, note, given.update, "transform-tables")


if __name__ == "__main__":
    main()
