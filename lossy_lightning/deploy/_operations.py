"""Which operations of torch do what, by their names."""

import torch

_MOVES = """
view _unsafe_view reshape _reshape_copy permute transpose t unsqueeze squeeze slice select narrow expand alias detach
clone contiguous cat stack constant_pad_nd unfold index index_select pixel_unshuffle flip roll repeat split
split_with_sizes unbind lift_fresh movedim
"""
_NORMS = "native_batch_norm _native_batch_norm_legit_no_training _batch_norm_no_update cudnn_batch_norm"
_POOLINGS = "max_pool2d_with_indices max_pool1d avg_pool1d avg_pool2d mean _adaptive_avg_pool2d"
_OTHERS = "_to_copy copy empty_like zeros_like ones_like full_like _prelu_kernel prelu"

#: Move values about and change none.
MOVES = frozenset(_MOVES.split())
#: Multiply with weights.
PRODUCTS = frozenset(("convolution", "mm", "addmm", "bmm", "linear"))
#: Add up rows of a table.
LOOKUPS = frozenset(("_embedding_bag", "_embedding_bag_forward_only", "embedding"))
#: Reduce positions of the grid.
POOLINGS = frozenset(_POOLINGS.split())
#: Normalise by known statistics.
NORMS = frozenset(_NORMS.split())
#: Have steps, so that what is behind them may be one of two values.
STEPS = frozenset(("ge", "gt", "le", "lt", "sign", "signbit", "heaviside", "eq", "ne"))
#: Of two tensors, value by value.
JOINS = frozenset(("add", "sub", "mul"))
_POINTWISE = frozenset(_OTHERS.split()) | NORMS


def is_pointwise(function: torch._ops.OpOverload, name: str) -> bool:
    """Whether each value of the output depends on the value in its place alone."""
    return name in _POINTWISE or torch.Tag.pointwise in function.tags
