"""The rounding of LiteRT's 8-bit networks, in real numbers."""

from math import floor, log2
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor, nn

from lossy_lightning.core import InputError
from lossy_lightning.nn.backbones._litert_dynamic import round_dynamically
from lossy_lightning.nn.backbones.mobilenet import MobileNet
from lossy_lightning.nn.backbones.yamnet import YAMNet
from lossy_lightning.tflite import Operation

MEANS = ("AVERAGE_POOL_2D", "MEAN")


def round_as_litert(
    network: MobileNet | YAMNet,
    places: list[tuple[nn.Module, nn.Conv2d | None, Operation]],
    operations: list[Operation],
    classifier: Operation | None,
    path: str | Path,
) -> None:
    """Let a network round as a file's does: a MobileNet by hooks, a YAMNet by modules in place of its own.

    Args:
        network: That is filled.
        places: What gives the output of each operation of the file, and its convolution; None of a sum.
        operations: All of the file.
        classifier: The last layer, if that was filled.
        path: Of the file, for messages.

    Raises:
        ValueError: If the file has no steps of activations.
    """
    if isinstance(network, YAMNet):
        window, front = (next(each for each in operations if each.name == name) for name in ("MUL", "FULLY_CONNECTED"))
        if window.weight is None or not front.dynamic:
            raise InputError(f"{path} has no front end of 8 bits: load it with quantized=False")
        round_dynamically(network, [(place, each) for place, _, each in places], window.weight, front, classifier)
        return
    last = [] if classifier is None else [(network.classifier, classifier)]
    mean = next(operation for operation in operations if operation.name in MEANS)
    for place, operation in [*((place, each) for place, _, each in places), (network.avgpool, mean), *last]:
        _round_output(place, operation, path)


class _Rounding(NamedTuple):
    """A hook that rounds the output of a layer or a mean to 8 bits, by the arithmetic that LiteRT does.

    Products add up to a whole number, which is multiplied in 32 bits.
    """

    operation: Operation

    def __call__(self, module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        scale = self.operation.scale
        if isinstance(module, nn.AdaptiveAvgPool2d):
            level = (output / scale + 0.5).floor()
        else:
            unit = np.float32(self.operation.steps[0]) * np.float32(self.operation.steps[1])
            level = ((output / float(unit)).round().float() * float(unit / np.float32(scale))).round()
        return _real(level, self.operation, output)


class _RoundingSum(NamedTuple):
    """A hook that rounds a residual sum to 8 bits, by factors of 21 bits as LiteRT does."""

    operation: Operation

    def __call__(self, module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        scale = self.operation.scale
        factors = [float(np.float32(step) / np.float32(scale)) for step in self.operation.steps]
        bits = 20 - floor(log2(max(factors)))
        made, had = (round(factor * 2**bits) for factor in factors)
        steps = self.operation.steps
        whole = ((output - inputs[0]) / steps[0]).round().long() * made + (inputs[0] / steps[1]).round().long() * had
        level = (whole + 2 ** (bits - 1)) >> bits
        return _real(level, self.operation, output)


def _real(level: Tensor, operation: Operation, output: Tensor) -> Tensor:
    """What the whole numbers of 8 bits, less their zero point, stand for."""
    return level.clamp(-operation.zero_point, 255 - operation.zero_point).to(output.dtype) * operation.scale


def _round_output(place: nn.Module, operation: Operation, path: str | Path) -> None:
    """Let a module's output be rounded as the file's.

    Raises:
        ValueError: If the file has no step for it.
    """
    if not operation.scale:
        raise InputError(f"{path} tells no steps of activations: load it with quantized=False")
    if operation.name == "ADD":
        place.register_forward_hook(_RoundingSum(operation).__call__)
    else:
        place.register_forward_hook(_Rounding(operation).__call__)
