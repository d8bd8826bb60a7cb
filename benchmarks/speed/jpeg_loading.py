"""JPEG files to batches on the device: coefficients against pixels, medians of one run.

    LOSSY_DATA=... python -m benchmarks.speed.jpeg_loading [rounds] [--update docs/numbers.md]

Both pipelines read the training files of `imagenette224` (224x224, quality 75, 4:2:0) in shuffled batches of 64, each
image cropped at random to 192x192: ours by `JPEGFolder`, the other by torchvision's `ImageFolder` with `decode_jpeg`
and a slice. Their workers are processes, ours are threads. They take turns; a figure is the median over rounds of one
epoch each, after one in which processes start.
"""

import os
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.io import ImageReadMode, decode_jpeg, read_file

from benchmarks.harness import machine, parser, show
from lossy_lightning.codecs import JPEG
from lossy_lightning.data import JPEGFolder

CROP = 192
BATCH_SIZE = 64


def decode(path: str) -> Tensor:
    return decode_jpeg(read_file(path), ImageReadMode.RGB)


def random_crop(image: Tensor) -> Tensor:
    top, left = (int(torch.randint(size - CROP + 1, ())) for size in image.shape[1:])
    return image[:, top : top + CROP, left : left + CROP]


def pixel_loader(root: Path, num_workers: int) -> DataLoader:
    images = ImageFolder(root / "train", random_crop, loader=decode)
    return DataLoader(
        images, BATCH_SIZE, shuffle=True, num_workers=num_workers, persistent_workers=num_workers > 0,
        pin_memory=torch.cuda.is_available(),
    )  # fmt: skip


def code_loader(root: Path, num_workers: int) -> DataLoader:
    data = JPEGFolder(JPEG(75), root, crop=CROP, batch_size=BATCH_SIZE, num_workers=num_workers, val_fraction=0)
    return data.train_dataloader()


def epoch(loader: DataLoader, device: torch.device) -> tuple[float, Tensor]:
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
    rows = [["workers", "images/s as codes", "images/s as pixels (torchvision)", "ratio"]]
    for num_workers in (0, 2):
        loaders = {"pixels": pixel_loader(root, num_workers), "codes": code_loader(root, num_workers)}
        speeds: dict[str, list[float]] = {name: [] for name in loaders}
        batches = {}
        for _ in range(given.rounds + 1):
            for name, loader in loaders.items():
                speed, batches[name] = epoch(loader, device)
                speeds[name].append(speed)
        pixels, codes = (statistics.median(speeds[name][1:]) for name in ("pixels", "codes"))
        rows.append([str(num_workers), f"{codes:.0f}", f"{pixels:.0f}", f"{codes / pixels:.2f}"])
    note = f"To {device}, crop {CROP}, batch size {BATCH_SIZE}, on {machine()}."
    show(rows, note, given.update, "jpeg-loading")
    codes, pixels = batches["codes"], batches["pixels"]
    print(f"a batch: {codes.nbytes} bytes of {codes.dtype} codes {tuple(codes.shape)}")
    print(f"a batch: {pixels.nbytes} bytes of uint8 pixels {tuple(pixels.shape)}, {4 * pixels.numel()} of float32")


if __name__ == "__main__":
    main()
