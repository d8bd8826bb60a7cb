"""Time of a training step of our 1-bit 3x3 convolution beside that of its peers, one thread, interleaved repetitions.

A step is forward, backward (to the input too) and Adam. Prints the ratio of medians to that of Hardtanh followed by a
float convolution.

    python -m benchmarks.speed.binary_convolution [--update docs/numbers.md]
"""

import statistics
from collections.abc import Callable
from pathlib import Path

import brevitas.nn as bnn
import brevitas.quant as bq
import torch
from torch import nn

from benchmarks.harness import machine, parser, seconds, show
from lossy_lightning.nn.layers import conv2d

REFERENCE = "Hardtanh + float convolution"
SHAPES = [((64, 32, 13, 13), 64), ((16, 128, 32, 32), 128)]
REPETITIONS = 30
WARM_UP = 5


def peers(in_channels: int, out_channels: int) -> dict[str, nn.Module]:
    float_convolution = nn.Conv2d(in_channels, out_channels, 3, bias=False)
    brevitas = bnn.QuantConv2d(
        in_channels,
        out_channels,
        3,
        bias=False,
        weight_quant=bq.SignedBinaryWeightPerTensorConst.let(scaling_const=1.0),
        input_quant=bq.SignedBinaryActPerTensorConst,
    )
    return {
        REFERENCE: nn.Sequential(nn.Hardtanh(), float_convolution),
        "float convolution": nn.Conv2d(in_channels, out_channels, 3, bias=False),
        "ours, 1-bit weights and inputs": conv2d(in_channels, out_channels, kernel_size=3),
        "Brevitas's own binary layer": brevitas,
    }


def training_step(layer: nn.Module, shape: tuple[int, ...]) -> Callable[[], None]:
    optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3)
    x = torch.randn(shape, requires_grad=True)
    grad = torch.randn_like(layer(x))

    def step() -> None:
        optimizer.zero_grad()
        x.grad = None
        layer(x).backward(grad)
        optimizer.step()

    return step


def medians(shape: tuple[int, ...], out_channels: int) -> dict[str, float]:
    """Seconds of a step of each layer, which take turns."""
    steps = {name: training_step(layer, shape) for name, layer in peers(shape[1], out_channels).items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for repetition in range(WARM_UP + REPETITIONS):
        for name, step in steps.items():
            taken = seconds(step)
            if repetition >= WARM_UP:
                times[name].append(taken)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--update", type=Path, metavar="FILE", help="put the table into this document, too")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows: list[list[str]] = []
    for shape, out_channels in SHAPES:
        found = medians(shape, out_channels)
        reference = found.pop(REFERENCE)
        rows = rows or [["shape", f"{REFERENCE}, ms", *found]]
        ratios = [f"{median / reference:.2f}" for median in found.values()]
        rows.append([f"{shape} → {out_channels}", f"{1e3 * reference:.2f}", *ratios])
    show(rows, f"Measured on {machine()}.", given.update, "binary-convolution")


if __name__ == "__main__":
    main()
