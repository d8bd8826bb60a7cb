"""What one torch operation costs: multiply-accumulates, look-ups, and the kind of feature it makes.

Operations are named as `torch.utils._python_dispatch.TorchDispatchMode` sees them: the functions and modules of torch
all break down into these.
"""

import re
from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

Formula = Callable[[Any, Tensor], int]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Operation -> multiply-accumulates from its arguments and its first output. The literature counts the padding too.
_MACS: dict[str, Formula] = {
    "mm": lambda args, out: args[0].numel() * args[1].shape[-1],
    "_int_mm": lambda args, out: args[0].numel() * args[1].shape[-1],
    "bmm": lambda args, out: args[0].numel() * args[1].shape[-1],
    "addmm": lambda args, out: args[1].numel() * args[2].shape[-1],
    "_addmm_activation": lambda args, out: args[1].numel() * args[2].shape[-1],
    "addbmm": lambda args, out: args[1].numel() * args[2].shape[-1],
    "baddbmm": lambda args, out: args[1].numel() * args[2].shape[-1],
    "mv": lambda args, out: args[0].numel(),
    "addmv": lambda args, out: args[1].numel(),
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
}
# Arguments that are multiplied, if these are not the first two.
_FACTORS = {"addmm": (1, 2), "_addmm_activation": (1, 2), "addbmm": (1, 2), "baddbmm": (1, 2), "addmv": (1, 2)} | {
    name: (0, 1, 2) for name in _MACS if "attention" in name or name in ("_trilinear", "mkldnn_rnn_layer")
}
NORMALISATIONS = _names(
    "native_batch_norm cudnn_batch_norm miopen_batch_norm _native_batch_norm_legit _batch_norm_no_update "
    "_native_batch_norm_legit_no_training _batch_norm_with_update native_layer_norm native_group_norm "
    "_fused_rms_norm"
)
_POOLINGS = _names(
    "avg_pool2d avg_pool3d max_pool2d_with_indices max_pool3d_with_indices mkldnn_max_pool2d mkldnn_max_pool3d "
    "_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d fractional_max_pool2d "
    "fractional_max_pool3d"
)
# Operations that only move values about, so that n bits stay n bits (views are known to torch).
_MOVES = _names(
    "clone copy _to_copy _unsafe_view _reshape_copy cat stack unsafe_split unsafe_split_with_sizes unsafe_chunk "
    "index index_select gather take embedding flip roll rot90 repeat repeat_interleave constant_pad_nd "
    "reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d "
    "pixel_shuffle pixel_unshuffle channel_shuffle im2col max_pool2d_with_indices max_pool3d_with_indices "
    "adaptive_max_pool2d adaptive_max_pool3d upsample_nearest1d upsample_nearest2d upsample_nearest3d amax "
    "masked_select lift lift_fresh detach t transpose squeeze unsqueeze as_strided _unsafe_index"
)
# What the names of torch's other products have in common: transforms, decompositions, solvers, distances, quantized or
# sparse products, fused layers. Interpolation is no product, nor is the part of a recurrent cell after its products.
_PRODUCTS = re.compile(
    r"mm(_|$)|matmul|conv(?!ert)|linear(?!\d)|attention|transformer|_fft_|linalg|[cp]dist|_euclidean_dist"
    r"|cholesky|solve|qr(f|$)|(?<!_thnn_fused_)(rnn|lstm|gru)"
)


def operation_name(func: Any) -> str:
    """Name of a dispatched operation; an in-place form has the name of the plain one.

    Example:
        >>> operation_name(torch.ops.aten.add_.Tensor)
        'add'
    """
    namespace, name = func._schema.name.split("::")
    if namespace != "aten":
        return f"{namespace}::{name}"
    return str(name[:-1] if name.endswith("_") and not name.endswith("__") else name)


def multiply_accumulates(func: Any, args: Any, kwargs: Any, out: Any) -> int:
    """Multiply-accumulates of one operation, 0 if it makes none.

    Operations of users and of other libraries count by `torch.utils.flop_counter.register_flop_formula`.

    Source:
        Kernel weights x output positions for convolutions, rows x columns x depth for products.
    """
    name = operation_name(func)
    if name in _MACS:
        return int(_MACS[name](args, next(leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor))))
    if name.startswith("_embedding_bag") and len(args) > 6 and args[6] is not None:  # weighted rows
        return int(args[1].numel() * args[0].shape[1])
    if func.overloadpacket in flop_registry:
        return int(flop_registry[func.overloadpacket](*args, **kwargs, out_val=out)) // 2  # FLOPs: two a MAC
    return 0


def factors(func: Any, args: Any) -> list[Tensor]:
    """The tensors that an operation multiplies with one another."""
    name = operation_name(func)
    if name.startswith("_embedding_bag"):
        return [args[0], args[6]]
    if name == "_cudnn_rnn":
        return [args[0], *args[1]]
    if name in _MACS:
        return [args[index] for index in _FACTORS.get(name, (0, 1))]
    return [leaf for leaf in tree_leaves(args) if isinstance(leaf, Tensor)]


def is_pooling(func: Any, args: Any) -> bool:
    """Whether an operation is a pooling; a mean or maximum over all axes after the channels is a global one."""
    name = operation_name(func)
    if name in ("mean", "amax") and len(args) > 1 and isinstance(args[1], (list, tuple)):
        ndim = args[0].ndim
        return ndim > 2 and {axis % ndim for axis in args[1]} == set(range(2, ndim))
    return name in _POOLINGS


def is_move(func: Any) -> bool:
    """Whether an operation only moves values about."""
    return func.is_view or operation_name(func) in _MOVES


def may_be_missed(func: Any, args: Any, out: Any) -> bool:
    """Whether an operation without a formula may multiply and accumulate: products of torch, and foreign operations.

    Pointwise operations, reductions and views, as torch tags them, do not. Neither does what makes no floats or reads
    no tensor.
    """
    if is_move(func) or torch.Tag.pointwise in func.tags or torch.Tag.reduction in func.tags:
        return False
    makes_floats = any(isinstance(leaf, Tensor) and _is_real(leaf) for leaf in tree_leaves(out))
    if not makes_floats or not any(isinstance(leaf, Tensor) for leaf in tree_leaves(args)):
        return False
    name = operation_name(func)
    return "::" in name or _PRODUCTS.search(name) is not None


def _is_real(tensor: Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


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
