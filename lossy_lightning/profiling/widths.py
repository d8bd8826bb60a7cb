"""Bit widths that quantizers and quantized tensors declare: those of Brevitas, or any with the same interface."""

import math
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves


def is_quantizer(module: nn.Module) -> bool:
    """Whether a module quantizes: it gives its bit width when called, as the quantizer proxies of Brevitas do."""
    return callable(getattr(module, "bit_width", None))


def is_quant_tensor(value: Any) -> bool:
    """Whether something is a quantized tensor: it holds a value and its bit width."""
    return hasattr(value, "bit_width") and hasattr(value, "value")


def declared_bit_width(quantizer: nn.Module | None) -> int | None:
    """Bit width that a quantizer declares, None if it is absent or disabled."""
    if quantizer is None or not is_quantizer(quantizer) or not getattr(quantizer, "is_quant_enabled", True):
        return None
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Brevitas names what a bias quantizer misses, then raises
        try:
            bit_width = quantizer.bit_width()  # type: ignore[operator]
        except RuntimeError:  # a bias quantizer of Brevitas whose scale is known in a forward only
            bit_width = quantizer.tensor_quant.msb_clamp_bit_width_impl()  # type: ignore[operator, union-attr]
    return None if bit_width is None else math.ceil(float(bit_width))


def dtype_bit_width(tensor: Tensor) -> int:
    """Bits of one value in memory."""
    return tensor.element_size() * 8


def tensors_of(tree: Any) -> list[Tensor]:
    """All tensors of nested containers, quantized ones by their value."""
    leaves = (leaf.value if is_quant_tensor(leaf) else leaf for leaf in tree_leaves(tree, is_leaf=is_quant_tensor))
    return [leaf for leaf in leaves if isinstance(leaf, Tensor)]


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
