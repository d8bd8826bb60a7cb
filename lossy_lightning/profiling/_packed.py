"""Quantized kernels of torch, whose weights are packed into objects that are no tensors."""

import re
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lossy_lightning.profiling.widths import dtype_bit_width, tensors_of

_KERNELS = re.compile(r"^(_?quantized|onednn|mkldnn_prepacked|prepacked)::")
_CONVOLUTIONS = re.compile(r"conv(_transpose)?\d?d?(_|$)|qconv")
_CELLS = re.compile(r"(lstm|gru|rnn_(tanh|relu))_cell")
_FOUR_BITS = ("_weight_int4pack_mm", "_dyn_quant_matmul_4bit", "_weight_int4pack_mm_with_scales_and_zeros")


class Work(NamedTuple):
    """What a kernel computes.

    Attributes:
        macs: Multiply-accumulates.
        bit_width: Of the wider factor.
    """

    macs: int
    bit_width: int


def is_kernel(name: str) -> bool:
    """Whether an operation is of torch's libraries of quantized kernels."""
    return _KERNELS.match(name) is not None


def unpack(item: Any) -> list[Tensor]:
    """The tensors in a packed object, or in containers of such; those of anything else are left out."""
    if isinstance(item, Tensor):
        return [item]
    if isinstance(item, (list, tuple)):
        return [tensor for part in item for tensor in unpack(part)]
    if not isinstance(item, torch.ScriptObject):
        return []
    packed: Any = item
    return unpack(packed.unpack() if packed._has_method("unpack") else packed.__getstate__())


def packed_work(name: str, args: Any, out: Any) -> Work | None:
    """What a quantized kernel computes, None if that is not known.

    Args:
        name: Of the operation, as `operation_name` gives it.
        args: Its arguments.
        out: What it returned.
    """
    given = tensors_of(args)
    if not given:
        return None
    kernel = name.partition("::")[2] or name
    first, made = given[0], next(iter(tensors_of(out)), None)
    if made is None:
        return None
    if kernel in ("_weight_int8pack_mm", "_weight_int4pack_mm_for_cpu", *_FOUR_BITS):
        bits = 8 if "int8" in kernel else 4
        return Work(first.numel() * made.shape[-1], max(bits, dtype_bit_width(first)))
    if kernel in ("quantized_lstm", "quantized_gru"):
        weights = [tensor for tensor in unpack(args[2]) if tensor.ndim == 2]
        positions = first.numel() // first.shape[-1]
        return Work(positions * _numel(weights), _width(first, weights))
    if not is_kernel(name):
        return None
    held = unpack([arg for arg in args if isinstance(arg, torch.ScriptObject)]) or given[1:]
    weights = [tensor for tensor in held if tensor.ndim > 1]
    macs = _macs(kernel, first, weights, made) if weights else None
    return None if macs is None else Work(macs, _width(first, weights))


def _macs(kernel: str, first: Tensor, weights: list[Tensor], made: Tensor) -> int | None:
    if _CELLS.search(kernel):
        return len(first) * _numel(weights)
    if _CONVOLUTIONS.search(kernel):
        return (first if "transpose" in kernel else made).numel() * weights[0][0].numel()
    if "linear" in kernel:
        return made.numel() * first.shape[-1]
    return first.numel() * weights[0].shape[-1] if kernel == "matmul" else None


def _numel(tensors: list[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def packed_rows(name: str, args: Any, out: Any) -> tuple[int, int] | None:
    """Rows read and additions of a look-up in a packed table, None for other kernels."""
    if not is_kernel(name) or "::embedding" not in name or "pack" in name:
        return None
    indices = tensors_of(args[1:])[0]
    made = tensors_of(out)[0]
    return indices.numel(), indices.numel() * made.shape[-1] if "bag" in name else 0


def _width(first: Tensor, weights: list[Tensor]) -> int:
    """Bits of the wider factor; kernels that take floats beside quantized weights quantize these alike on their way."""
    width = max(map(dtype_bit_width, weights))
    floats = not any(weight.is_quantized or weight.dtype == torch.int8 for weight in weights)
    return max(width, dtype_bit_width(first)) if floats or first.is_quantized else max(width, 8)
