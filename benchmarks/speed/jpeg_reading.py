"""JPEG to coefficients against JPEG to pixels: one run, one thread, all readers in turn.

    LOSSY_DATA=... python -m benchmarks.speed.jpeg_reading [rounds] [--update docs/numbers.md]

The photos of `imagenet_samples` are read as they are, and resized and written by Pillow with 4:2:0 subsampling. Every
reader reads every file of a set in turn, as often as it takes to read a megabyte; a reader's figures are its mean time
a file, by the clock (median over rounds) and of the processor (least of all rounds, which other processes disturb
less). Scaled decoding makes fewer pixels of each block, one at eighth scale; half and quarter scale are printed and not
in the table. Peers that are not installed are left out (simplejpeg, PyTurboJPEG<2 with libturbojpeg0, jpeglib, and
torchcodec==0.17, which is no dependency, for torchaudio would change with it: unpack its wheel and name the folder in
``PYTHONPATH``).

How much faster two threads are than one says little where other processes load the machine; so the same is measured of
pure arithmetic, in turn. Ratios are by the clock / in processor time.
"""

import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numba import njit
from PIL import Image
from torchvision.io import decode_jpeg

from benchmarks.harness import ROOT, machine, parser, show
from lossy_lightning.bitstream.jpeg import read_coefficients, read_coefficients_batch

HEAD = [
    "files", "against RGB, one by one", "against RGB, batch", "against eighth-scale RGB, one by one",
    "against eighth-scale RGB, batch", "against jpeglib, one by one", "against jpeglib, batch", "two threads",
    "arithmetic alone",
]  # fmt: skip
PIXEL_READERS = ("simplejpeg", "PyTurboJPEG", "torchvision", "torchcodec", "Pillow")
SCALES = {"half": 2, "quarter": 4, "eighth": 8}
EIGHTH_READERS = ("simplejpeg, eighth", "Pillow, eighth")


def photos() -> list[Path]:
    return sorted((Path(os.environ["LOSSY_DATA"]) / "imagenet_samples").glob("*.JPEG"))


def make_set(size: tuple[int, int], quality: int, progressive: bool = False) -> list[bytes]:
    files = []
    for path in photos():
        buffer = io.BytesIO()
        image = Image.open(path).convert("RGB").resize(size, Image.Resampling.BICUBIC)
        image.save(buffer, "JPEG", quality=quality, subsampling="4:2:0", progressive=progressive)
        files.append(buffer.getvalue())
    return files


def each(read: Callable[[bytes], object]) -> Callable[[list[bytes]], None]:
    def run(files: list[bytes]) -> None:
        for data in files:
            read(data)

    return run


def sets() -> Iterator[tuple[str, list[bytes]]]:
    """Names of what is read, and the files."""
    for size, quality in (((512, 384), 75), ((512, 384), 95), ((224, 224), 75), ((32, 32), 75), ((32, 32), 95)):
        yield f"{size[0]}x{size[1]}, quality {quality}", make_set(size, quality)
    yield "512x384, quality 75, progressive", make_set((512, 384), 75, progressive=True)
    yield "as they are", [path.read_bytes() for path in photos()]


def pillow_scaled(data: bytes, scale: int) -> object:
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (image.width // scale, image.height // scale))
    return np.asarray(image)


def simplejpeg_scaled(data: bytes, scale: int) -> object:
    """Of all scales simplejpeg takes the least that keeps the sides asked for, so they are asked for exactly."""
    import simplejpeg

    height, width, *_ = simplejpeg.decode_jpeg_header(data)
    return simplejpeg.decode_jpeg(data, "RGB", min_height=height // scale, min_width=width // scale)


def readers(folder: Path) -> dict[str, Callable[[list[bytes]], object]]:
    """Every reader as a function of a list of files; jpeglib reads copies of them in a memory file system."""
    found: dict[str, Callable[[list[bytes]], object]] = {
        "ours": each(read_coefficients),
        "ours, batch": read_coefficients_batch,
        "torchvision": each(lambda data: decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8))),
        "Pillow": each(lambda data: np.asarray(Image.open(io.BytesIO(data)))),
    }
    for name, scale in SCALES.items():
        found[f"Pillow, {name}"] = each(partial(pillow_scaled, scale=scale))
    if find_spec("simplejpeg"):
        import simplejpeg

        found["simplejpeg"] = each(lambda data: simplejpeg.decode_jpeg(data, "RGB"))
        for name in ("half", "quarter"):
            found[f"simplejpeg, {name}"] = each(partial(simplejpeg_scaled, scale=SCALES[name]))
        smallest = {"min_height": 1, "min_width": 1}
        found["simplejpeg, eighth"] = each(lambda data: simplejpeg.decode_jpeg(data, "RGB", **smallest))
    if find_spec("turbojpeg"):
        import turbojpeg

        try:
            turbo = turbojpeg.TurboJPEG()
        except RuntimeError as error:  # the shared library is missing or of another version
            print(f"PyTurboJPEG is left out: {error}")
        else:
            found["PyTurboJPEG"] = each(lambda data: turbo.decode(data, pixel_format=turbojpeg.TJPF_RGB))
    if find_spec("torchcodec"):
        try:
            from torchcodec.decoders import decode_jpeg as decode  # needs a torch of its own choice
        except (ImportError, RuntimeError, OSError) as error:
            print(f"torchcodec is left out: {str(error).splitlines()[0]}")
        else:
            found["torchcodec"] = each(lambda data: decode(torch.frombuffer(bytearray(data), dtype=torch.uint8)))
    if find_spec("jpeglib"):
        import jpeglib

        found["jpeglib"] = lambda files: [jpeglib.read_dct(folder / f"{i}.jpg").load() for i in range(len(files))]
    return found


