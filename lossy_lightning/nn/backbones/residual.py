"""Binary convolutions with real shortcuts around each."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossy_lightning.core import FeatureShape, InputError, valid_positions
from lossy_lightning.core.arguments import check_integer_list, check_integers, check_numbers
from lossy_lightning.nn.layers import conv1d, conv2d, linear
from lossy_lightning.nn.layers._padding import (
    mask,
    mean_of_valid,
    norm_of_valid,
    pad_around,
)


class ResidualNet(nn.Module):
    """Convolutions over one or two dimensions, 1-bit by default, each with a real shortcut around it.

    A block shifts its input, convolves its sign, normalises, adds the shortcut, and ends in a shifted PReLU. The
    shortcut makes no multiply-accumulates: means of ``stride`` positions, its channels repeated if the block has a
    multiple of them; a first block of another number of channels has none. A linear layer classifies the mean over the
    grid; if it quantizes its inputs, it classifies each position, and the outputs' mean is taken: the sign of a mean
    says little. Padding never changes the outputs.

    Args:
        shape: Shape ``(C, L)`` or ``(C, H, W)`` of the features it reads, without batch; sizes may vary (None).
        num_classes: Number of outputs.
        channels: Output channels of each block; after the first, each a multiple of the one before.
        strides: Stride of each block along each axis, as many as ``channels``.
        kernel_size: Positions that a convolution sees along each axis, odd.
        dropout: Probability that a feature before the last layer is dropped, in training.
        weight_bit_width: Bits of a weight: 1, 2 to 8, or 32 (not quantized).
        input_bit_width: Bits of each convolution's inputs: 1, 2 to 8, or 32 (not quantized).
        first_weight_bit_width: Bits of the first layer's weights; None: as the others.
        first_input_bit_width: Bits of the first layer's inputs; None: as the others.
        last_bit_width: Bits of the last layer's weights and inputs.

    Raises:
        ValueError: If the shape is none of those, channels and strides do not fit, the kernel is even, or a bit
            width is none of those.

    Source:
        Liu et al., Bi-Real Net, ECCV 2018; Liu et al., ReActNet, ECCV 2020, section 4.

    Example:
        >>> ResidualNet((64, 32, 32), num_classes=8)(torch.randn(2, 64, 32, 32)).shape
        torch.Size([2, 8])
    """

    def __init__(
        self,
        shape: FeatureShape,
        num_classes: int,
        channels: Sequence[int] = (64, 128, 128, 256, 256),
        strides: Sequence[int] = (2, 2, 1, 2, 1),
        kernel_size: int = 3,
        dropout: float = 0.0,
        weight_bit_width: int = 1,
        input_bit_width: int = 1,
        first_weight_bit_width: int | None = None,
        first_input_bit_width: int | None = None,
        last_bit_width: int = 32,
    ) -> None:
        super().__init__()
        if not isinstance(shape, Sequence) or len(shape) not in (2, 3) or shape[0] is None:
            raise InputError(f"ResidualNet reads features (C, L) or (C, H, W); got {shape}")
        check_integers(1, num_classes=num_classes, kernel_size=kernel_size)
        check_numbers(0, 1, dropout=dropout)
        check_integer_list(1, channels=channels, strides=strides)
        grows = all(b % a == 0 for a, b in pairwise(channels))
        if not grows or not channels or len(strides) != len(channels) or kernel_size % 2 == 0:
            raise InputError(
                "channels (1 or more) are each a multiple of the one before, strides are as many, and the kernel is "
                f"odd; got {channels=}, {strides=}, {kernel_size=}"
            )
        first = (
            weight_bit_width if first_weight_bit_width is None else first_weight_bit_width,
            input_bit_width if first_input_bit_width is None else first_input_bit_width,
        )
        bit_widths = [first] + [(weight_bit_width, input_bit_width)] * (len(channels) - 1)
        self.strides = tuple(strides)
        axes = len(shape) - 1
        self.norm = _norm(shape[0], axes)
        self.blocks = nn.ModuleList(
            _Block(axes, a, b, kernel_size, stride, *widths)
            for a, b, stride, widths in zip([shape[0], *channels], channels, strides, bit_widths, strict=False)
        )
        self.dropout = nn.Dropout(dropout)
        self.classifier = linear(channels[-1], num_classes, last_bit_width, last_bit_width, bias=True)
        self.mean_first = last_bit_width == 32
        # A sum of signs is an integer of the size of its inputs: the loss needs it scaled.
        self.logits_norm = nn.Identity() if last_bit_width == 32 else nn.BatchNorm1d(num_classes)

    def forward(self, features: Tensor, grid_size: Tensor | None = None) -> Tensor:
        """Logits ``(N, num_classes)`` of features ``(N, C, *grid)``, of which ``grid_size`` are each example's own."""
        size = grid_size
        valid = None if size is None else valid_positions(size, tuple(features.shape[2:]))
        features = norm_of_valid(self.norm, features, valid)
        for block, stride in zip(self.blocks, self.strides, strict=True):
            if size is not None:
                size = -(-size // stride)
            features, valid = block(features, valid, size)
        features = self.dropout(mean_of_valid(features, valid) if self.mean_first else features)
        outputs = self.classifier(features.movedim(1, -1)).movedim(-1, 1)
        logits: Tensor = self.logits_norm(outputs if self.mean_first else mean_of_valid(outputs, valid))
        return logits


class _Block(nn.Module):
    """A convolution, its batch norm, and the shortcut around both."""

    def __init__(
        self,
        axes: int,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        weight_bit_width: int,
        input_bit_width: int,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride
        self.repeats = 0 if out_channels % in_channels else out_channels // in_channels
        self.shift = _Shift(in_channels, axes)
        make = conv1d if axes == 1 else conv2d
        self.convolution = make(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            weight_bit_width=weight_bit_width,
            input_bit_width=input_bit_width,
        )
        self.norm = _norm(out_channels, axes)
        self.activation = nn.Sequential(_Shift(out_channels, axes), nn.PReLU(out_channels), _Shift(out_channels, axes))

    def forward(self, features: Tensor, valid: Tensor | None, size: Tensor | None) -> tuple[Tensor, Tensor | None]:
        features = mask(features, valid)
        made = self.convolution(pad_around(mask(self.shift(features), valid), self.kernel_size))
        valid = None if size is None else valid_positions(size, tuple(made.shape[2:]))
        made = norm_of_valid(self.norm, made, valid)
        if self.repeats:
            made = made + torch.cat([_pooled(features, self.stride)] * self.repeats, 1)
        return self.activation(made), valid


class _Shift(nn.Module):
    """A learned number added to each channel."""

    def __init__(self, channels: int, axes: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels, *[1] * axes))

    def forward(self, features: Tensor) -> Tensor:
        return features + self.bias


def _norm(channels: int, axes: int) -> nn.Module:
    return nn.BatchNorm1d(channels) if axes == 1 else nn.BatchNorm2d(channels)


def _pooled(features: Tensor, stride: int) -> Tensor:
    """Means of ``stride`` positions along each axis; zeros fill the last ones up, as they fill a padded batch."""
    if stride == 1:
        return features
    sides = [side for size in reversed(features.shape[2:]) for side in (0, -size % stride)]
    pool = F.avg_pool1d if features.ndim == 3 else F.avg_pool2d
    return pool(F.pad(features, sides), stride)
