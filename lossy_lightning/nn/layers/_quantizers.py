"""What makes weights and inputs 1-bit numbers or small integers, as Brevitas takes it."""

# No `from brevitas.quant import ...` and no `from __future__ import annotations` here: jsonargparse scans this module,
# and both make it fail on Brevitas's injectors.
from typing import Any

import brevitas.inject as bi
import brevitas.proxy as bp
import brevitas.quant as bq
import torch
from torch import Tensor, nn

from lossy_lightning.core import InputError


class _Sign(torch.autograd.Function):
    """Sign with a straight-through gradient where ``|x| <= 1``; each way is one pass of vectorized kernels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        if torch.compiler.is_compiling():  # the compiler fuses passes, and takes no `out` that is not contiguous
            return x.ge(0).to(x.dtype) * 2 - 1
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


def quantizers(weight_bit_width: int, input_bit_width: int) -> dict[str, Any]:
    """Brevitas's arguments for the two bit widths."""
    for name, bit_width in (("weight_bit_width", weight_bit_width), ("input_bit_width", input_bit_width)):
        if bit_width not in (1, 2, 3, 4, 5, 6, 7, 8, 32):
            raise InputError(f"{name} must be 1, 2 to 8, or 32 (not quantized); got {bit_width!r}")
    return {
        "weight_quant": _of_width(weight_bit_width, _BinaryWeight, bq.Int8WeightPerTensorFloat),
        "input_quant": _of_width(input_bit_width, _BinaryInput, bq.Int8ActPerTensorFloat),
    }


def _of_width(bit_width: int, binary: Any, integer: Any) -> Any:
    if bit_width == 32:
        return None
    return binary if bit_width == 1 else integer.let(bit_width=bit_width)