def measure(files: list[bytes], rounds: int) -> dict[str, tuple[float, float]]:
    """Seconds a file of each reader: median by the clock, least of the processor."""
    times: dict[str, list[tuple[float, float]]] = {}
    repeats = max(1, 1_000_000 // sum(map(len, files)))
    count = repeats * len(files)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").exists() else None) as name:
        for i, data in enumerate(files):
            (Path(name) / f"{i}.jpg").write_bytes(data)
        found = readers(Path(name))
        for _ in range(rounds):
            for reader, read in found.items():
                clock, processor = time.perf_counter(), time.process_time()
                for _ in range(repeats):
                    read(files)
                spent = time.perf_counter() - clock, time.process_time() - processor
                times.setdefault(reader, []).append((spent[0] / count, spent[1] / count))
    return {
        reader: (statistics.median(clock for clock, _ in values), min(processor for _, processor in values))
        for reader, values in times.items()
    }


@njit(nogil=True)
def shuffle_bits(number: int, steps: int) -> int:
    for _ in range(steps):
        number ^= number << np.uint64(13)
        number ^= number >> np.uint64(7)
        number ^= number << np.uint64(17)
    return number


def compute(num_threads: int) -> None:
    """Arithmetic without memory, about as long as the reading."""
    with ThreadPoolExecutor(num_threads) as pool:
        list(pool.map(shuffle_bits, [np.uint64(1)] * num_threads, [8_000_000 // num_threads] * num_threads))


def measure_threads(files: list[bytes], rounds: int) -> list[str]:
    """How many times faster two threads read a batch than one, and do arithmetic: what the machine has to give."""
    files = files * max(1, 4_000_000 // sum(map(len, files)))
    calls = {"reading": lambda n: read_coefficients_batch(files, num_threads=n), "arithmetic": compute}
    times: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for name, call in calls.items():
            for num_threads in (1, 2):
                start = time.perf_counter()
                call(num_threads)
                times.setdefault((name, num_threads), []).append(time.perf_counter() - start)
    middle = {key: statistics.median(values) for key, values in times.items()}
    own, ceiling = (middle[name, 1] / middle[name, 2] for name in calls)
    return [f"{own:.2f}", f"{ceiling:.2f}"]


def measure_first_call(cache: str) -> str:
    """Seconds of the import and of the first call in a new process that keeps compiled code in ``cache``."""
    code = (
        "import time; import torch; start = time.perf_counter();"
        "from lossy_lightning.bitstream.jpeg import read_coefficients; middle = time.perf_counter();"
        "import sys; read_coefficients(sys.stdin.buffer.read());"
        "print(f'import {middle - start:.2f} s, first call {time.perf_counter() - middle:.2f} s')"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": cache, "PYTHONPATH": str(ROOT)}
    data = make_set((32, 32), 75)[0]
    result = subprocess.run([sys.executable, "-c", code], input=data, env=environment, capture_output=True, check=True)
    return result.stdout.decode().strip()


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("rounds", nargs="?", type=int, default=9)
    arguments.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    rows = [HEAD]
    for name, files in sets():
        times = measure(files, given.rounds)
        for reader, (clock, processor) in times.items():
            print(f"{name}: {reader} {1e6 * clock:.1f} us by the clock, {1e6 * processor:.1f} us of the processor")
        peers = [
            tuple(min(times[reader][i] for reader in group if reader in times) for i in range(2))
            for group in (PIXEL_READERS, EIGHTH_READERS)
        ] + ([times["jpeglib"]] if "jpeglib" in times else [])
        faster = [
            f"{clock / times[own][0]:.2f} / {processor / times[own][1]:.2f}"
            for clock, processor in peers
            for own in ("ours", "ours, batch")
        ]
        rows.append([name, *faster, *[""] * (6 - len(faster)), *measure_threads(files, 9)])
    show(rows, f"Measured on {machine()}.", given.update, "jpeg-reading")
    with tempfile.TemporaryDirectory() as cache:
        print("compiling:", measure_first_call(cache))
        print("compiled: ", measure_first_call(cache))


if __name__ == "__main__":
    main()
