"""Bit widths that quantizers and quantized tensors declare: those of Brevitas, or any with the same interface."""

import math
import re
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

_NARROW = re.compile(r"u?int([1-7])$")  # dtypes of torch that take a byte each, for now
_PACKED = {torch.quint4x2: 4, torch.quint2x4: 2}


def is_quantizer(module: nn.Module) -> bool:
    """Whether a module quantizes: it gives its bit width when called, as the quantizer proxies of Brevitas do.

    A layer or a network that tells its bit width, too, is none: it holds weights.
    """
    declares = callable(getattr(module, "bit_width", None)) or callable(getattr(module, "mantissa_bit_width", None))
    if not declares or isinstance(getattr(module, "is_quant_enabled", None), bool):
        return declares
    return not any(sum(size > 1 for size in parameter.shape) > 1 for parameter in module.parameters())


def is_quant_tensor(value: Any) -> bool:
    """Whether something is a quantized tensor: it holds a value and its bit width, or those of a float's parts."""
    holds = not isinstance(value, (Tensor, nn.Module)) and hasattr(value, "value")
    return holds and (hasattr(value, "bit_width") or hasattr(value, "mantissa_bit_width"))


def quant_tensor_bit_width(quantized: Any) -> int:
    """Bits of a value of a quantized tensor; a floating-point one has a sign, an exponent and a mantissa."""
    if hasattr(quantized, "mantissa_bit_width"):
        return math.ceil(float(quantized.mantissa_bit_width) + float(quantized.exponent_bit_width)) + 1
    return math.ceil(float(quantized.bit_width))


def declared_bit_width(quantizer: nn.Module | None) -> int | None:
    """Bit width that a quantizer declares, None if it is absent, disabled, or known in a forward only."""
    if quantizer is None or not is_quantizer(quantizer) or not getattr(quantizer, "is_quant_enabled", True):
        return None
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Brevitas names what a bias quantizer misses, then raises
        for ask in (_of_the_whole, _of_the_parts, _of_the_clamp):
            try:
                bit_width = ask(quantizer)
            except Exception:  # a quantizer that needs the scale or the width of its input, in a forward only
                continue
            if bit_width is not None:
                return math.ceil(float(bit_width))
    return None


def _of_the_whole(quantizer: Any) -> Any:
    return quantizer.bit_width()


def _of_the_parts(quantizer: Any) -> Any:
    return quantizer.mantissa_bit_width() + quantizer.exponent_bit_width() + 1


def _of_the_clamp(quantizer: Any) -> Any:
    inner = getattr(quantizer, "fused_activation_quant_proxy", quantizer)
    return inner.tensor_quant.msb_clamp_bit_width_impl()


def dtype_bit_width(tensor: Tensor) -> int:
    """Bits of one value in memory.

    Example:
        >>> dtype_bit_width(torch.zeros(2)), dtype_bit_width(torch.zeros(2, dtype=torch.int8))
        (32, 8)
    """
    narrow = _NARROW.search(str(tensor.dtype))
    if narrow:
        return int(narrow[1])
    return _PACKED.get(tensor.dtype) or tensor.dtype.itemsize * 8


def tensors_of(tree: Any) -> list[Tensor]:
    """All tensors of nested containers, quantized ones by their value."""
    found: list[Tensor] = []
    waiting = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Tensor):
            found.append(item)
        elif isinstance(item, tuple) and is_quant_tensor(item):
            waiting.append(item.value)  # type: ignore[attr-defined]
        elif isinstance(item, (list, tuple)):
            waiting.extend(reversed(item))
        elif isinstance(item, dict):
            waiting.extend(reversed(item.values()))
        elif hasattr(item, "value") and is_quant_tensor(item):
            waiting.append(item.value)
    return found


def owners(model: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """Each module with its name and the name of the layer that it belongs to: itself, or what a quantizer serves."""
    inside: dict[str, str] = {}  # name of a quantizer -> its owner
    for name, module in model.named_modules():
        parent = name.rpartition(".")[0]
        while parent and parent not in inside:
            parent = parent.rpartition(".")[0]
        if parent in inside:
            yield name, module, inside[parent]
        elif name and is_quantizer(module):
            inside[name] = name.rpartition(".")[0]
            yield name, module, inside[name]
        else:
            yield name, module, name
