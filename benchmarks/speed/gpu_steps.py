"""JPEG files to training steps: codes beside torchvision's pixels and nvJPEG's; part of `gpu_jpeg.py`."""

import io
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.io import ImageReadMode, decode_jpeg, read_file

from lossy_lightning.codecs import JPEG, PCM
from lossy_lightning.data import JPEGFolder
from lossy_lightning.nn import FrequencyBatchNorm, LateConcat, ResNet, Scale

CROP = 224
CODEC = JPEG(75)
Batches = Iterator[tuple[Tensor, Tensor]]


class Sizes(NamedTuple):
    """How much is measured.

    Attributes:
        files: In a folder.
        batch_size: Examples of a batch.
        steps: Those that are timed alone.
        rounds: Epochs of loader and steps together.
        workers: Numbers of workers to choose from.
        threads: Workers, and threads of each that read a batch together, to choose from for codes. Few workers with
            many threads spend less time waiting for the interpreter.
    """

    files: int
    batch_size: int
    steps: int
    rounds: int
    workers: tuple[int, ...]
    threads: tuple[tuple[int, int], ...]


class Way(NamedTuple):
    """A way from files to training steps.

    Attributes:
        name: What it is.
        loaders: Makes an epoch's batches, by what its workers are.
        network: What is trained.
        prepare: What the GPU does to a batch before the network reads it.
    """

    name: str
    loaders: dict[str, Callable[[], Batches]]
    network: nn.Module
    prepare: Callable[[Tensor], Tensor]


def images(count: int, height: int, width: int) -> Tensor:
    """Smooth random images with noise ``(count, 3, height, width)``, uint8."""
    total = torch.zeros(count, 3, height, width)
    for level in range(1, 7):
        size = max(2, height >> level), max(2, width >> level)
        grey, colour = torch.randn(count, 1, *size), torch.randn(count, 3, *size)
        total += F.interpolate((grey + 0.4 * colour) * 2**level, (height, width), mode="bilinear")
    return (128 + 0.9 * total + 8 * torch.randn(count, 1, height, width)).clamp(0, 255).to(torch.uint8)


def jpeg_file(image: Tensor, quality: int = 75, subsampling: str = "4:2:0") -> bytes:
    """A file of an image ``(3, H, W)``."""
    file = io.BytesIO()
    Image.fromarray(image.movedim(0, -1).numpy()).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return file.getvalue()


