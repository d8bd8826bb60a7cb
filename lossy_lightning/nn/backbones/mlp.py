"""Fully connected network."""

from collections.abc import Callable, Sequence
from math import prod

from torch import nn

from lossy_lightning.core import FeatureShape, InputError
from lossy_lightning.core.arguments import check_integer_list
from lossy_lightning.nn.backbones._shapes import fixed_shape
from lossy_lightning.nn.layers import batch_norm, linear, nonlinearity


class MLP(nn.Sequential):
    """Fully connected network: each linear layer is followed by a batch norm without scale.

    Each linear layer quantizes its own input. At 1 bit that sign is the nonlinearity between layers; at 2 to 8 bits a
    hard tanh stands before the quantizer, at 32 bits (not quantized) a ReLU. ``activation`` replaces it.

    The sign of features that are never negative, such as those of `OneHot`, says nothing: give the first layer real
    inputs, ``first_input_bit_width=32``, or ``input_norm=True``.

    Args:
        shape: Shape of the features it reads, without batch; they are flattened.
        num_classes: Number of outputs.
        hidden_features: Widths of the hidden layers; empty for a linear classifier.
        weight_bit_width: Bits of a weight: 1, 2 to 8, or 32 (not quantized).
        input_bit_width: Bits of each layer's inputs: 1, 2 to 8, or 32 (not quantized).
        first_weight_bit_width: Bits of the first layer's weights; None: as the others.
        first_input_bit_width: Bits of the first layer's inputs; None: as the others.
        input_norm: Whether a batch norm stands before the first layer.
        activation: Makes what stands between layers instead, such as `torch.nn.Hardtanh`.

    Raises:
        ValueError: If a size of ``shape`` is not fixed, ``hidden_features`` is not a sequence, or a bit width is none
            of those.

    Example:
        >>> import torch
        >>> MLP((196, 7, 7), num_classes=10)(torch.randn(2, 196, 7, 7)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        shape: FeatureShape,
        num_classes: int,
        hidden_features: Sequence[int] = (64, 64),
        weight_bit_width: int = 1,
        input_bit_width: int = 1,
        first_weight_bit_width: int | None = None,
        first_input_bit_width: int | None = None,
        input_norm: bool = False,
        activation: Callable[[], nn.Module] | None = None,
    ) -> None:
        sizes = fixed_shape(shape)
        if not sizes:
            raise InputError(f"an MLP reads features of one fixed shape; got {shape}: crop signals to one size")
        check_integer_list(1, hidden_features=hidden_features)
        first = (
            weight_bit_width if first_weight_bit_width is None else first_weight_bit_width,
            input_bit_width if first_input_bit_width is None else first_input_bit_width,
        )
        bit_widths = [first] + [(weight_bit_width, input_bit_width)] * len(hidden_features)
        features = [prod(sizes), *hidden_features, num_classes]
        layers: list[nn.Module] = [nn.Flatten()]
        if input_norm:
            layers.append(batch_norm(features[0]))
        for i, (weight_bits, input_bits) in enumerate(bit_widths):
            if i > 0:
                layers += nonlinearity(input_bits, activation)
            layers.append(linear(features[i], features[i + 1], weight_bits, input_bits))
            layers.append(batch_norm(features[i + 1]))
        super().__init__(*layers)
