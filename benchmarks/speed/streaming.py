"""Shards beside the memory-mapped cache, a folder, pixels, and other libraries; bytes, speed, memory, slow links.

    LOSSY_DATA=... python -m benchmarks.speed.streaming [--rounds 3] [--photos 800] [--update docs/scale.md]
        [--picture docs/pictures/streaming.svg]

Codes of MNIST (k-means, 2x2, 16 words) and pixels; the first JPEG files of `imagenette224`, cropped at random to 192.
All read by two workers: ours are threads, those of the cache and of other libraries processes. Peers take turns; a
figure is the median over rounds of one epoch each, after one that is not counted. A slow link is a token bucket: a
chunk comes after the time that its bytes take at that rate, one chunk at a time, into an empty cache.
"""

import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.io import ImageReadMode, decode_jpeg

from benchmarks.harness import machine, parser, show
from benchmarks.speed.folder_memory import Peak, pss
from lossy_lightning.codecs import JPEG, PCM, VQ
from lossy_lightning.data import MNIST, CodedFolder, EncodedDataModule, ShardedCodes, write_shards
from lossy_lightning.data.shards._store import Store, Stored

CROP, WORKERS = 192, 2
SMALL = 2**18  # bytes of a chunk, so that there are several of the smallest data set
RATES = (10e6, 50e6)  # bytes a second


def count(batches: Iterable[Any]) -> float:
    """Images a second of an epoch."""
    start, total = time.perf_counter(), 0
    for batch in batches:
        total += len(batch[0])
    return total / (time.perf_counter() - start)


def by_turns(readers: dict[str, Callable[[], Iterable[Any]]], rounds: int) -> dict[str, float]:
    """Images a second of each, the median over rounds."""
    speeds: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(rounds + 1):
        for name, reader in readers.items():
            speeds[name].append(count(reader()))
    return {name: statistics.median(values[1:]) for name, values in speeds.items()}


def stored(folder: Path) -> int:
    """Bytes of the chunks of training."""
    return sum(path.stat().st_size for path in folder.glob("train/*.bin"))


def written(data: EncodedDataModule, folder: Path, chunk_bytes: int = 2**25) -> Path:
    """Shards of a data set."""
    write_shards(data, folder, chunk_bytes)
    return folder


