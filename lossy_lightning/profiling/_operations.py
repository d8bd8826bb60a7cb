"""What one torch operation costs: multiply-accumulates, look-ups, and the kind of feature it makes.

Operations are named as `torch.utils._python_dispatch.TorchDispatchMode` sees them: the functions and modules of torch
all break down into these.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from math import ceil, log2, prod
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

from lossy_lightning.profiling._packed import is_kernel
from lossy_lightning.profiling.widths import dtype_bit_width, tensors_of

Formula = Callable[[Any, Tensor], int | None]


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Operation -> multiply-accumulates from its arguments and its first output. The literature counts the padding too.
_MACS: dict[str, Formula] = {
    "mm": lambda args, out: _product(*args[:2]),
    "_int_mm": lambda args, out: _product(*args[:2]),
    "_scaled_mm": lambda args, out: _product(*args[:2]),
    "bmm": lambda args, out: _product(*args[:2]),
    "addmm": lambda args, out: _product(*args[1:3]),
    "_sparse_addmm": lambda args, out: _product(*args[1:3]),
    "_addmm_activation": lambda args, out: _product(*args[1:3]),
    "addbmm": lambda args, out: _product(*args[1:3]),
    "baddbmm": lambda args, out: _product(*args[1:3]),
    "sparse_sampled_addmm": lambda args, out: _stored(out) * args[1].shape[-1],
    "_sparse_mm_reduce_impl": lambda args, out: _product(*args[:2]),
    "mv": lambda args, out: _stored(args[0]),
    "addmv": lambda args, out: _stored(args[1]),
    "dot": lambda args, out: args[0].numel(),
    "vdot": lambda args, out: args[0].numel(),
    "addr": lambda args, out: out.numel(),
    "_trilinear": lambda args, out: _trilinear(*args[:6]),
    "conv_tbc": lambda args, out: out.numel() * prod(args[1].shape[:2]),
    "convolution": lambda args, out: (args[0] if args[6] else out).numel() * args[1][0].numel(),
    "mkldnn_rnn_layer": lambda args, out: prod(args[0].shape[:-1]) * (args[1].numel() + args[2].numel()),
    "_cudnn_rnn": lambda args, out: prod(args[0].shape[:-1]) * sum(w.numel() for w in args[1] if w.ndim == 2),
    "_scaled_dot_product_flash_attention": lambda args, out: _attention(*args[:3]),
    "_scaled_dot_product_flash_attention_for_cpu": lambda args, out: _attention(*args[:3]),
    "_scaled_dot_product_efficient_attention": lambda args, out: _attention(*args[:3]),
    "_scaled_dot_product_cudnn_attention": lambda args, out: _attention(*args[:3]),
    "_scaled_dot_product_fused_attention_overrideable": lambda args, out: _attention(*args[:3]),
    "flex_attention": lambda args, out: _attention(*args[:3]),
}
# Arguments that are multiplied, if these are not the first two.
_FACTORS = dict.fromkeys(names("addmm _sparse_addmm _addmm_activation addbmm baddbmm addmv"), (1, 2)) | {
    name: (0, 1, 2) for name in _MACS if "attention" in name or name in ("_trilinear", "mkldnn_rnn_layer")
}
_FACTORS["sparse_sampled_addmm"] = (1, 2)
NORMALISATIONS = names(
    "native_batch_norm cudnn_batch_norm miopen_batch_norm _native_batch_norm_legit _batch_norm_no_update "
    "_native_batch_norm_legit_no_training _batch_norm_with_update native_layer_norm native_group_norm "
    "_fused_rms_norm"
)
_POOLINGS = names(
    "avg_pool2d avg_pool3d max_pool2d_with_indices max_pool3d_with_indices mkldnn_max_pool2d mkldnn_max_pool3d "
    "_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d fractional_max_pool2d "
    "fractional_max_pool3d quantized_max_pool1d quantized_max_pool2d quantized_max_pool3d"
)
# Operations that only move values about, so that n bits stay n bits (views are known to torch).
_MOVES = names(
    "clone copy _to_copy _unsafe_view _reshape_copy cat stack unsafe_split unsafe_split_with_sizes unsafe_chunk "
    "index index_select gather take embedding flip roll rot90 repeat repeat_interleave constant_pad_nd "
    "reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d "
    "pixel_shuffle pixel_unshuffle channel_shuffle im2col max_pool2d_with_indices max_pool3d_with_indices "
    "adaptive_max_pool2d adaptive_max_pool3d upsample_nearest1d upsample_nearest2d upsample_nearest3d amax "
    "masked_select lift lift_fresh detach t transpose squeeze unsqueeze as_strided _unsafe_index"
)
_NESTED = names("matmul bmm linear")  # which nested tensors take whole
BLANKS = names("zeros zeros_like new_zeros")
# What the names of torch's other products have in common: transforms, decompositions, solvers, distances, quantized or
# sparse products, fused layers. Interpolation is no product, nor is the part of a recurrent cell after its products.
_PRODUCTS = re.compile(
    r"mm(_|$)|matmul|conv(?!ert)|linear(?!\d)|attention|transformer|_fft_|linalg|[cp]dist|_euclidean_dist"
    r"|cholesky|solve|qr(f|$)|(?<!_thnn_fused_)(rnn|lstm|gru)"
)
_NO_FACTORS = re.compile(r"scale|zero_?point|bias|ind(ex|ices)|offset|mask|length|seed")  # names of arguments
_INDICES = (torch.int64, torch.int32, torch.bool)


@lru_cache(4096)
def operation_name(func: Any) -> str:
    """Name of a dispatched operation; an in-place form has the name of the plain one.

    Example:
        >>> operation_name(torch.ops.aten.add_.Tensor)
        'add'
    """
    if isinstance(func, torch._ops.HigherOrderOperator):
        return str(func._name)
    namespace, name = func._schema.name.split("::")
    if namespace != "aten":
        return f"{namespace}::{name}"
    return str(name[:-1] if name.endswith("_") and not name.endswith("__") else name)


def multiply_accumulates(func: Any, args: Any, kwargs: Any, out: Any) -> int | None:
    """Multiply-accumulates of one operation, None if it makes none that are known.

    Operations of users and of other libraries count by `torch.utils.flop_counter.register_flop_formula`. Products of
    a sparse factor count the values that it stores.

    Source:
        Kernel weights x output positions for convolutions, rows x columns x depth for products.
    """
    name = operation_name(func)
    if name in _NESTED and args[0].is_nested:
        return _nested(name, *args[:2])
    if name in _MACS:
        macs = _MACS[name](args, tensors_of(out)[0])
        return None if macs is None else int(macs)
    if name.startswith("_embedding_bag") and len(args) > 6 and args[6] is not None:  # weighted rows
        return int(args[1].numel() * args[0].shape[1])
    packet = getattr(func, "overloadpacket", None)
    if packet in flop_registry:
        return int(flop_registry[packet](*args, **kwargs, out_val=out)) // 2  # FLOPs: two a MAC
    return None


def factors(func: Any, args: Any) -> list[Tensor]:
    """The tensors that an operation multiplies with one another.

    Of an operation with a registered formula these are its tensors but for indices, scales, biases and the like: by
    name, by dtype, and, beside matrices, what is no more than a vector.
    """
    name = operation_name(func)
    if name.startswith("_embedding_bag"):
        return [args[0], args[6]]
    if name == "_cudnn_rnn":
        return [args[0], *args[1]]
    if name in _MACS or name in _NESTED:
        return [args[index] for index in _FACTORS.get(name, (0, 1))]
    names = [argument.name for argument in func._schema.arguments]
    named = [arg for name, arg in zip(names, args, strict=False) if not _NO_FACTORS.search(name)]
    given = tensors_of(named) or tensors_of(args)
    values = [tensor for tensor in given if tensor.dtype not in _INDICES] or given
    return [tensor for tensor in values if sum(size > 1 for size in tensor.shape) > 1] or values


def is_pooling(func: Any, args: Any) -> bool:
    """Whether an operation is a pooling; a mean or maximum over all axes after the channels is a global one."""
    name = operation_name(func)
    if name in ("mean", "amax") and len(args) > 1 and isinstance(args[1], (list, tuple)):
        ndim = args[0].ndim
        return ndim > 2 and {axis % ndim for axis in args[1]} == set(range(2, ndim))
    return name in _POOLINGS


@lru_cache(4096)
def is_move(func: Any) -> bool:
    """Whether an operation only moves values about."""
    return bool(func.is_view) or operation_name(func) in _MOVES


def quantized_bit_width(func: Any, args: Any) -> int | None:
    """Bits of what an operation puts out, if that is to quantize floats in passing; None for others."""
    name = operation_name(func)
    if name.startswith("fake_quantize"):
        low, high = [arg for arg in args if type(arg) is int][-2:]
        return ceil(log2(high - low + 1))
    if name == "dequantize" or "::dequantize" in name:
        bounds = [arg for arg in args if type(arg) is int][-2:]
        given = dtype_bit_width(args[0])
        return min(given, ceil(log2(bounds[1] - bounds[0] + 1))) if "::" in name and len(bounds) == 2 else given
    return None


def may_be_missed(func: Any, args: Any, out: Any) -> bool:
    """Whether an operation without a formula may multiply and accumulate: products of torch, and foreign operations.

    Pointwise operations, reductions and views, as torch tags them, do not. Neither does what makes nothing but indices
    or truth values, or reads no tensor.
    """
    if not _may_multiply(func):
        return False
    makes_values = any(_is_value(tensor) for tensor in tensors_of(out))
    return makes_values and bool(tensors_of(args))


@lru_cache(4096)
def _may_multiply(func: Any) -> bool:
    if is_move(func) or torch.Tag.pointwise in func.tags or torch.Tag.reduction in func.tags:
        return False
    name = operation_name(func)
    foreign = "::" in name and not is_kernel(name) and not name.startswith("quantized_decomposed::")
    return foreign or _PRODUCTS.search(name.partition("::")[2] or name) is not None


def _is_value(tensor: Tensor) -> bool:
    return tensor.dtype not in (torch.int64, torch.bool)


def _stored(tensor: Tensor) -> int:
    """Values that a tensor stores: all of a dense one."""
    if tensor.layout == torch.strided:
        return tensor.numel()
    values = tensor._values() if tensor.layout == torch.sparse_coo else tensor.values()
    return int(values.numel())


def _product(a: Tensor, b: Tensor) -> int | None:
    """Rows x depth x columns of matrices, stacked or not; of two sparse ones that depends on where their values lie."""
    if b.layout == torch.strided:
        return _stored(a) * int(b.shape[-1])
    return int(a.shape[-2]) * _stored(b) if a.layout == torch.strided else None


def _nested(name: str, a: Tensor, b: Tensor) -> int:
    """Products of nested tensors, part by part."""
    parts = a.unbind()
    others = b.unbind() if b.is_nested else [b] * len(parts)
    return sum(x.numel() * y.shape[0 if name == "linear" else -1] for x, y in zip(parts, others, strict=True))


def _attention(query: Tensor, key: Tensor, value: Tensor) -> int:
    """Both products of scaled dot-product attention, including masked positions."""
    return prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _trilinear(a: Tensor, b: Tensor, c: Tensor, *expanded: list[int]) -> int:
    """Weights x positions of a bilinear layer: the three factors broadcast together."""
    shapes = []
    for factor, axes in zip((a, b, c), expanded, strict=True):
        for axis in sorted(axes):
            factor = factor.unsqueeze(axis)
        shapes.append(factor.shape)
    return prod(max(sizes) for sizes in zip(*shapes, strict=True))
