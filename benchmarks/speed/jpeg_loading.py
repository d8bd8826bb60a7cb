"""JPEG files to batches on the device: coefficients against pixels, medians of one run.

    LOSSY_DATA=... python -m benchmarks.speed.jpeg_loading [rounds] [--update docs/numbers.md]

All pipelines read files in shuffled batches of 64, each image cropped at random: ours by `JPEGFolder`, the others by
torchvision's `ImageFolder` with a decoder and a slice. Decoders are torchvision's, simplejpeg's, and torchcodec's if it
is installed (``pip install torchcodec==0.17``; it is no dependency, for torchaudio would change with it). The files are
the training files of `imagenette224` (224x224, quality 75, 4:2:0; crops of 192x192), and the photos of
`imagenet_samples` as they are, four times over (crops of 224x224; codes are dequantized, since their tables differ).

All take turns; a figure is the median over rounds of one epoch each, after one in which processes start: in seconds of
the processor without workers, by the clock with some. Our workers are threads; those of the others are processes or
threads, of which both are measured and the faster ones shown.
"""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.io import ImageReadMode, decode_jpeg, read_file

from benchmarks.harness import machine, parser, positive, show
from lossy_lightning.codecs import JPEG
from lossy_lightning.data import JPEGFolder

BATCH_SIZE = 64
COPIES = 4  # of each photo
HEAD = ["files", "crop", "workers", "images/s as codes", "peer", "its images/s", "its workers", "ratio"]
OURS = ("codes", "threads")
Decoder = Callable[[str], Tensor]


def by_torchvision(path: str) -> Tensor:
    return decode_jpeg(read_file(path), ImageReadMode.RGB)


def by_simplejpeg(path: str) -> Tensor:
    pixels = simplejpeg.decode_jpeg(Path(path).read_bytes(), "RGB")
    return torch.from_numpy(np.ascontiguousarray(pixels)).movedim(-1, 0)


def by_torchcodec(path: str) -> Tensor:
    from torchcodec.decoders import decode_jpeg  # not installed everywhere

    return decode_jpeg(read_file(path))


def decoders(path: str) -> dict[str, Decoder]:
    """Those that are there, tried on a file."""
    found: dict[str, Decoder] = {"torchvision": by_torchvision, "simplejpeg": by_simplejpeg}
    try:
        by_torchcodec(path)
    except (ImportError, RuntimeError, OSError) as error:
        print(f"torchcodec is left out: {str(error).splitlines()[0]}")
        return found
    return found | {"torchcodec": by_torchcodec}


def cropped(image: Tensor, crop: int) -> Tensor:
    top, left = (int(torch.randint(size - crop + 1, ())) for size in image.shape[1:])
    return image[:, top : top + crop, left : left + crop]


class Threads:
    """Batches of an `ImageFolder` that threads of this process decode, two batches ahead."""

    def __init__(self, images: ImageFolder, num_workers: int) -> None:
        self.images = images
        self.pool = ThreadPoolExecutor(num_workers)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.images)).split(BATCH_SIZE)
        ahead = [[self.pool.submit(self.images.__getitem__, i) for i in part.tolist()] for part in order[:2]]
        for part in [*order[2:], *[None] * min(2, len(order))]:
            done = [future.result() for future in ahead.pop(0)]
            if part is not None:
                ahead.append([self.pool.submit(self.images.__getitem__, i) for i in part.tolist()])
            yield torch.stack([image for image, _ in done]), torch.tensor([target for _, target in done])


def pixel_loaders(root: Path, decoder: Decoder, crop: int, num_workers: int) -> dict[str, Iterable[Any]]:
    """By what the workers are."""
    images = ImageFolder(root / "train", partial(cropped, crop=crop), loader=decoder)
    processes = DataLoader(
        images, BATCH_SIZE, shuffle=True, num_workers=num_workers, persistent_workers=num_workers > 0,
        pin_memory=torch.cuda.is_available(),
    )  # fmt: skip
    return {"processes": processes, "threads": Threads(images, num_workers)} if num_workers else {"none": processes}


def code_loader(codec: JPEG, root: Path, crop: int, num_workers: int) -> DataLoader:
    data = JPEGFolder(codec, root, crop=crop, batch_size=BATCH_SIZE, num_workers=num_workers, val_fraction=0)
    return data.train_dataloader()


def fits(path: Path) -> bool:
    with Image.open(path) as image:
        return min(image.size) >= 240 and image.mode == "RGB"


def photo_folder(root: Path) -> None:
    """Folders of two classes of photos that are large enough to be cropped; the last two are for testing."""
    paths = [
        path for path in sorted((Path(os.environ["LOSSY_DATA"]) / "imagenet_samples").glob("*.JPEG")) if fits(path)
    ]
    for split, chosen in (("train", paths[:-2] * COPIES), ("test", paths[-2:])):
        for i, path in enumerate(chosen):
            folder = root / split / str(i % 2)
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / f"{i}.jpg")  # a link would have one file in two classes


def epoch(loader: Iterable[Any], device: torch.device, clock: Callable[[], float]) -> float:
    """Images a second."""
    start, count = clock(), 0
    for batch, target in loader:
        batch, _ = batch.to(device, non_blocking=True), target.to(device, non_blocking=True)
        count += len(batch)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return count / (clock() - start)


def compare(files: str, codec: JPEG, root: Path, crop: int, num_workers: int, rounds: int) -> Iterator[list[str]]:
    """A row for each decoder, with the workers that suit it best."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    first = next(path for path in sorted((root / "train").rglob("*")) if path.is_file())
    loaders: dict[tuple[str, str], Iterable[Any]] = {OURS: code_loader(codec, root, crop, num_workers)}
    for name, decoder in decoders(str(first)).items():
        made = pixel_loaders(root, decoder, crop, num_workers)
        loaders |= {(name, workers): loader for workers, loader in made.items()}
    speeds: dict[tuple[str, str], list[float]] = {way: [] for way in loaders}
    clock = time.perf_counter if num_workers else time.process_time
    for _ in range(rounds + 1):
        for way, loader in loaders.items():
            speeds[way].append(epoch(loader, device, clock))
    median = {way: statistics.median(values[1:]) for way, values in speeds.items()}
    ours = median.pop(OURS)
    for peer in dict.fromkeys(name for name, _ in median):
        best = max((way for way in median if way[0] == peer), key=median.__getitem__)
        told = f"{ours:.0f}", peer, f"{median[best]:.0f}", best[1], f"{ours / median[best]:.2f}"
        yield [files, str(crop), str(num_workers), *told]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("rounds", nargs="?", type=positive, default=9)
    arguments.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    root, rows = Path(os.environ["LOSSY_DATA"]) / "imagenette224", [HEAD]
    for num_workers in (0, 2):
        rows += compare("224x224", JPEG(75), root, 192, num_workers, given.rounds)
    with tempfile.TemporaryDirectory() as name:
        photo_folder(Path(name))
        rows += compare("as they are", JPEG(dequantize=True), Path(name), 224, 0, given.rounds)
    device = "the GPU" if torch.cuda.is_available() else "memory"
    show(rows, f"To {device}, batch size {BATCH_SIZE}, on {machine()}.", given.update, "jpeg-loading")


if __name__ == "__main__":
    main()
