"""Shards beside the memory-mapped cache, a folder, pixels, and other libraries; bytes, speed, memory, slow links.

    LOSSY_DATA=... python -m benchmarks.speed.streaming [--rounds 3] [--photos 800] [--update docs/scale.md]
        [--picture docs/pictures/streaming.svg]

Codes of MNIST (k-means, 2x2, 16 words) and pixels; the first JPEG files of `imagenette224`, cropped at random to 192.
All read by two workers: ours are threads, those of the cache and of other libraries processes. Peers take turns; a
figure is the median over rounds of one epoch each, after one that is not counted. A slow link is a token bucket: a
chunk comes after the time that its bytes take at that rate, one chunk at a time, into an empty cache. The second table
is computed from what the first one measured. ``pip install datasets webdataset`` for the peers of that name.
"""

import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.harness import machine, parser, show
from benchmarks.speed._streaming_links import RATES, decoding, draw, slow
from benchmarks.speed._streaming_peers import BATCH_SIZE, CROP, NAMES, WORKERS, Readers, peers
from benchmarks.speed.folder_memory import Peak, pss
from lossy_lightning.codecs import JPEG, PCM, VQ
from lossy_lightning.data import MNIST, CodedFolder, EncodedDataModule, ImageFolder, ShardedCodes, write_shards

SMALL = 2**18  # bytes of a chunk, so that there are several of the smallest data set
MACHINES, LINK = 8, 100e6  # of the computed table: machines of two workers each, and bytes a second of each


class Shards(NamedTuple):
    """Shards and what is known of them.

    Attributes:
        folder: Of the shards.
        bytes: Of a training example, with its share of blocks and index.
        speed: Images a second from the disk.
    """

    folder: Path
    bytes: float
    speed: float


def count(batches: Iterable[Any]) -> float:
    """Images a second of an epoch."""
    start, total = time.perf_counter(), 0
    for batch in batches:
        total += len(batch[0])
    return total / (time.perf_counter() - start)


def by_turns(readers: Readers, rounds: int) -> dict[str, float]:
    """Images a second of each, the median over rounds."""
    speeds: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(rounds + 1):
        for name, reader in readers.items():
            speeds[name].append(count(reader()))
    return {name: statistics.median(values[1:]) for name, values in speeds.items()}


def epochs(**data: EncodedDataModule) -> Readers:
    """What gives the batches of an epoch of each, which all have one loader."""
    loaders = {name: each.train_dataloader() for name, each in data.items()}
    return {name: lambda loader=loader: loader for name, loader in loaders.items()}


def index_bytes(folder: Path) -> int:
    """Bytes of the index: ours, litdata's, and the head of each chunk, which says where blocks end."""
    files = [folder / "codes.json", folder / "train" / "index.json"]
    return sum(path.stat().st_size for path in files) + 8 * len(list(folder.glob("train/*.bin")))


def stored(folder: Path) -> int:
    """Bytes of training, with the index."""
    return sum(path.stat().st_size for path in [*(folder / "train").iterdir(), folder / "codes.json"])


def written(data: EncodedDataModule, folder: Path) -> Path:
    """Shards of a data set."""
    write_shards(data, folder, SMALL)
    return folder


def described(folder: Path, speed: float) -> Shards:
    """Shards with their bytes."""
    return Shards(folder, stored(folder) / len(ShardedCodes(folder).index.splits["train"]), speed)


