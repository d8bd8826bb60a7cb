"""Loaders of other libraries that hold JPEG files and decode them, by two worker processes, as far as installed."""

import tarfile
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.io import ImageReadMode, decode_jpeg

CROP, WORKERS, BATCH_SIZE = 192, 2, 64
NAMES = ("litdata", "HF datasets", "WebDataset")
Readers = dict[str, Callable[[], Iterable[Any]]]


def peers(photos: Path, folder: Path) -> Readers:
    """By name, what gives the batches of an epoch."""
    files = [path.read_bytes() for path in sorted((photos / "train").rglob("*.*"))]
    found: Readers = {}
    for name, make in zip(NAMES, (_litdata, _datasets, _webdataset), strict=True):
        try:
            found[name] = make(files, folder)
        except ImportError:
            print(f"{name} is not installed", flush=True)
    return found


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


def _litdata(files: list[bytes], folder: Path) -> Callable[[], Iterable[Any]]:
    from litdata import StreamingDataLoader, StreamingDataset, optimize

    optimize(bytes, files, str(folder / "litdata"), num_workers=1, chunk_bytes="64MB", start_method="fork")
    streamed = StreamingDataset(str(folder / "litdata"), shuffle=True, transform=with_target)
    loader = StreamingDataLoader(streamed, batch_size=BATCH_SIZE, num_workers=WORKERS, persistent_workers=True)
    return lambda: loader


def _datasets(files: list[bytes], folder: Path) -> Callable[[], Iterable[Any]]:
    import datasets

    table = datasets.Dataset.from_list([{"image": {"bytes": file, "path": None}, "label": 0} for file in files])
    rows = Rows(table.cast_column("image", datasets.Image(decode=False)))
    loader = DataLoader(rows, BATCH_SIZE, shuffle=True, num_workers=WORKERS, persistent_workers=True)
    return lambda: loader


def _webdataset(files: list[bytes], folder: Path) -> Callable[[], Iterable[Any]]:
    import webdataset

    urls = [str(folder / f"photos-{worker}.tar") for worker in range(WORKERS)]  # each worker needs one of its own
    for worker, url in enumerate(urls):
        with tarfile.open(url, "w") as tar:
            for i, file in enumerate(files[worker::WORKERS]):
                info = tarfile.TarInfo(f"{i:05}.jpg")
                info.size = len(file)
                tar.addfile(info, BytesIO(file))
    read = webdataset.WebDataset(urls, shardshuffle=WORKERS).shuffle(1000).map(lambda each: with_target(each["jpg"]))
    loader = DataLoader(read, BATCH_SIZE, num_workers=WORKERS, persistent_workers=True)
    return lambda: loader