def make_folder(root: Path, count: int, height: int, width: int) -> float:
    """Write files into ``train/<class>``, a few into ``test``; mean bytes of a file."""
    pictures = torch.cat([images(min(16, count), height, width) for _ in range(max(1, min(count, 256) // 16))])
    with ThreadPoolExecutor() as pool:
        distinct = list(pool.map(jpeg_file, pictures))
    for split, number in (("train", count), ("test", 10)):
        for name in range(10):
            (root / split / str(name)).mkdir(parents=True)
        for i in range(number):
            (root / split / str(i % 10) / f"{i}.jpg").write_bytes(distinct[i % len(distinct)])
    return statistics.mean(map(len, distinct))


def random_crop(image: Tensor) -> Tensor:
    """A part of an image at a random place."""
    top, left = (int(torch.randint(size - CROP + 1, ())) for size in image.shape[1:])
    return image[:, top : top + CROP, left : left + CROP]


def decode(path: str) -> Tensor:
    """Pixels by torchvision's libjpeg."""
    return decode_jpeg(read_file(path), ImageReadMode.RGB)


def code_batches(root: Path, sizes: Sizes, workers: int, threads: int, device: torch.device) -> Callable[[], Batches]:
    """Codes by our threads."""
    data = JPEGFolder(
        CODEC, root, crop=CROP, batch_size=sizes.batch_size, num_workers=workers, num_threads=threads, val_fraction=0
    )
    return lambda: moved(data.train_dataloader(), device)


def pixel_batches(root: Path, sizes: Sizes, workers: int, device: torch.device) -> Callable[[], Batches]:
    """Pixels by torchvision's processes."""
    loader = DataLoader(
        ImageFolder(root / "train", random_crop, loader=decode), sizes.batch_size, shuffle=True, num_workers=workers,
        persistent_workers=workers > 0, pin_memory=device.type == "cuda",
    )  # fmt: skip
    return lambda: moved(loader, device)


def nvjpeg_batches(root: Path, sizes: Sizes, workers: int, device: torch.device) -> Callable[[], Batches]:
    """Pixels by nvJPEG, of files that threads read ahead."""
    samples = ImageFolder(root / "train").samples

    def batches() -> Batches:
        order = torch.randperm(len(samples)).split(sizes.batch_size)
        with ThreadPoolExecutor(workers) as pool:
            files = pool.map(lambda index: [read_file(samples[i][0]) for i in index], order)
            for index, data in zip(order, files, strict=True):
                decoded: list[Tensor] = decode_jpeg(data, ImageReadMode.RGB, device=device)
                target = torch.tensor([samples[i][1] for i in index])
                yield torch.stack([random_crop(image) for image in decoded]), target.to(device, non_blocking=True)

    return batches


def moved(loader: DataLoader, device: torch.device) -> Batches:
    """Batches on the device."""
    for batch, target in loader:
        yield batch.to(device, non_blocking=True), target.to(device, non_blocking=True)


def ways(root: Path, sizes: Sizes, device: torch.device) -> list[Way]:
    """All that are compared."""
    code_spec, pixel_spec = CODEC.spec((3, CROP, CROP)), PCM().spec((3, CROP, CROP))
    stem = FrequencyBatchNorm(code_spec, by_field=True)
    late = nn.Sequential(stem, LateConcat(stem.shape, 10, aware=None, luma=(64, 256)))
    networks = [late, *(nn.Sequential(Scale(pixel_spec), ResNet((3, CROP, CROP), 10)) for _ in range(3))]
    late, *pixels = (network.to(device, memory_format=torch.channels_last) for network in networks)

    def each(make: Callable[..., Callable[[], Batches]], kind: str) -> dict[str, Callable[[], Batches]]:
        return {f"{workers} {kind}": make(root, sizes, workers, device) for workers in sizes.workers}

    def shown(code: Tensor) -> Tensor:
        return CODEC.decode(code, (3, CROP, CROP))

    own = nn.Identity()
    codes = {f"{w} x {t} threads": code_batches(root, sizes, w, t, device) for w, t in sizes.threads}
    found = [
        Way("codes, Late-Concat", codes, late, own),
        Way("codes, decoded on the device, ResNet-50", codes, pixels[0], shown),
        Way("torchvision's pixels, ResNet-50", each(pixel_batches, "processes"), pixels[1], own),
    ]
    if device.type == "cuda":
        found.append(Way("nvJPEG's pixels, ResNet-50", each(nvjpeg_batches, "threads"), pixels[2], own))
    return found


def trainer(way: Way, device: torch.device) -> Callable[[Tensor, Tensor], None]:
    """A training step."""
    optimizer = torch.optim.SGD(way.network.parameters(), 1e-3, momentum=0.9)

    def step(batch: Tensor, target: Tensor) -> None:
        read = way.prepare(batch).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = F.cross_entropy(way.network(read), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def wait(device: torch.device) -> None:
    """Until the GPU is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def speed(batches: Callable[[], Batches], step: Callable[[Tensor, Tensor], None], device: torch.device) -> float:
    """Images a second of an epoch."""
    start, count = time.perf_counter(), 0
    for batch, target in batches():
        step(batch, target)
        count += len(batch)
    wait(device)
    return count / (time.perf_counter() - start)


def step_time(step: Callable[[Tensor, Tensor], None], batch: Tensor, target: Tensor, steps: int) -> float:
    """Median seconds of a step on a batch that is there; the first five do not count."""
    times = []
    for _ in range(steps + 5):
        wait(batch.device)
        start = time.perf_counter()
        step(batch, target)
        wait(batch.device)
        times.append(time.perf_counter() - start)
    return statistics.median(times[5:])


def training_rows(root: Path, files: str, sizes: Sizes, device: torch.device) -> list[list[str]]:
    """A row for each way: its best number of workers, and speeds."""
    rows = []
    for way in ways(root, sizes, device):
        try:
            next(next(iter(way.loaders.values()))())
        except RuntimeError as error:  # a torchvision that was built without nvJPEG
            print(f"{way.name} left out: {error}", flush=True)
            continue
        # An epoch that starts workers comes first and does not count.
        alone = {
            workers: [speed(loader, lambda *_: None, device) for _ in range(2)][1]
            for workers, loader in way.loaders.items()
        }
        workers = max(alone, key=lambda each: alone[each])
        loader, step = way.loaders[workers], trainer(way, device)
        seconds = step_time(step, *next(loader()), sizes.steps)
        whole = statistics.median(speed(loader, step, device) for _ in range(sizes.rounds))
        told = f"{alone[workers]:,.0f}", f"{1e3 * seconds:.1f}", f"{sizes.batch_size / seconds:,.0f}", f"{whole:,.0f}"
        rows.append([files, way.name, workers, *(each.replace(",", " ") for each in told)])
        speeds = ", ".join(f"{name}: {value:.0f}" for name, value in alone.items())
        print(f"{files}; {way.name}; loader alone, images/s, by {speeds}", flush=True)
    return rows