def bound(folder: Path) -> int:
    """Bytes that codes, targets, blocks and index of training may take at most."""
    data = ShardedCodes(folder)
    split = data.index.splits["train"]
    blocks = sum(len(chunk.counts) for chunk in split.chunks)
    return -(-len(split) * data.spec.num_bits // 8) + len(split) + 16 * blocks + index_bytes(folder)


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


def memory(folder: Path) -> float:
    """MB that an epoch of JPEG files takes in a new process, both workers together, beyond its imports."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_memory, (folder,))


def _memory(folder: Path) -> float:
    import numba  # noqa: F401  belongs to the imports

    data = ShardedCodes(folder, crop=CROP, num_workers=WORKERS, batch_size=BATCH_SIZE)
    before, peak = pss(), Peak()
    peak.start()
    count(data.train_dataloader())
    peak.running = False
    peak.join()
    return peak.most - before


def of_digits(root: Path, rounds: int, rows: list[list[str]]) -> dict[str, Shards]:
    """Shards of MNIST, codes and pixels; adds what was measured."""
    options: Any = {"num_workers": WORKERS, "batch_size": BATCH_SIZE}
    cached = MNIST(VQ((2, 2), 16), cache_dir=root / "cache", **options)
    cached.prepare_data()
    codes = written(cached, root / "codes")
    pixels = written(MNIST(PCM(), cache_dir=root / "cache"), root / "pixels")
    read = epochs(cache=cached, shards=ShardedCodes(codes, **options), pixels=ShardedCodes(pixels, **options))
    speeds = by_turns(read, rounds)
    rows.append(["bytes stored, MNIST codes", f"{stored(codes)}", f"≤ {bound(codes)}"])
    rows.append(["epoch of MNIST codes, shards ÷ cache, time", f"{speeds['cache'] / speeds['shards']:.2f}", "≤ 1.25"])
    rows.append(["MNIST codes ÷ uint8 pixels, images/s", f"{speeds['shards'] / speeds['pixels']:.2f}", "≥ 2"])
    found = described(codes, speeds["shards"]), described(pixels, speeds["pixels"])
    rows.append(["MNIST, uint8 pixels ÷ codes, bytes", f"{found[1].bytes / found[0].bytes:.2f}", ""])
    return dict(zip(("4-bit codes", "uint8 pixels"), found, strict=True))


def of_photos(root: Path, number: int, rounds: int, rows: list[list[str]]) -> dict[str, Shards]:
    """Shards of photos, JPEG files and pixels; adds what was measured."""
    photos = few_photos(root / "photos", number)
    options: Any = {"num_workers": WORKERS, "batch_size": BATCH_SIZE}
    folder = CodedFolder(JPEG(75), photos, crop=CROP, cache_dir=root / "cache", val_fraction=0, **options)
    files = written(folder, root / "files")
    pixels = written(ImageFolder(PCM(), photos, (224, 224), cache_dir=root / "cache", val_fraction=0), root / "whole")
    read = epochs(
        folder=folder,
        shards=ShardedCodes(files, crop=CROP, **options),
        pixels=ShardedCodes(pixels, num_workers=WORKERS, batch_size=BATCH_SIZE),
    )
    speeds = by_turns(read | peers(photos, root), rounds)
    rows.append(["JPEG files, shards ÷ folder, time", f"{speeds['folder'] / speeds['shards']:.2f}", "≤ 1.1"])
    for peer in NAMES:
        told = f"{speeds['shards'] / speeds[peer]:.2f}" if peer in speeds else "not installed"
        rows.append([f"JPEG files, codes ÷ {peer} decoded, images/s", told, "≥ 2"])
    rows.append(["memory of both workers, JPEG files, beyond imports, MB", f"{memory(files):.0f}", "≤ 200"])
    found = described(files, speeds["shards"]), described(pixels, speeds["pixels"])
    return dict(zip(("JPEG files to codes", "uint8 pixels"), found, strict=True))


def over_link(shards: Shards, rate: float, crop: int | None = None, decode: bool = False) -> float:
    """Images a second of an epoch over a slow link, perhaps with libjpeg's decoding instead of ours to codes."""
    with slow(shards.folder, rate, crop=crop) as data:
        return count(decoding(data) if decode else data.train_dataloader())


def over_links(digits: dict[str, Shards], photos: dict[str, Shards], rows: list[list[str]]) -> Any:
    """Images a second by data set and by what is sent; adds what was measured."""
    files, pixels = photos.values()
    figures = {
        "MNIST": {name: [over_link(each, rate) for rate in RATES] for name, each in digits.items()},
        "photos": {
            "JPEG to codes": [over_link(files, rate, CROP) for rate in RATES],
            "JPEG, decoded": [over_link(files, rate, CROP, True) for rate in RATES],
            "uint8 pixels": [over_link(pixels, rate) for rate in RATES],
        },
    }
    ratio = figures["MNIST"]["4-bit codes"][0] / figures["MNIST"]["uint8 pixels"][0]
    must = 0.8 * digits["uint8 pixels"].bytes / digits["4-bit codes"].bytes
    rows.append(["MNIST over 10 MB/s, codes ÷ pixels, images/s", f"{ratio:.2f}", f"≥ {must:.2f}"])
    for data, by_name in figures.items():
        for name, values in by_name.items():
            told = ", ".join(f"{value:.0f} at {rate / 1e6:.0f} MB/s" for value, rate in zip(values, RATES, strict=True))
            rows.append([f"{data} over a slow link, {name}, images/s", told, ""])
    return figures


def sizes(digits: dict[str, Shards], photos: dict[str, Shards]) -> list[list[str]]:
    """How much some numbers of examples are, computed: a table."""
    rows = [["examples", "bytes of one, measured", "a million", "a billion", "its epoch, link", "its epoch, reading"]]
    for data, shards in (("MNIST", digits), ("photos", photos)):
        for name, each in shards.items():
            link, reading = 1e9 * each.bytes / LINK / MACHINES, 1e9 / each.speed / MACHINES
            amounts = [f"{each.bytes:.1f}", _bytes(1e6 * each.bytes), _bytes(1e9 * each.bytes)]
            rows.append([f"{data}, {name}", *amounts, _time(link), _time(reading)])
    return rows


def _bytes(number: float) -> str:
    unit, name = next((unit, name) for unit, name in ((1e12, "TB"), (1e9, "GB"), (0, "MB")) if number >= unit)
    return f"{number / (unit or 1e6):.3g} {name}"


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.3g} h" if seconds >= 3600 else f"{seconds / 60:.3g} min"


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=3, help="epochs that are counted")
    arguments.add_argument("--photos", type=int, default=800, help="number of JPEG files")
    arguments.add_argument("--update", type=Path, metavar="FILE", help="put the tables into this document, too")
    arguments.add_argument("--picture", type=Path, metavar="FILE", help="draw speeds over slow links")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="litdata|webdataset")
    rows = [["measure", "figure", "must"]]
    with tempfile.TemporaryDirectory() as name:
        digits = of_digits(Path(name), given.rounds, rows)
        photos = of_photos(Path(name), given.photos, given.rounds, rows)
        figures = over_links(digits, photos, rows)
    if given.picture:
        draw(given.picture, figures)
    show(rows, f"Two workers, {given.photos} photos, on {machine()}.", given.update, "streaming")
    note = (
        f"Computed, not measured: from the bytes and the speeds of that run, for {MACHINES} machines of {WORKERS} "
        f"workers each, over {LINK / 1e6:.0f} MB/s each. An epoch takes as long as the slower of the two."
    )
    show(sizes(digits, photos), note, given.update, "sizes")


if __name__ == "__main__":
    main()
