"""The arithmetic of LiteRT's networks whose weights have 8 bits and whose activations are rounded as they come.

It is followed rounding by rounding, as its kernels for processors with fused multiply-add do it: one value that is
rounded to the other side is seen in all layers behind. A fused multiply-add is a product in double precision, which is
exact, and a sum rounded once.
"""

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossy_lightning.nn.backbones._log_mel import LogMel
from lossy_lightning.nn.backbones._mobile_parts import pad_same
from lossy_lightning.nn.backbones.yamnet import YAMNet
from lossy_lightning.tflite import Operation

_GREATEST = 255


class DynamicPart(nn.Sequential):
    """A convolution, a batch norm that only adds, and a ReLU.

    Weights of 8 bits: the input, nowhere below 0, is rounded to 256 levels from 0 to the greatest value, of the whole
    example if the convolution is depthwise, else of each place (N, :, h, w). Real weights: taps are added one by one,
    of depthwise convolutions column by column.

    Args:
        part: Convolution, batch norm and ReLU.
        operation: Of the file.

    Source: LiteRT, hybrid depthwise kernel; XNNPACK, kernels ``qd8-f32-qc8w``, ``f32-igemm`` and ``f32-dwconv``.
    """

    def __init__(self, part: nn.Sequential, operation: Operation) -> None:
        super().__init__(*part)
        self.operation = operation

    def forward(self, input: Tensor) -> Tensor:
        """Features as LiteRT has them."""
        made = self._of_levels(input) if self.operation.dynamic else self._of_numbers(input)
        return made.clamp(min=0).to(input.dtype)

    @property
    def _convolution(self) -> nn.Conv2d:
        return cast(nn.Conv2d, self[0])

    @property
    def _bias(self) -> Tensor:
        return _along(cast(nn.BatchNorm2d, self[1]).bias)

    def _of_levels(self, features: Tensor) -> Tensor:
        convolution, bias = self._convolution, self._bias
        assert self.operation.units is not None
        units = self.operation.units.to(features.device)
        whole = convolution.groups > 1
        levels, step = _rounded(features, (1, 2, 3) if whole else (1,), whole)
        weight = (convolution.weight / units.view(-1, 1, 1, 1)).round()  # sums of whole numbers are exact
        total = F.conv2d(
            pad_same(levels, convolution), weight.to(levels), stride=convolution.stride, groups=convolution.groups
        ).double()
        if whole:
            return _single(_single(_single(total * _along(units)) * step) + bias)
        return _single(_single(total * step) * _along(units) + bias)

    def _of_numbers(self, features: Tensor) -> Tensor:
        convolution = self._convolution
        padded, weight = pad_same(features, convolution).double(), convolution.weight.double()
        (rows, columns), (down, right) = weight.shape[2:], convolution.stride
        taps = [(row, column) for row in range(rows) for column in range(columns)]
        if convolution.groups > 1:
            taps.sort(key=lambda tap: tap[1])
        height, width = ((padded.shape[2] - rows) // down + 1, (padded.shape[3] - columns) // right + 1)
        total = self._bias
        for row, column in taps:
            seen = padded[:, :, row : row + (height - 1) * down + 1 : down]
            seen = seen[..., column : column + (width - 1) * right + 1 : right]
            total = _single(total + seen * _along(weight[:, 0, row, column]))  # of one input channel
        return total


class DynamicLogMel(LogMel):
    """The front end with the window and the mel bands of a file, and XNNPACK's logarithm.

    Args:
        window: Of 400 samples.
        operation: Of the mel bands.

    Source: XNNPACK, kernel ``f32-vlog`` (a rational function of degree 3 on both sides).
    """

    def __init__(self, window: Tensor, operation: Operation) -> None:
        super().__init__()
        self.window.copy_(window)
        self.operation = operation

    def columns(self, frames: Tensor) -> Tensor:
        """Logarithms of mel bands."""
        spectrum = torch.fft.rfft((frames * self.window).float().double(), self.points).to(torch.complex64)
        return _logarithm(dense(spectrum.abs(), self.operation)).to(frames.dtype)


class DynamicLinear(nn.Linear):
    """A last layer whose input is rounded place by place.

    Args:
        layer: That it stands for.
        operation: Of the file.
    """

    def __init__(self, layer: nn.Linear, operation: Operation) -> None:
        super().__init__(layer.in_features, layer.out_features, device="meta")
        self.weight, self.bias, self.operation = layer.weight, layer.bias, operation

    def forward(self, input: Tensor) -> Tensor:
        """Logits."""
        return dense(input, self.operation).to(input.dtype)


def dense(features: Tensor, operation: Operation) -> Tensor:
    """A fully connected layer, ``(..., in)`` to ``(..., out)``, double precision that holds single numbers."""
    weight, bias, units = operation.weight, operation.bias, operation.units
    assert weight is not None
    assert bias is not None
    assert units is not None
    levels, step = _rounded(features, (-1,), False)
    units = units.to(features.device)
    total = F.linear(levels, (weight.to(features.device) / units[:, None]).round().to(levels)).double()
    return _single(_single(total * step) * units.double() + bias.to(features.device).double())


def round_dynamically(
    network: YAMNet,
    places: list[tuple[nn.Module, Operation]],
    window: Tensor,
    front: Operation,
    classifier: Operation | None,
) -> None:
    """Put modules of LiteRT's arithmetic into a network's places; names of parameters stay.

    Args:
        network: That is filled.
        places: Convolutions with batch norm and ReLU, and the operation of each.
        window: Of the file's front end.
        front: Its mel bands.
        classifier: The last layer, if that was filled.
    """
    made = {id(place): DynamicPart(place, operation) for place, operation in places if isinstance(place, nn.Sequential)}
    for module in list(network.features.modules()):
        for name, child in module.named_children():
            if id(child) in made:
                setattr(module, name, made[id(child)])
    network.log_mel = DynamicLogMel(window, front).to(network.log_mel.window)
    if classifier is not None:
        network.classifier[-1] = DynamicLinear(cast(nn.Linear, network.classifier[-1]), classifier)


def _rounded(features: Tensor, axes: tuple[int, ...], whole: bool) -> tuple[Tensor, Tensor]:
    """Levels from 0 to 255, and the step between them.

    The two kinds of kernels divide in another order, and that of whole examples rounds halves up.
    """
    features = features.float()
    greatest = features.amax(axes, keepdim=True)
    greatest = torch.where(greatest > 0, greatest, float(_GREATEST))
    if whole:
        step = (greatest.double() / _GREATEST).float()
        return ((features * step.reciprocal()).double() + 0.5).floor().float(), step
    steps = torch.full_like(greatest, _GREATEST) / greatest  # of 1; a number by a tensor is rounded twice in torch
    return (features * steps).round(), steps.reciprocal()


def _logarithm(values: Tensor) -> Tensor:
    """Natural logarithm of normal numbers above 0."""
    root, half_root, cubic, third, square = (
        _single(torch.tensor(number, dtype=torch.float64, device=values.device))
        for number in (1.414213419, 0.70710688829, 0.182499691844, 0.049584995955, 0.599170029163)
    )
    mantissa, exponent = torch.frexp(_single(values * root))
    x = _single(_single(2 * mantissa * half_root) - 1)
    above = _single(x * _single(x * _single(x * cubic + 1) + 1))
    below = _single(x * _single(x * _single(x * third + square) + 1.5) + 1)
    two = _single(torch.tensor(math.log(2), dtype=torch.float64, device=values.device))
    return _single((exponent - 1).double() * two + _single(above / below))


def _single(values: Tensor) -> Tensor:
    """Rounded to single precision, held in double."""
    return values.float().double()


def _along(values: Tensor) -> Tensor:
    """A number for each channel, to meet ``(N, C, H, W)``."""
    return values.double().view(-1, 1, 1)
