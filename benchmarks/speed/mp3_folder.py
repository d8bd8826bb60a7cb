"""MP3 files to batches: quantized levels against samples, medians of one run.

    python -m benchmarks.speed.mp3_folder [rounds] [--files N] [--update docs/numbers.md]

Both pipelines read a folder of files of 5 seconds, which LAME makes of decaying tones and noise, in shuffled batches of
32, each file cropped at random to 2 seconds: ours by `CodedFolder`, the other by soundfile, which seeks to the crop and
decodes it to float32. Their workers are processes, ours are threads. They take turns; a figure is the median over
rounds of one epoch each, after one in which processes start. After it has sought, mpg123 says on the standard error
output that earlier frames are missing, and goes on.
"""

import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from benchmarks.harness import machine, parser, positive, show
from benchmarks.speed.mp3_reading import make
from lossy_lightning.codecs import MP3
from lossy_lightning.data import CodedFolder

SETS = [(16_000, 1, 32), (44_100, 1, 64), (44_100, 2, 128)]  # Hz, channels, kbit/s
SECONDS, CROP, BATCH_SIZE = 5, 2, 32


class Crops(Dataset[tuple[NDArray[np.float32], int]]):
    """Samples of a part of each file, at random."""

    def __init__(self, files: list[Path], length: int, pitch: int) -> None:
        self.files, self.length, self.pitch = files, length, pitch

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], int]:
        with soundfile.SoundFile(self.files[index]) as file:
            places = (file.frames - self.length) // self.pitch + 1
            file.seek(self.pitch * int(torch.randint(places, ())))
            return file.read(self.length, dtype="float32", always_2d=True).T, 0


def write(root: Path, sample_rate: int, channels: int, bit_rate: int, count: int) -> list[Path]:
    """A folder of files of one class."""
    folder = root / "train" / "sounds"
    folder.mkdir(parents=True)
    sounds = [make(sample_rate, channels, bit_rate, SECONDS, seed) for seed in range(min(count, 20))]
    files = [folder / f"{i}.mp3" for i in range(count)]
    for i, path in enumerate(files):
        path.write_bytes(sounds[i % len(sounds)])
    return files


def epoch(loader: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Files a second."""
    start = time.perf_counter()
    count = sum(len(batch) for batch, _ in loader)
    return count / (time.perf_counter() - start)


def row(sample_rate: int, channels: int, bit_rate: int, num_workers: int, given: tuple[int, int]) -> list[str]:
    """A row of the table, of so many rounds and files."""
    rounds, count = given
    codec = MP3(bit_rate, sample_rate, channels)
    (pitch,) = codec.pitch
    length = CROP * sample_rate // pitch * pitch
    with tempfile.TemporaryDirectory() as folder:
        files = write(Path(folder), sample_rate, channels, bit_rate, count)
        options = {"batch_size": BATCH_SIZE, "num_workers": num_workers}
        data = CodedFolder(codec, folder, crop=length, val_fraction=0, **options)  # type: ignore[arg-type]
        loaders = {
            "levels": data.train_dataloader(),
            "samples": DataLoader(
                Crops(files, length, pitch), shuffle=True, persistent_workers=num_workers > 0, **options
            ),
        }
        speeds: dict[str, list[float]] = {name: [] for name in loaders}
        for _ in range(rounds + 1):
            for name, loader in loaders.items():
                speeds[name].append(epoch(loader))
        levels, samples = (statistics.median(speeds[name][1:]) for name in ("levels", "samples"))
    name = f"{sample_rate / 1000:g} kHz, {channels} channel(s), {bit_rate} kbit/s"
    return [name, str(num_workers), f"{levels:.0f}", f"{samples:.0f}", f"{levels / samples:.1f}"]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("rounds", nargs="?", type=positive, default=9)
    arguments.add_argument("--files", type=positive, default=640, help="in the folder; default %(default)s")
    arguments.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    rows = [["files", "workers", "files/s as levels", "files/s as samples (soundfile)", "ratio"]]
    for format_ in SETS:
        for num_workers in (0, 2):
            rows.append(row(*format_, num_workers, (given.rounds, given.files)))
            print(rows[-1], flush=True)
    note = f"Crops of {CROP} s of files of {SECONDS} s, batch size {BATCH_SIZE}, on {machine()}."
    show(rows, note, given.update, "mp3-folder")


if __name__ == "__main__":
    main()
