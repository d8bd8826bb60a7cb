"""Convolutional network for sequences."""

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn

from lossy_lightning.core import FeatureShape, InputError, valid_positions
from lossy_lightning.core.arguments import check_integer_list, check_integers, check_numbers
from lossy_lightning.nn.backbones._shapes import channels_of
from lossy_lightning.nn.layers import conv1d, linear, nonlinearity
from lossy_lightning.nn.layers._padding import (
    mask,
    mean_of_valid,
    norm_of_valid,
    pad_around,
)


class SequenceNet(nn.Module):
    """A batch norm, convolutions over time with a batch norm after each, their mean over time, and a linear layer.

    Made for codes of sound: 46 stages of `Lyra`, summed by `CodebookSum` to 64 features, are read at 21.6 million
    multiply-accumulates a second of sound. Each layer quantizes its own input; what stands between layers is as in
    `ConvNet`. The last layer is real. Padding never changes the outputs.

    Args:
        shape: Shape ``(C, L)`` of the features it reads, without batch; L may vary (None). Or ``(C, F, L)``, of which
            all F rows, such as bands of frequency, are channels.
        num_classes: Number of outputs.
        channels: Output channels of each convolution.
        strides: Stride of each convolution, as many as ``channels``.
        kernel_size: Positions that a convolution sees, odd.
        dropout: Probability that a feature before the last layer is dropped, in training.
        weight_bit_width: Bits of a weight: 1, 2 to 8, or 32 (not quantized).
        input_bit_width: Bits of each convolution's inputs: 1, 2 to 8, or 32 (not quantized).
        first_weight_bit_width: Bits of the first layer's weights; None: as the others.
        first_input_bit_width: Bits of the first layer's inputs; None: as the others.

    Raises:
        ValueError: If ``shape`` is none of those, ``strides`` is not as long as ``channels``, the kernel is even,
            or a bit width is none of those.

    Example:
        >>> import torch
        >>> net = SequenceNet((64, 50), num_classes=8)
        >>> net(torch.randn(2, 64, 50)).shape, net(torch.randn(2, 64, 50), torch.tensor([[50], [31]])).shape
        (torch.Size([2, 8]), torch.Size([2, 8]))
    """

    def __init__(
        self,
        shape: FeatureShape,
        num_classes: int,
        channels: Sequence[int] = (192, 192, 384, 384, 384),
        strides: Sequence[int] = (1, 2, 1, 2, 1),
        kernel_size: int = 3,
        dropout: float = 0.3,
        weight_bit_width: int = 32,
        input_bit_width: int = 32,
        first_weight_bit_width: int | None = None,
        first_input_bit_width: int | None = None,
    ) -> None:
        super().__init__()
        if isinstance(shape, Sequence) and len(shape) == 3 and None not in shape[:2]:
            shape = (prod(shape[:2]), shape[2])  # type: ignore[arg-type]
        in_channels = channels_of(shape, 1, "SequenceNet")
        check_integers(1, num_classes=num_classes, kernel_size=kernel_size)
        check_numbers(0, 1, dropout=dropout)
        check_integer_list(1, channels=channels, strides=strides)
        if not channels or len(strides) != len(channels) or kernel_size % 2 == 0:
            raise InputError(
                "strides has as many (1 or more) entries as channels, and the kernel is odd; got "
                f"{channels=}, {strides=}, {kernel_size=}"
            )
        first = (
            weight_bit_width if first_weight_bit_width is None else first_weight_bit_width,
            input_bit_width if first_input_bit_width is None else first_input_bit_width,
        )
        bit_widths = [first] + [(weight_bit_width, input_bit_width)] * (len(channels) - 1)
        self.kernel_size = kernel_size
        self.strides = tuple(strides)
        depths = [in_channels, *channels]
        # What a codec's words add up to has scales of its own.
        self.norm = nn.BatchNorm1d(in_channels)
        self.convolutions = nn.ModuleList(
            conv1d(a, b, kernel_size, stride, weight_bit_width=weights, input_bit_width=inputs)
            for a, b, stride, (weights, inputs) in zip(depths, channels, strides, bit_widths, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(depth) for depth in channels)
        between = [*bit_widths[1:], (32, 32)]
        self.activations = nn.ModuleList(nn.Sequential(*nonlinearity(inputs)) for _, inputs in between)
        self.dropout = nn.Dropout(dropout)
        self.classifier = linear(depths[-1], num_classes, 32, 32, bias=True)

    def forward(self, features: Tensor, grid_size: Tensor | None = None) -> Tensor:
        """Logits ``(N, num_classes)`` of features ``(N, C, L)`` or ``(N, C, F, L)``, each of its ``grid_size``."""
        if features.ndim == 4:
            features = features.flatten(1, 2)
            grid_size = None if grid_size is None else grid_size[:, 1:]
        size = grid_size
        valid = None if size is None else valid_positions(size, tuple(features.shape[2:]))
        features = norm_of_valid(self.norm, features, valid)
        layers = zip(self.convolutions, self.norms, self.activations, self.strides, strict=True)
        for convolution, norm, activation, stride in layers:
            features = convolution(pad_around(mask(features, valid), self.kernel_size))
            if size is not None:
                size = -(-size // stride)
                valid = valid_positions(size, tuple(features.shape[2:]))
            features = activation(norm_of_valid(norm, features, valid))
        logits: Tensor = self.classifier(self.dropout(mean_of_valid(features, valid)))
        return logits
