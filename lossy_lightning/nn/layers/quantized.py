"""Brevitas layers whose weights and inputs have each their own bit width."""

# No `from brevitas.quant import ...` and no `from __future__ import annotations` here: jsonargparse scans this module,
# and both make it fail on Brevitas's injectors.
import functools
from typing import Any

import brevitas.nn as bnn
import brevitas.quant_tensor as bqt
from torch import nn

from lossy_lightning.core.arguments import check_integers
from lossy_lightning.nn.layers._quantizers import quantizers


def linear(
    in_features: int, out_features: int, weight_bit_width: int = 1, input_bit_width: int = 1, bias: bool = False
) -> nn.Module:
    """Fully connected layer, ``(N, ..., in_features)`` to ``(N, ..., out_features)``.

    With ``input_bit_width=32`` only weights are binary, with ``weight_bit_width=32`` only activations.

    - 32 bits: not quantized.
    - 1 bit: -1 or +1, by the sign (that of 0 is +1). The gradient passes straight through where the value lies in
      [-1, 1] and is 0 elsewhere. Real weights behind 1-bit ones are clipped to [-1, 1] at each forward in training.
    - 2 to 8 bits: Brevitas's signed integers with one scale a tensor; that of the weights follows their largest
      magnitude, that of the inputs is learned after statistics of 300 training batches.

    Args:
        in_features: Number of features of the input.
        out_features: Number of features of the output.
        weight_bit_width: Bits of a weight: 1, 2 to 8, or 32.
        input_bit_width: Bits of an input: 1, 2 to 8, or 32. The layer quantizes its own input.
        bias: Whether to add a (real) bias.

    Returns:
        A `brevitas.nn.QuantLinear`, weights initialised by Glorot uniform; it returns plain tensors.

    Raises:
        ValueError: If a bit width is none of those, or a size no whole number above 0.

    Source:
        Hubara et al., Binarized Neural Networks, NeurIPS 2016, sections 1.1 and 1.3; Glorot & Bengio, AISTATS 2010.

    Example:
        >>> import torch
        >>> layer = linear(2, 1)
        >>> layer.weight.data = torch.tensor([[0.3, -0.2]])
        >>> layer(torch.tensor([[0.5, 0.0]])).tolist(), layer(torch.tensor([[0.5, -7.0]])).tolist()
        ([[0.0]], [[2.0]])
    """
    return QuantLinear(weight_bit_width, input_bit_width, in_features=in_features, out_features=out_features, bias=bias)


def conv1d(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
    weight_bit_width: int = 1,
    input_bit_width: int = 1,
    bias: bool = False,
) -> nn.Module:
    """Convolution over one dimension, ``(N, in_channels, L)`` to ``(N, out_channels, L')``.

    Bit widths, initialisation and errors are those of `linear`. Padding adds zeros after the input is quantized.

    Returns:
        A `brevitas.nn.QuantConv1d`; it returns plain tensors.

    Example:
        >>> import torch
        >>> conv1d(4, 8, kernel_size=3)(torch.randn(2, 4, 10)).shape
        torch.Size([2, 8, 8])
    """
    return QuantConv1d(
        weight_bit_width,
        input_bit_width,
        in_channels=in_channels,
        out_channels=out_channels,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        groups=groups,
        bias=bias,
    )


def conv2d(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
    weight_bit_width: int = 1,
    input_bit_width: int = 1,
    bias: bool = False,
) -> nn.Module:
    """Convolution over two dimensions, ``(N, in_channels, H, W)`` to ``(N, out_channels, H', W')``.

    Bit widths, initialisation and errors are those of `linear`. Padding adds zeros after the input is quantized.

    Returns:
        A `brevitas.nn.QuantConv2d`; it returns plain tensors.

    Example:
        >>> import torch
        >>> conv2d(4, 8, kernel_size=3)(torch.randn(2, 4, 10, 10)).shape
        torch.Size([2, 8, 8, 8])
    """
    return QuantConv2d(
        weight_bit_width,
        input_bit_width,
        in_channels=in_channels,
        out_channels=out_channels,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        groups=groups,
        bias=bias,
    )


def _plain(x: Any) -> Any:
    return x.value if isinstance(x, bqt.QuantTensor) else x


class _Layer(nn.Module):
    """What the layers add to Brevitas's: initialisation, clipping, plain tensors inside, copies, and a short text."""

    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(self, weight_bit_width: int, input_bit_width: int, **geometry: Any) -> None:
        sizes = {name: size for name, size in geometry.items() if name not in ("bias", "padding")}
        check_integers(1, **sizes)
        check_integers(0, padding=geometry.get("padding", 0))
        super().__init__(**geometry, **quantizers(weight_bit_width, input_bit_width))
        self._arguments = geometry | {"weight_bit_width": weight_bit_width, "input_bit_width": input_bit_width}

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Any) -> Any:
        if self.training and self._arguments["weight_bit_width"] == 1:
            # Through `data`, so that a layer used twice in one forward keeps what its backward needs.
            self.weight.data.clamp_(-1, 1)
        return super().forward(x)

    def unpack_input(self, x: Any) -> Any:
        return x  # Brevitas strips the names of named tensors here, which makes torch warn.

    def inner_forward_impl(self, x: Any, weight: Any, bias: Any) -> Any:
        # Brevitas would derive scale and bit width of the output, which nobody reads.
        return super().inner_forward_impl(_plain(x), _plain(weight), bias)  # type: ignore[misc]

    def __reduce__(self) -> tuple[Any, ...]:
        # Brevitas makes classes at run time, which do not pickle: build the layer anew and fill in its state.
        dropped = {"_modules", "quant_injector", "tracked_module_list"}
        states = {
            name: {key: value for key, value in vars(module).items() if key not in dropped}
            for name, module in self.named_modules()
        }
        return functools.partial(type(self), **self._arguments), (), states

    def __setstate__(self, states: dict[str, dict[str, Any]]) -> None:
        for name, state in states.items():
            vars(self.get_submodule(name)).update(state)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value}" for name, value in self._arguments.items())
        return f"{type(self).__name__}({arguments})"


class QuantLinear(_Layer, bnn.QuantLinear):  # type: ignore[misc]
    """What `linear` makes."""


class QuantConv1d(_Layer, bnn.QuantConv1d):  # type: ignore[misc]
    """What `conv1d` makes."""


class QuantConv2d(_Layer, bnn.QuantConv2d):  # type: ignore[misc]
    """What `conv2d` makes."""
