"""MP3 to quantized levels against MP3 to samples: one run, one thread, all readers in turn.

    python -m benchmarks.speed.mp3_reading [rounds] [--update docs/numbers.md]

Files of decaying tones and noise are written by LAME, through libsndfile, at constant bit rates. Every reader reads
the same bytes in turn; the figures are medians over rounds of the time of the processor. Peers are soundfile (mpg123),
as float32 and as int16, and miniaudio (dr_mp3) if it is installed; ours is compared with the fastest of them. A window
is 5 seconds in the middle of 10 minutes: by `read_windows`, against a whole decode, and against soundfile's seeking.
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
import soundfile
import torch

from benchmarks.harness import ROOT, machine, parser, seconds, show
from lossy_lightning.bitstream.mp3 import read_frames, read_frames_batch, read_headers, read_windows

SETS = [(44_100, 2, 128), (44_100, 2, 320), (44_100, 1, 64), (16_000, 1, 32), (16_000, 1, 8)]  # Hz, channels, kbit/s
MINUTES, WINDOW = 10, 5  # minutes of the long file, seconds of the window


def sound(sample_rate: int, channels: int, duration: float, seed: int) -> np.ndarray:
    """Decaying tones that set in at random, and noise, ``(samples, channels)``."""
    generator, count = np.random.default_rng(seed), int(sample_rate * duration)
    signal = 0.02 * generator.standard_normal((count, channels))
    for _ in range(int(12 * duration) + 1):
        start = int(generator.integers(0, count))
        time = np.arange(min(count - start, sample_rate)) / sample_rate
        tone = np.sin(2 * np.pi * generator.uniform(50, 0.3 * sample_rate) * time) * np.exp(-time / 0.15)
        signal[start : start + len(time)] += tone[:, None] * generator.uniform(0.2, 1, channels)
    return signal / abs(signal).max() * 0.9


def make(sample_rate: int, channels: int, bit_rate: int, duration: float, seed: int = 0) -> bytes:
    """A file of constant bit rate."""
    most, least = (320, 32) if sample_rate >= 32_000 else (160, 8)
    buffer, level = io.BytesIO(), min((most - bit_rate) / (most - least), 0.99)
    with soundfile.SoundFile(
        buffer, "w", sample_rate, channels, format="MP3", compression_level=level, bitrate_mode="CONSTANT"
    ) as file:
        file.write(sound(sample_rate, channels, duration, seed))
    return buffer.getvalue()


def decoders() -> dict[str, Callable[[bytes], object]]:
    """Every peer as a function of a file's bytes."""
    found: dict[str, Callable[[bytes], object]] = {
        "soundfile, float32": lambda data: soundfile.read(io.BytesIO(data), dtype="float32"),
        "soundfile, int16": lambda data: soundfile.read(io.BytesIO(data), dtype="int16"),
    }
    if find_spec("miniaudio"):
        import miniaudio

        found["miniaudio"] = miniaudio.mp3_read_s16
    return found


def measure(
    calls: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Median seconds of each call, all in turn; the first round does not count."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for i in range(rounds + 1):
        for name, call in calls.items():
            spent = seconds(call, clock)
            times[name] += [spent] if i else []
    return {name: statistics.median(values) for name, values in times.items()}


def against(name: str, ours: Callable[[], object], peers: dict[str, Callable[[], object]], rounds: int) -> list[str]:
    """A row: ours, the fastest peer, and how many times faster ours is."""
    times = measure({"ours": ours, **peers}, rounds)
    fastest = min(peers, key=times.__getitem__)
    print(name, {reader: f"{1e3 * spent:.2f} ms" for reader, spent in times.items()})
    return [name, f"{1e3 * times['ours']:.2f} ms", fastest, f"{times[fastest] / times['ours']:.1f}"]


def window_rows(rounds: int) -> list[list[str]]:
    """Five seconds of ten minutes, against whole decodes and against seeking."""
    data = make(44_100, 2, 128, 60.0 * MINUTES)
    (header,) = read_headers([data])
    first, count = header.num_frames // 2, -(-WINDOW * 44_100 // 1152)
    peers = {name: lambda decode=decode: decode(data) for name, decode in decoders().items()}

    def seek() -> object:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            file.seek(first * 1152)
            return file.read(count * 1152, dtype="float32")

    def ours() -> object:
        return read_windows([data], [(first, count)])

    name = f"{WINDOW} s of {MINUTES} minutes, against"
    return [
        against(f"{name} a whole decode", ours, peers, max(1, rounds // 5)),
        against(f"{name} seeking", ours, {"soundfile, float32": seek}, rounds),
    ]


def first_call(cache: str, data: bytes) -> str:
    """Seconds of the processor that the first call takes in a new process that keeps compiled code in ``cache``."""
    code = (
        "import sys, time; from lossy_lightning.bitstream.mp3 import read_frames; data = sys.stdin.buffer.read();"
        "start = time.process_time(); read_frames(data); print(f'{time.process_time() - start:.2f}')"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": cache, "PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", code], input=data, env=environment, capture_output=True, check=True)
    return result.stdout.decode().strip()


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("rounds", nargs="?", type=int, default=15)
    arguments.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    rows = [["files", "ours", "fastest peer", "times faster"]]
    for sample_rate, channels, bit_rate in SETS:
        data = make(sample_rate, channels, bit_rate, 20)
        name = f"{sample_rate / 1000:g} kHz, {channels} channel(s), {bit_rate} kbit/s, 20 s"
        peers = {peer: lambda decode=decode, data=data: decode(data) for peer, decode in decoders().items()}
        rows.append(against(name, lambda data=data: read_frames(data), peers, given.rounds))
    files = [make(16_000, 1, 32, 1, seed) for seed in range(100)] * 5
    batch = {peer: lambda decode=decode: [decode(data) for data in files] for peer, decode in decoders().items()}
    rows.append(against("500 files of 1 s, 16 kHz, 32 kbit/s", lambda: read_frames_batch(files), batch, given.rounds))
    rows += window_rows(given.rounds)
    threads = {str(n): lambda n=n: read_frames_batch(files * 10, num_threads=n) for n in (1, 2)}
    times = measure(threads, given.rounds, time.perf_counter)
    rows.append(
        ["two threads, by the clock", f"{1e3 * times['2']:.1f} ms", "one thread", f"{times['1'] / times['2']:.2f}"]
    )
    with tempfile.TemporaryDirectory() as cache:
        compiled = [first_call(cache, files[0]) for _ in range(2)]
    note = f"Measured on {machine()}. First call: {compiled[0]} s if it compiles, {compiled[1]} s if it does not."
    show(rows, note, given.update, "mp3-reading")


if __name__ == "__main__":
    main()
