"""Convolutional network."""

from collections.abc import Callable, Sequence

from torch import nn

from lossy_lightning.core import FeatureShape, InputError
from lossy_lightning.nn.backbones._shapes import fixed_shape
from lossy_lightning.nn.backbones.mlp import MLP
from lossy_lightning.nn.layers import batch_norm, conv2d, nonlinearity


class ConvNet(nn.Sequential):
    """Convolutional network: 3x3 convolutions, then an `MLP`; by default Larq's for MNIST.

    Each convolution is followed by a 2x2 maximum pooling if ``pool`` says so, and a batch norm without scale.
    Each layer quantizes its own input. At 1 bit that sign is the nonlinearity between layers; at 2 to 8 bits a hard
    tanh stands before the quantizer, at 32 bits (not quantized) a ReLU; ``activation`` replaces it. By default the
    first layer's input is real.

    Args:
        shape: Shape ``(C, H, W)`` of the features it reads, without batch.
        num_classes: Number of outputs.
        channels: Output channels of each convolution.
        pool: Whether each convolution is followed by a pooling, as many as ``channels``.
        hidden_features: Widths of the hidden layers of the `MLP`.
        weight_bit_width: Bits of a weight: 1, 2 to 8, or 32 (not quantized).
        input_bit_width: Bits of each layer's inputs: 1, 2 to 8, or 32 (not quantized).
        first_weight_bit_width: Bits of the first layer's weights; None: as the others.
        first_input_bit_width: Bits of the first layer's inputs; None: as the others.
        pad: Whether each convolution is padded so that it keeps the size of its grid; None: none is.
        activation: Makes what stands between layers instead, such as `torch.nn.Hardtanh`.

    Raises:
        ValueError: If ``shape`` is not ``(C, H, W)`` or too small, ``pool`` or ``pad`` is not as long as
            ``channels``, or a bit width is none of those.

    Source:
        Larq documentation, "Introduction to BNNs with Larq" (default arguments, input ``(1, 28, 28)`` in [-1, 1]).

    Example:
        >>> import torch
        >>> ConvNet((1, 28, 28), num_classes=10)(torch.randn(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        shape: FeatureShape,
        num_classes: int,
        channels: Sequence[int] = (32, 64, 64),
        pool: Sequence[bool] = (True, True, False),
        hidden_features: Sequence[int] = (64,),
        weight_bit_width: int = 1,
        input_bit_width: int = 1,
        first_weight_bit_width: int | None = None,
        first_input_bit_width: int | None = 32,
        pad: Sequence[bool] | None = None,
        activation: Callable[[], nn.Module] | None = None,
    ) -> None:
        lists = (channels, pool) if pad is None else (channels, pool, pad)
        if not all(isinstance(each, Sequence) for each in lists) or not channels or len({*map(len, lists)}) > 1:
            raise InputError(
                "pool and pad say for each of the (1 or more) channels whether to pool and to pad; got "
                f"{channels=}, {pool=}, {pad=}"
            )
        pad = (False,) * len(channels) if pad is None else pad
        sizes = _image_shape(shape, pool, pad)
        first = (
            weight_bit_width if first_weight_bit_width is None else first_weight_bit_width,
            input_bit_width if first_input_bit_width is None else first_input_bit_width,
        )
        bit_widths = [first] + [(weight_bit_width, input_bit_width)] * (len(channels) - 1)
        depth, height, width = sizes
        layers: list[nn.Module] = []
        for features, pooled, padded, (weight_bits, input_bits) in zip(channels, pool, pad, bit_widths, strict=True):
            if layers:
                layers += nonlinearity(input_bits, activation)
            padding = int(padded)
            layers.append(
                conv2d(depth, features, 3, padding=padding, weight_bit_width=weight_bits, input_bit_width=input_bits)
            )
            depth, height, width = features, height - 2 + 2 * padding, width - 2 + 2 * padding
            if pooled:
                layers.append(nn.MaxPool2d(2))
                height, width = height // 2, width // 2
            layers.append(batch_norm(depth, dimensions=2))
        layers += nonlinearity(input_bit_width, activation)
        tail = MLP(
            (depth, height, width),
            num_classes,
            hidden_features,
            weight_bit_width,
            input_bit_width,
            activation=activation,
        )
        layers.append(tail)
        super().__init__(*layers)


def _image_shape(shape: FeatureShape, pool: Sequence[bool], pad: Sequence[bool]) -> tuple[int, int, int]:
    """Shape ``(C, H, W)`` of features of which the convolutions and poolings leave a grid of 1x1 or more.

    Raises:
        ValueError: If the features are no such ones.
    """
    least = 1
    for pooled, padded in zip(reversed(pool), reversed(pad), strict=True):
        least = least * (2 if pooled else 1) + (0 if padded else 2)
    sizes = fixed_shape(shape) or ()
    if len(sizes) != 3 or min(sizes[1:]) < least:
        raise InputError(
            f"this ConvNet reads features of one fixed shape (C, H, W) of {least}x{least} or more; got {shape}"
        )
    channels, height, width = sizes
    return channels, height, width