def bound(folder: Path) -> int:
    """Bytes that codes, targets, blocks and index of training may take at most."""
    data = ShardedCodes(folder)
    split = data.index.splits["train"]
    blocks = sum(len(chunk.counts) for chunk in split.chunks)
    return -(-len(split) * data.spec.num_bits // 8) + len(split) + 16 * blocks + (folder / "codes.json").stat().st_size


def few_photos(folder: Path, number: int) -> Path:
    """The first photos of each class."""
    root = Path(os.environ["LOSSY_DATA"]) / "imagenette224"
    for split, most in (("train", number), ("val", 20)):
        classes = sorted((root / split).iterdir())
        for kind in classes:
            (folder / split / kind.name).mkdir(parents=True)
            for path in sorted(kind.iterdir())[: most // len(classes)]:
                shutil.copy(path, folder / split / kind.name)
    return folder


def decoded(data: bytes) -> torch.Tensor:
    """A random crop of a photo's pixels."""
    image = decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.RGB)
    top, left = (int(torch.randint(size - CROP + 1, ())) for size in image.shape[1:])
    return image[:, top : top + CROP, left : left + CROP]


def with_target(data: bytes) -> tuple[torch.Tensor, int]:
    """The same with a class, as loaders give it."""
    return decoded(data), 0


class Rows(Dataset[Any]):
    """Rows of a table, decoded."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        row = self.table[index]
        return decoded(row["image"]["bytes"]), row["label"]


def peers(photos: Path, folder: Path) -> dict[str, Callable[[], Iterable[Any]]]:
    """Loaders of other libraries that hold the same files and decode them, as far as they are installed."""
    files = [path.read_bytes() for path in sorted((photos / "train").rglob("*.*"))]
    found: dict[str, Callable[[], Iterable[Any]]] = {}
    from litdata import StreamingDataLoader, StreamingDataset, optimize

    optimize(bytes, files, str(folder / "litdata"), num_workers=1, chunk_bytes="64MB", start_method="fork")
    streamed = StreamingDataset(str(folder / "litdata"), shuffle=True, transform=with_target)
    found["litdata"] = lambda: StreamingDataLoader(streamed, batch_size=64, num_workers=WORKERS)
    try:
        import datasets
    except ImportError:
        pass
    else:
        table = datasets.Dataset.from_list([{"image": {"bytes": file, "path": None}, "label": 0} for file in files])
        rows = Rows(table.cast_column("image", datasets.Image(decode=False)))
        found["HF datasets"] = lambda: DataLoader(rows, 64, shuffle=True, num_workers=WORKERS)
    try:
        import webdataset
    except ImportError:
        pass
    else:
        with webdataset.TarWriter(str(folder / "photos.tar")) as tar:
            for i, file in enumerate(files):
                tar.write({"__key__": f"{i:05}", "jpg": file, "cls": b"0"})
        # Two workers need a tar each.
        shutil.copy(folder / "photos.tar", folder / "again.tar")
        urls = [str(folder / "photos.tar"), str(folder / "again.tar")]
        pipe = webdataset.WebDataset(urls, shardshuffle=2).map(lambda each: (decoded(each["jpg"]), 0))
        found["WebDataset"] = lambda: DataLoader(pipe, 64, num_workers=WORKERS)
    return found


def over_link(folder: Path, rate: float, crop: int | None, decode: bool) -> float:
    """Images a second of an epoch from a store whose bytes come at a rate, into an empty cache."""
    link = threading.Lock()

    def fetch(self: Store, file: Stored, local: Path) -> None:
        with link:
            time.sleep(file.num_bytes / rate)
        local.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.url.removeprefix("s3://") + "/" + file.name, local)

    def read(self: Store, name: str) -> bytes:
        return Path(self.url.removeprefix("s3://"), name).read_bytes()

    with tempfile.TemporaryDirectory() as cache, patch.object(Store, "fetch", fetch), patch.object(Store, "read", read):
        data = ShardedCodes(f"s3://{folder}", cache_dir=cache, crop=crop, batch_size=512, num_workers=WORKERS)
        batches = data.train_dataloader()
        if not decode:
            return count(batches)
        return count([data.codec.decode(code)] for code, _ in batches)


def picture(figures: dict[str, list[float]], path: Path) -> None:
    """Bars of images a second by link."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3))
    for i, (name, values) in enumerate(figures.items()):
        axes.bar([j + 0.2 * i for j in range(len(values))], values, 0.18, label=name)
    axes.set_yscale("log")
    axes.set_ylabel("images/s")
    axes.set_xticks([j + 0.3 for j in range(len(RATES))], [f"{rate / 1e6:.0f} MB/s" for rate in RATES])
    axes.legend(fontsize=7, frameon=False)
    figure.savefig(path, bbox_inches="tight")


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=3, help="epochs that are counted")
    arguments.add_argument("--photos", type=int, default=800, help="number of JPEG files")
    arguments.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    arguments.add_argument("--picture", type=Path, metavar="FILE", help="draw speeds over slow links")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    rows = [["measure", "figure", "must"]]
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        mnist = MNIST(VQ((2, 2), 16), cache_dir=root / "cache", num_workers=WORKERS, batch_size=64)
        mnist.prepare_data()
        codes = written(mnist, root / "codes", SMALL)
        pixels = written(MNIST(PCM(), cache_dir=root / "cache"), root / "pixels", SMALL)
        shards = ShardedCodes(codes, num_workers=WORKERS, batch_size=64)
        of_pixels = ShardedCodes(pixels, num_workers=WORKERS, batch_size=64)
        rows.append(["bytes stored, MNIST codes", f"{stored(codes)}", f"≤ {bound(codes)}"])
        loaders = {"cache": mnist.train_dataloader(), "shards": shards.train_dataloader()}
        loaders["pixels"] = of_pixels.train_dataloader()
        speeds = by_turns({name: lambda loader=loader: loader for name, loader in loaders.items()}, given.rounds)
        rows.append(
            ["epoch of MNIST codes, shards ÷ cache, time", f"{speeds['cache'] / speeds['shards']:.2f}", "≤ 1.25"]
        )
        rows.append(["MNIST codes ÷ uint8 pixels, images/s", f"{speeds['shards'] / speeds['pixels']:.2f}", "≥ 2"])

        photos = few_photos(root / "photos", given.photos)
        options: Any = {"crop": CROP, "num_workers": WORKERS, "batch_size": 64}
        folder = CodedFolder(JPEG(75), photos, cache_dir=root / "cache", val_fraction=0, **options)
        files = written(folder, root / "files", SMALL)
        readers = {"folder": folder.train_dataloader(), "shards": ShardedCodes(files, **options).train_dataloader()}
        turns = {name: lambda loader=loader: loader for name, loader in readers.items()} | peers(photos, root)
        speeds = by_turns(turns, given.rounds)
        rows.append(["JPEG files, shards ÷ folder, time", f"{speeds['folder'] / speeds['shards']:.2f}", "≤ 1.1"])
        for peer in speeds.keys() - readers.keys():
            rows.append(
                [f"JPEG files, codes ÷ {peer} decoded, images/s", f"{speeds['shards'] / speeds[peer]:.2f}", "≥ 2"]
            )

        figures = {
            "MNIST, 4-bit codes": [over_link(codes, rate, None, False) for rate in RATES],
            "MNIST, uint8 pixels": [over_link(pixels, rate, None, False) for rate in RATES],
            "photos, JPEG to codes": [over_link(files, rate, CROP, False) for rate in RATES],
            "photos, JPEG and decoded": [over_link(files, rate, CROP, True) for rate in RATES],
        }
        ratio = figures["MNIST, 4-bit codes"][0] / figures["MNIST, uint8 pixels"][0]
        must = f"≥ {0.8 * stored(pixels) / stored(codes):.1f}"
        rows.append(["MNIST over 10 MB/s, codes ÷ pixels, images/s", f"{ratio:.1f}", must])
        for name, values in figures.items():
            told = ", ".join(f"{value:.0f} at {rate / 1e6:.0f} MB/s" for value, rate in zip(values, RATES, strict=True))
            rows.append([f"{name}, images/s over a slow link", told, ""])
        if given.picture:
            picture(figures, given.picture)
        before, peak = pss(), Peak()
        peak.start()
        count(ShardedCodes(files, **options).train_dataloader())
        peak.running = False
        peak.join()
        rows.append(["memory of both workers, JPEG files, beyond imports, MB", f"{peak.most - before:.0f}", "≤ 200"])
    show(rows, f"Two workers, {given.photos} photos, on {machine()}.", given.update, "streaming")


if __name__ == "__main__":
    main()
