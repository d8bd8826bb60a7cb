"""JPEG files to batches on the device: coefficients against pixels, medians of one run.

    LOSSY_DATA=... python -m benchmarks.speed.jpeg_loading [rounds] [--update docs/numbers.md]

Both pipelines read files in shuffled batches of 64, each image cropped at random: ours by `JPEGFolder`, the other by
torchvision's `ImageFolder` with `decode_jpeg` and a slice. The files are the training files of `imagenette224`
(224x224, quality 75, 4:2:0; crops of 192x192), and the photos of `imagenet_samples` as they are, four times over
(crops of 224x224; their codes are dequantized, since tables differ). Our workers are threads; torchvision's are
processes or threads: both are measured and the faster ones shown. All take turns; a figure is the median over rounds
of one epoch each, after one in which processes start.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.io import ImageReadMode, decode_jpeg, read_file

from benchmarks.harness import machine, parser, show
from lossy_lightning.codecs import JPEG
from lossy_lightning.data import JPEGFolder

BATCH_SIZE = 64
COPIES = 4  # of each photo


def decode(path: str) -> Tensor:
    return decode_jpeg(read_file(path), ImageReadMode.RGB)


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


def pixel_loaders(root: Path, crop: int, num_workers: int) -> dict[str, Iterable[Any]]:
    images = ImageFolder(root / "train", partial(cropped, crop=crop), loader=decode)
    processes = DataLoader(
        images, BATCH_SIZE, shuffle=True, num_workers=num_workers, persistent_workers=num_workers > 0,
        pin_memory=torch.cuda.is_available(),
    )  # fmt: skip
    return {"processes": processes, "threads": Threads(images, num_workers)} if num_workers else {"none": processes}


def code_loader(codec: JPEG, root: Path, crop: int, num_workers: int) -> DataLoader:
    data = JPEGFolder(codec, root, crop=crop, batch_size=BATCH_SIZE, num_workers=num_workers, val_fraction=0)
    return data.train_dataloader()


def photo_folder(root: Path) -> None:
    """Folders of two classes of photos that are large enough to be cropped; the last two are for testing."""
    paths = sorted((Path(os.environ["LOSSY_DATA"]) / "imagenet_samples").glob("*.JPEG"))
    paths = [path for path in paths if min(Image.open(path).size) >= 240 and Image.open(path).mode == "RGB"]
    for split, chosen in (("train", paths[:-2] * COPIES), ("test", paths[-2:])):
        for i, path in enumerate(chosen):
            folder = root / split / str(i % 2)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{i}.jpg").symlink_to(path)


def epoch(loader: Iterable[Any], device: torch.device) -> tuple[float, Tensor]:
    """Images a second, and a whole batch."""
    start, count, whole = time.perf_counter(), 0, None
    for batch, target in loader:
        batch, _ = batch.to(device, non_blocking=True), target.to(device, non_blocking=True)
        count += len(batch)
        whole = batch if len(batch) == BATCH_SIZE else whole
    if device.type == "cuda":
        torch.cuda.synchronize()
    return count / (time.perf_counter() - start), whole


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("rounds", nargs="?", type=int, default=9)
    arguments.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    root = Path(os.environ["LOSSY_DATA"]) / "imagenette224"
    rows = [
        ["files", "crop", "workers", "images/s as codes", "images/s as pixels (torchvision)", "its workers", "ratio"]
    ]
    with tempfile.TemporaryDirectory() as name:
        photo_folder(Path(name))
        for files, codec, place, crop, num_workers in (
            ("as they are", JPEG(dequantize=True), Path(name), 224, 0),
            ("224x224", JPEG(75), root, 192, 0),
            ("224x224", JPEG(75), root, 192, 2),
        ):
            loaders = pixel_loaders(place, crop, num_workers) | {"codes": code_loader(codec, place, crop, num_workers)}
            speeds: dict[str, list[float]] = {loader: [] for loader in loaders}
            batches = {}
            for _ in range(given.rounds + 1):
                for loader in loaders:
                    speed, batches[loader] = epoch(loaders[loader], device)
                    speeds[loader].append(speed)
            median = {loader: statistics.median(values[1:]) for loader, values in speeds.items()}
            codes, best = median.pop("codes"), max(median, key=median.__getitem__)
            told = f"{codes:.0f}", f"{median[best]:.0f}", best, f"{codes / median[best]:.2f}"
            rows.append([files, str(crop), str(num_workers), *told])
    note = f"To {device}, batch size {BATCH_SIZE}, on {machine()}."
    show(rows, note, given.update, "jpeg-loading")
    codes, pixels = batches["codes"], batches["threads"]
    print(f"a batch: {codes.nbytes} bytes of {codes.dtype} codes {tuple(codes.shape)}")
    print(f"a batch: {pixels.nbytes} bytes of uint8 pixels {tuple(pixels.shape)}, {4 * pixels.numel()} of float32")


if __name__ == "__main__":
    main()
