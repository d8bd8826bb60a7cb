"""JPEG on a GPU: our codec to the bit, and files to training steps beside torchvision and nvJPEG.

    python -m benchmarks.speed.gpu_jpeg [--small] [--update docs/numbers.md]

It needs neither data nor a network, but makes its own files: smooth random images with noise. Four parts:

1. *Exact*: `JPEG` encodes, decodes and makes round trips on the GPU to the bit as on the processor, with every chroma
   subsampling, grey, odd sizes, carried tables, dequantized levels, and levels up to the ends of their range; fields
   are split and joined there; files of several qualities, read by us and decoded on the GPU, have the pixels that
   torchvision's libjpeg shows.
2. *Pairs* of stem and backbone compute on the GPU what they compute on the processor (`gpu_pairs.py`).
3. *Codec*: milliseconds of an image, processor (one thread) and GPU.
4. *Training* (`gpu_steps.py`): files to steps of networks of ResNet-50's size, in bfloat16 (float32 without a GPU), in
   shuffled batches, cut to 224x224, nothing else augmented. Codes come from `JPEGFolder` (threads of one process), and
   go to Late-Concat, or are decoded on the GPU to pixels for ResNet-50. Pixels come from torchvision's `decode_jpeg` in
   worker processes, or from nvJPEG (`decode_jpeg(..., device="cuda")`, files read by threads). Images a second of the
   loader alone with the best number of workers, of steps on a batch that is there, and of both; medians.

Without a GPU all but nvJPEG runs on the processor, small.
"""

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torchvision.io import decode_jpeg

from benchmarks.harness import machine, parser, show
from benchmarks.speed import gpu_pairs
from benchmarks.speed.gpu_steps import CODEC, Sizes, images, jpeg_file, make_folder, training_rows
from lossy_lightning.codecs import JPEG
from lossy_lightning.functional import SAMPLING_FACTORS

HEAD = [
    "files", "way", "workers", "loader alone, images/s", "step, ms", "steps alone, images/s", "both, images/s",
]  # fmt: skip
FULL = Sizes(
    files=4096,
    batch_size=128,
    steps=30,
    rounds=3,
    workers=(4, 8, 15),
    threads=((1, 15), (2, 8), (4, 4), (4, 1), (8, 2)),
)
SMALL = Sizes(files=16, batch_size=4, steps=1, rounds=1, workers=(1,), threads=((1, 1), (1, 2)))
KINDS: list[tuple[int, dict[str, Any]]] = [
    (75, {}), (50, {}), (95, {"tables": True}), (10, {"dequantize": True}),
]  # fmt: skip
CASES = [
    (JPEG(quality, subsampling, **options), size)
    for subsampling, size, (quality, options) in itertools.product(
        SAMPLING_FACTORS, [(3, 33, 47), (3, 64, 48), (3, 8, 3), (1, 17, 40)], KINDS
    )
] + [(JPEG(90, dequantize=True, tables=True), (3, 50, 50))]


def compare_exactly(codec: JPEG, size: tuple[int, int, int], device: torch.device) -> int:
    """Stop if a bit differs between processor and GPU; how much was compared."""
    pictures = images(4, *size[1:])[:, : size[0]]
    pictures[0].random_(256)
    spec, code, there = codec.spec(size), codec.encode(pictures), codec.encode(pictures.to(device))
    ends = zip(spec.low, spec.high, strict=True)
    wild = torch.stack([torch.randint(low, high + 1, code.shape[2:]) for low, high in ends]).to(code.dtype)
    pairs = {
        "encode": (code, there),
        "encode one": (code[1], codec.encode(pictures[1].to(device))),
        "decode": (codec.decode(code, size), codec.decode(there, size)),
        "decode wild levels": (codec.decode(wild, size), codec.decode(wild.to(device), size)),
        "round trip": (codec.round_trip(pictures), codec.round_trip(pictures.to(device))),
        "split and join": (code, spec.join(spec.split(there))),
    }
    for name, (here, other) in pairs.items():
        if other.device.type != device.type or not torch.equal(here, other.cpu()):
            raise SystemExit(f"{name} differs on {device}: {codec}, {size}")
    return len(pairs)


def check_exact(device: torch.device) -> None:
    """Stop if a bit differs between processor and GPU, in codes or in what files show."""
    count = sum(compare_exactly(*case, device) for case in CASES)
    for quality, subsampling in itertools.product((30, 75, 95), ("4:4:4", "4:2:2", "4:2:0")):
        data = jpeg_file(images(1, 61, 83)[0], quality, subsampling)
        codec = JPEG(quality, subsampling)
        code, size = codec.read(data)
        shown = decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        if not torch.equal(codec.decode(code.to(device), size).cpu(), shown):
            raise SystemExit(f"a file of quality {quality}, {subsampling} shows other pixels on {device}")
        count += 1
    print(f"exact on {device}: {count} comparisons\n", flush=True)


def milliseconds(call: Callable[[], object], device: torch.device, rounds: int) -> float:
    """Median time of a call, after two that do not count."""
    times = []
    for _ in range(rounds + 2):
        start = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[2:])


def codec_rows(device: torch.device, count: int) -> list[list[str]]:
    """Milliseconds an image, on the processor and the GPU."""
    rows = [["call", "images", "processor, ms an image", f"{device.type}, ms an image", "ratio"]]
    for height, width in ((224, 224), (384, 512)):
        pictures = images(count, height, width)
        code = CODEC.encode(pictures)
        far, far_code = pictures.to(device), code.to(device)
        calls = {
            "encode": (partial(CODEC.encode, pictures), partial(CODEC.encode, far)),
            "decode": (partial(CODEC.decode, code), partial(CODEC.decode, far_code)),
            "round trip": (partial(CODEC.round_trip, pictures), partial(CODEC.round_trip, far)),
        }
        for name, (here, there) in calls.items():
            times = milliseconds(here, torch.device("cpu"), 3) / count, milliseconds(there, device, 10) / count
            told = f"{times[0]:.3f}", f"{times[1]:.4f}", f"{times[0] / times[1]:.1f}"
            rows.append([f"`JPEG.{name.replace(' ', '_')}`", f"{count} of {height}x{width}", *told])
    return rows


def main() -> None:
    """The command line."""
    options = parser(__doc__)
    options.add_argument("--small", action="store_true", help="little of everything, for a try")
    options.add_argument("--update", type=Path, metavar="FILE", help="put the tables into this document, too")
    given = options.parse_args()
    small = given.small or not torch.cuda.is_available()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    sizes, start = SMALL if small else FULL, time.perf_counter()
    if device.type == "cpu":
        print("no GPU: the processor stands in for it, small; skipped: nvJPEG")
    print(f"{machine()}, {os.cpu_count()} cores, torch {torch.__version__}\n", flush=True)
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    check_exact(device)
    gpu_pairs.show(device)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    show(codec_rows(device, 4 if small else 64), f"Measured on {machine()}.", given.update, "jpeg-gpu-codec")
    print()
    torch.set_num_threads(threads)
    rows = [HEAD]
    for height, width in ((224, 224), (384, 512)):
        with tempfile.TemporaryDirectory() as name:
            size = make_folder(Path(name), sizes.files, height, width)
            rows += training_rows(Path(name), f"{height}x{width}, {size / 1e3:.1f} kB", sizes, device)
    note = f"Measured on {machine()}, {os.cpu_count()} cores; {time.perf_counter() - start:.0f} s in all."
    show(rows, note, given.update, "jpeg-gpu-training")


if __name__ == "__main__":
    main()
