"""Brevitas layers whose weights and inputs have each their own bit width, and the batch norm that goes with them."""

# No `from brevitas.quant import ...` and no `from __future__ import annotations` here: jsonargparse scans this module,
# and both make it fail on Brevitas's injectors.
import functools
from collections.abc import Callable
from typing import Any

import brevitas.inject as bi
import brevitas.nn as bnn
import brevitas.proxy as bp
import brevitas.quant as bq
import brevitas.quant_tensor as bqt
import torch
from torch import Tensor, nn


def linear(
    in_features: int, out_features: int, weight_bit_width: int = 1, input_bit_width: int = 1, bias: bool = False
) -> nn.Module:
    """Fully connected layer, ``(N, ..., in_features)`` to ``(N, ..., out_features)``.

    A binary-weight layer is ``input_bit_width=32``, a binary-activation layer ``weight_bit_width=32``.

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
        ValueError: Where a bit width is none of those.

    Source:
        Hubara et al., Binarized Neural Networks, NeurIPS 2016, sections 1.1 and 1.3; Glorot & Bengio, AISTATS 2010.

    Example:
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


def batch_norm(features: int, dimensions: int = 0) -> nn.BatchNorm1d | nn.BatchNorm2d:
    """Batch norm without a scale: the weight stays 1, only the bias is trained.

    What follows a scale is a sign, which a positive scale does not change, or the loss.

    Args:
        features: Number of features or channels.
        dimensions: Number of dimensions of the grid after the channels: 0, 1 or 2.

    Raises:
        ValueError: Where ``dimensions`` is none of those.

    Source:
        Ioffe & Szegedy, ICML 2015; as in the networks of Larq, epsilon is 1e-3.

    Example:
        >>> [name for name, p in batch_norm(8).named_parameters() if p.requires_grad]
        ['bias']
    """
    if dimensions not in (0, 1, 2):
        raise ValueError(f"batch norm is over a grid of 0, 1 or 2 dimensions; got {dimensions=}")
    norm = (nn.BatchNorm2d if dimensions == 2 else nn.BatchNorm1d)(features, eps=1e-3)
    norm.weight.requires_grad_(False)
    return norm


def nonlinearity(input_bit_width: int, activation: Callable[[], nn.Module] | None = None) -> list[nn.Module]:
    """What stands between layers, before one of that input bit width.

    At 1 bit that layer's own sign is the nonlinearity, so nothing. At 2 to 8 bits rounding alone leaves a network all
    but linear, so the hard tanh, whose symmetric range signed integers fill. At 32 bits a ReLU.

    Args:
        input_bit_width: Bits of an input of the layer that follows.
        activation: Makes another one instead.

    Raises:
        ValueError: Where ``activation`` is made already.

    Example:
        >>> nonlinearity(1), nonlinearity(4), nonlinearity(32), nonlinearity(32, nn.Hardtanh)
        ([], [Hardtanh(min_val=-1.0, max_val=1.0)], [ReLU()], [Hardtanh(min_val=-1.0, max_val=1.0)])
    """
    if isinstance(activation, nn.Module):
        kind = type(activation).__name__
        raise ValueError(f"each layer has an activation of its own; got one made already: pass {kind}, the class")
    if activation is not None:
        return [activation()]
    if input_bit_width == 1:
        return []
    return [nn.ReLU() if input_bit_width == 32 else nn.Hardtanh()]


class _Sign(torch.autograd.Function):
    """Sign with a straight-through gradient where ``|x| <= 1``; each way is one pass of vectorized kernels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        # `torch.where` with scalars is not vectorized on the CPU and takes twenty times as long.
        return torch.ge(x, 0, out=torch.empty_like(x)).mul_(2).sub_(1)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        # The kernel's bounds are exclusive, ours inclusive: the next number after 1 is the bound.
        bound = 1 + torch.finfo(x.dtype).eps
        return torch.ops.aten.hardtanh_backward(grad_outputs[0], x, -bound, bound)


def sign(x: Tensor) -> Tensor:
    """-1 or 1, by the sign (that of 0 is 1); the gradient passes straight through where ``|x| <= 1``.

    Example:
        >>> sign(torch.tensor([-0.3, 0.0, 7.0]))
        tensor([-1.,  1.,  1.])
    """
    signs: Tensor = _Sign.apply(x)  # type: ignore[no-untyped-call]
    return signs


class _BinaryQuant(nn.Module):
    """A quantizer as Brevitas calls it: values, scale, zero point, bit width."""

    one: Tensor
    zero: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("one", torch.tensor(1.0), persistent=False)
        self.register_buffer("zero", torch.tensor(0.0), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return _Sign.apply(x), self.one, self.zero, self.one  # type: ignore[no-untyped-call]


class _BinaryWeight(bi.ExtendedInjector):  # type: ignore[misc]
    proxy_class = bp.WeightQuantProxyFromInjector
    tensor_quant = _BinaryQuant
    signed = True


class _BinaryInput(bi.ExtendedInjector):  # type: ignore[misc]
    proxy_class = bp.ActQuantProxyFromInjector
    tensor_quant = _BinaryQuant
    signed = True


def _quantizers(weight_bit_width: int, input_bit_width: int) -> dict[str, Any]:
    """Brevitas's arguments for the two bit widths."""
    for name, bit_width in (("weight_bit_width", weight_bit_width), ("input_bit_width", input_bit_width)):
        if bit_width not in (1, 2, 3, 4, 5, 6, 7, 8, 32):
            raise ValueError(f"{name} must be 1, 2 to 8, or 32 (not quantized); got {bit_width!r}")
    return {
        "weight_quant": _of_width(weight_bit_width, _BinaryWeight, bq.Int8WeightPerTensorFloat),
        "input_quant": _of_width(input_bit_width, _BinaryInput, bq.Int8ActPerTensorFloat),
    }


def _of_width(bit_width: int, binary: Any, integer: Any) -> Any:
    if bit_width == 32:
        return None
    return binary if bit_width == 1 else integer.let(bit_width=bit_width)


def _plain(x: Any) -> Any:
    return x.value if isinstance(x, bqt.QuantTensor) else x


class _Layer(nn.Module):
    """What the layers add to Brevitas's: initialisation, clipping, plain tensors inside, copies, and a short text."""

    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(self, weight_bit_width: int, input_bit_width: int, **geometry: Any) -> None:
        super().__init__(**geometry, **_quantizers(weight_bit_width, input_bit_width))
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
