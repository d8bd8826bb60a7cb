"""Time of a training step of our 1-bit 3x3 convolution beside that of its peers, one thread, interleaved repetitions.

A step is forward, backward (to the input too) and Adam. Prints medians in milliseconds, and each peer's ratio to
Hardtanh followed by a float convolution. Run: ``python benchmarks/binary_convolution.py``
"""

import statistics
import time
from collections.abc import Callable

import brevitas.nn as bnn
import brevitas.quant as bq
import torch
from torch import nn

from lossy_lightning.nn.layers import conv2d

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
        "Hardtanh + float convolution": nn.Sequential(nn.Hardtanh(), float_convolution),
        "float convolution": nn.Conv2d(in_channels, out_channels, 3, bias=False),
        "ours, 1-bit weights and inputs": conv2d(in_channels, out_channels, kernel_size=3),
        "Brevitas SignedBinary...PerTensorConst": brevitas,
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


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for shape, out_channels in SHAPES:
        steps = {name: training_step(layer, shape) for name, layer in peers(shape[1], out_channels).items()}
        times: dict[str, list[float]] = {name: [] for name in steps}
        for repetition in range(WARM_UP + REPETITIONS):
            for name, step in steps.items():
                start = time.perf_counter()
                step()
                if repetition >= WARM_UP:
                    times[name].append(1e3 * (time.perf_counter() - start))
        reference = statistics.median(times["Hardtanh + float convolution"])
        print(f"{shape} -> {out_channels}, median of {REPETITIONS} steps")
        for name, values in times.items():
            median = statistics.median(values)
            print(f"  {name:40s} {median:8.2f} ms  {median / reference:5.2f} x")


if __name__ == "__main__":
    main()
