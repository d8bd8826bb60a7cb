"""Single layers of packed networks, beside the same products of float32 in torch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lossy_lightning.deploy.runtime import _engine
from lossy_lightning.deploy.runtime._assembly import Assembly

LAYERS: dict[str, tuple[int, tuple[int, ...], int, int, int]] = {
    "(1024 x 1152) (1152 x 128)": (1024, (), 1152, 128, 1),
    "(256 x 2304) (2304 x 256)": (256, (), 2304, 256, 1),
    "3 x 3 convolution, (16, 128, 32, 32) → 128": (16, (32, 32), 128, 128, 3),
    "3 x 3 convolution, (64, 64, 13, 13) → 64": (64, (13, 13), 64, 64, 3),
}
"""Examples, grid, channels, outputs, size of the kernel."""


def calls(name: str) -> dict[str, Callable[[], object]]:
    """A layer from bits to bits, the same from float32, and torch's product of float32."""
    examples, grid, channels, outputs, kernel = LAYERS[name]
    given, weights = (
        torch.randn(examples, channels, *grid),
        torch.randn(outputs, channels, *[kernel] * len(grid)).sign(),
    )
    product: Callable[[Tensor, Tensor], Tensor] = (
        partial(F.conv2d, padding=kernel // 2) if grid else F.linear  # type: ignore[assignment]
    )
    laid = _layer(grid or (1,), channels, outputs, kernel)
    buffers = laid.words, laid.ints, laid.reals, laid.num_words, laid.num_reals, laid.widest, laid.deepest
    codes = np.zeros((examples, channels * int(np.prod(grid, dtype=int))), np.int32)
    output = np.empty((examples, 1), np.float32)

    def run(first: int) -> Callable[[], object]:
        return partial(_engine.run, laid.table[first:3].copy(), codes, 0, examples, *buffers, laid.block, 0, output)

    return {"bits": run(2), "float32": run(1), "torch": partial(product, given, weights)}


def _layer(grid: tuple[int, ...], channels: int, outputs: int, kernel: int) -> Assembly:
    """Numbers, their signs, a layer of them, and the signs of its sums."""
    axes, positions = len(grid), int(np.prod(grid))
    whole = [kernel] * axes, [1] * axes, [kernel // 2] * axes
    geometry = {"grid": grid, "kernel": whole[0], "stride": whole[1], "padding": whole[2], "dilation": whole[1]}
    registers = [
        {"kind": kind, "positions": positions, "channels": size}
        for kind, size in (("reals", channels), ("bits", channels), ("bits", outputs), ("reals", outputs))
    ]
    tensors: dict[str, np.ndarray] = {
        "places": np.arange(positions * channels).reshape(positions, channels),
        "sizes": np.full(channels, 2),
        "lows": np.zeros(channels, int),
        "at": np.arange(channels),
        "thresholds": np.zeros((1, channels), np.float32),
        "flips": np.zeros((1, channels), np.bool_),
        "signs": np.random.default_rng(0).random((outputs, kernel**axes, channels)) < 0.5,
        "sums": np.zeros((1, outputs), np.int32),
        "values": np.zeros((outputs, 2), np.float32),
    }

    def step(kind: str, source: list[int], target: int, roles: dict[str, str], **rest: Any) -> dict[str, Any]:
        return {"kind": kind, "inputs": source, "output": target, "tensors": roles, **rest}

    def named(*names: str) -> dict[str, str]:
        return {name: name for name in names}

    product = {"signs": "signs", "thresholds": "sums"}
    steps = [
        step("encode_reals", [], 0, named("places", "sizes", "lows", "at")),
        step("bit_thresholds", [0], 1, named("thresholds", "flips")),
        step("bit_product", [1], 2, product, geometry=geometry, groups=1),
        step("bit_reading", [2], 3, named("values")),
        {"kind": "output", "inputs": [3], "tensors": {}},
    ]
    return Assembly(registers, steps, tensors)


def rows(by_turns: Callable[[dict[str, Callable[[], object]]], dict[str, float]]) -> list[list[str]]:
    """Milliseconds of each layer in bits, and how many times as long float32 in torch takes."""
    made = [["layer", "bits in and out, ms", "torch float32 / bits", "torch float32 / from float32"]]
    for name in LAYERS:
        taken = by_turns(calls(name))
        ratios = [f"{taken['torch'] / taken[own]:.1f}" for own in ("bits", "float32")]
        made.append([name, f"{1000 * taken['bits']:.3f}", *ratios])
    return made
