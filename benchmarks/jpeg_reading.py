"""JPEG to coefficients against JPEG to pixels: medians of one run, one thread, all readers in turn.

Usage: LOSSY_DATA=... python benchmarks/jpeg_reading.py [rounds]

The photos of `imagenet_samples` are resized to 512x384 and to 32x32 and written by Pillow with 4:2:0 subsampling. Every
reader reads every file of a set once a round, in turn; a reader's figure is the median over rounds of its mean time a
file. Peers that are not installed are left out (simplejpeg, PyTurboJPEG<2 with libturbojpeg0, jpeglib).
"""

import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.io import decode_jpeg

from lossy_lightning.bitstream.jpeg import read_coefficients, read_coefficients_batch

PIXEL_READERS = ("simplejpeg", "PyTurboJPEG", "torchvision", "Pillow")


def make_set(size: tuple[int, int], quality: int) -> list[bytes]:
    files = []
    for path in sorted((Path(os.environ["LOSSY_DATA"]) / "imagenet_samples").glob("*.JPEG")):
        buffer = io.BytesIO()
        image = Image.open(path).convert("RGB").resize(size, Image.Resampling.BICUBIC)
        image.save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
        files.append(buffer.getvalue())
    return files


def each(read: Callable[[bytes], object]) -> Callable[[list[bytes]], None]:
    def run(files: list[bytes]) -> None:
        for data in files:
            read(data)

    return run


def readers(folder: Path) -> dict[str, Callable[[list[bytes]], object]]:
    """Every reader as a function of a list of files; jpeglib reads copies of them in a memory file system."""
    found: dict[str, Callable[[list[bytes]], object]] = {
        "ours": each(read_coefficients),
        "ours, batch": read_coefficients_batch,
        "ours, batch, views": lambda files: [image.components for image in read_coefficients_batch(files)],
        "torchvision": each(lambda data: decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8))),
        "Pillow": each(lambda data: np.asarray(Image.open(io.BytesIO(data)))),
    }
    if find_spec("simplejpeg"):
        import simplejpeg

        found["simplejpeg"] = each(lambda data: simplejpeg.decode_jpeg(data, "RGB"))
    if find_spec("turbojpeg"):
        import turbojpeg

        try:
            turbo = turbojpeg.TurboJPEG()
        except RuntimeError as error:  # the shared library is missing or of another version
            print(f"PyTurboJPEG is left out: {error}")
        else:
            found["PyTurboJPEG"] = each(lambda data: turbo.decode(data, pixel_format=turbojpeg.TJPF_RGB))
    if find_spec("jpeglib"):
        import jpeglib

        found["jpeglib"] = lambda files: [jpeglib.read_dct(folder / f"{i}.jpg").load() for i in range(len(files))]
    return found


def measure(files: list[bytes], rounds: int) -> dict[str, float]:
    """Median seconds a file of each reader."""
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").exists() else None) as name:
        for i, data in enumerate(files):
            (Path(name) / f"{i}.jpg").write_bytes(data)
        for _ in range(rounds):
            for reader, read in readers(Path(name)).items():
                start = time.perf_counter()
                read(files)
                times.setdefault(reader, []).append((time.perf_counter() - start) / len(files))
    return {reader: statistics.median(values[1:] or values) for reader, values in times.items()}


def measure_threads(files: list[bytes], rounds: int) -> float:
    """How many times faster two threads read a batch than one."""
    files = files * max(1, 2000 // len(files))
    times: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for num_threads, values in times.items():
            start = time.perf_counter()
            read_coefficients_batch(files, num_threads=num_threads)
            values.append(time.perf_counter() - start)
    return statistics.median(times[1]) / statistics.median(times[2])


def measure_first_call(cache: str) -> str:
    """Seconds of the import and of the first call in a new process that keeps compiled code in ``cache``."""
    code = (
        "import time; import torch; start = time.perf_counter();"
        "from lossy_lightning.bitstream.jpeg import read_coefficients; middle = time.perf_counter();"
        "import sys; read_coefficients(sys.stdin.buffer.read());"
        "print(f'import {middle - start:.2f} s, first call {time.perf_counter() - middle:.2f} s')"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": cache, "PYTHONPATH": str(Path(__file__).parents[1])}
    data = make_set((32, 32), 75)[0]
    result = subprocess.run([sys.executable, "-c", code], input=data, env=environment, capture_output=True, check=True)
    return result.stdout.decode().strip()


def main(rounds: int) -> None:
    torch.set_num_threads(1)
    print(f"{'files':<14}{'reader':<22}{'us/file':>9}  times faster: ours  ours, batch")
    for size, quality in (((512, 384), 75), ((512, 384), 95), ((32, 32), 75), ((32, 32), 95)):
        files = make_set(size, quality)
        times = measure(files, rounds)
        single, batch = times["ours"], times["ours, batch"]
        for reader, seconds in times.items():
            ratios = f"{seconds / single:>23.2f}{seconds / batch:>13.2f}"
            print(f"{size[0]}x{size[1]} q{quality:<5}{reader:<22}{1e6 * seconds:>9.1f}{ratios}")
        fastest = min((reader for reader in PIXEL_READERS if reader in times), key=times.__getitem__)
        ratios = f"{times[fastest] / single:.2f} (batch {times[fastest] / batch:.2f})"
        print(f"{size[0]}x{size[1]} q{quality:<5}fastest pixels: {fastest}, ours is {ratios} times faster")
        print(f"{size[0]}x{size[1]} q{quality:<5}two threads: {measure_threads(files, 5):.2f} times one")
    with tempfile.TemporaryDirectory() as cache:
        print("compiling:", measure_first_call(cache))
        print("compiled: ", measure_first_call(cache))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
