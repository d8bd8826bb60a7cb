"""How fast linear analysis encodes, in megapixels a second of processor time on one thread, and what it weighs.

Codes of `Factorized(WaveletEncoder(…), …, exact=False)` from samples to integers. Least time of five rounds, taken in
turn; weights are not trained, which makes no difference.

    python -m benchmarks.speed.linear_analysis [--update docs/learned.md]
"""

import time
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.harness import machine, parser, seconds, show
from lossy_lightning.codecs import Factorized
from lossy_lightning.nn import WaveletDecoder, WaveletEncoder

HEAD = [
    "signals",
    "levels",
    "numbers of a cell",
    "dimension reduced",
    "encoder's parameters",
    "million samples a second",
]


def linear_analysis(dim: int, levels: int, channels: int, dimensions: int) -> Factorized:
    encoder = WaveletEncoder(dim, levels, channels, dimensions)
    decoder = WaveletDecoder(dim, (), levels, channels, dimensions)
    return Factorized(encoder, decoder, dim, channels, exact=False)


def noise(*shape: int) -> Tensor:
    dtype = torch.uint8 if len(shape) == 4 else torch.int16
    info = torch.iinfo(dtype)
    return torch.randint(info.min, info.max + 1, shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    cases = {
        "512 images 32x32": (noise(512, 3, 32, 32), linear_analysis(12, 3, 3, 2)),
        "16 images 224x224": (noise(16, 3, 224, 224), linear_analysis(12, 3, 3, 2)),
        "1 image 1024x1024": (noise(1, 3, 1024, 1024), linear_analysis(12, 3, 3, 2)),
        "60 sounds of 1 s at 16 kHz": (noise(60, 1, 16_000), linear_analysis(4, 6, 1, 1)),
    }
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(5):  # in turn, so that other processes disturb all alike
        for name, (signals, codec) in cases.items():
            times[name].append(seconds(lambda codec=codec, signals=signals: codec.encode(signals), time.process_time))
    rows = [HEAD]
    for name, (signals, codec) in cases.items():
        positions = len(signals) * prod(signals.shape[2:])
        weights = sum(parameter.numel() for parameter in codec.encoder.parameters())
        reduced = codec.channels * prod(codec.stride) / codec.dim
        speed = f"{positions / min(times[name]) / 1e6:.0f}"
        rows.append([name, str(codec.encoder.levels), str(codec.dim), f"{reduced:.0f} times", f"{weights:,}", speed])
    show(rows, f"Measured on {machine()}.", given.update, "linear-analysis-speed")


if __name__ == "__main__":
    main()
