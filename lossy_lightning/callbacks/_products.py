"""What functions of torch multiply: the operands of every product, whichever function makes it."""

from typing import Any


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PAIRS = _names(
    "linear matmul __matmul__ __rmatmul__ mm bmm mv dot vdot vecdot inner tensordot linalg_matmul linalg_vecdot "
    "_scaled_mm _int_mm conv_tbc convolution conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d"
)
_SUMS = _names("addmm addbmm baddbmm addmv addr sspaddmm sparse_sampled_addmm")  # the first argument is added
# Position of the operands of others, which may be weights or features.
_OTHERS = {
    "bilinear": (0, 1, 2),
    "scaled_dot_product_attention": (0, 1, 2),
    "multi_head_attention_forward": (0, 1, 2, 5, 11),
    "linalg_multi_dot": (0,),
    "chain_matmul": tuple(range(16)),
    "einsum": tuple(range(1, 64)),
} | {f"{kind}{cell}": (0, 1, 2, 3) for kind in ("lstm", "gru", "rnn_tanh", "rnn_relu") for cell in ("", "_cell")}
_KEYWORDS = (
    "input", "self", "weight", "other", "mat1", "mat2", "batch1", "batch2", "mat", "vec", "vec1", "vec2", "tensor", "a",
    "b", "query", "key", "value", "input1", "input2", "in_proj_weight", "out_proj_weight", "q_proj_weight",
    "k_proj_weight", "v_proj_weight",
)  # fmt: skip
# Functions that hand on the values of their first argument in another shape or order.
_MOVES = _names(
    "t transpose swapaxes swapdims permute movedim moveaxis adjoint reshape view view_as flatten unflatten unsqueeze "
    "squeeze expand expand_as contiguous clone detach pad narrow select __getitem__ unbind chunk split ravel rename "
    "refine_names align_to to float broadcast_to"
)
_READ = frozenset(["T", "mT", "H", "mH", "data"])  # attributes that do so


def operands(func: Any, args: Any, kwargs: Any) -> list[Any] | None:
    """What a function multiplies with one another, None if it is no product.

    Example:
        >>> import torch
        >>> len(operands(torch.addmm, (torch.zeros(1), torch.ones(2, 3), torch.ones(3, 2)), {}))
        2
    """
    name = getattr(func, "__name__", "").rstrip("_") if "__" not in getattr(func, "__name__", "") else func.__name__
    if name in _PAIRS:
        places: tuple[int, ...] = (0, 1)
    elif name in _SUMS:
        places = (1, 2)
    elif name in _OTHERS:
        places = _OTHERS[name]
    else:
        return None
    keys = _KEYWORDS[1:] if name in _SUMS else _KEYWORDS
    found = [args[place] for place in places if place < len(args)] + [kwargs[key] for key in keys if key in kwargs]
    flat = [part for item in found for part in (item if type(item) in (list, tuple) else (item,))]
    return list(reversed(flat)) if name == "__rmatmul__" else flat


def is_pair(func: Any) -> bool:
    """Whether the first operand of a product is the input, and the second the weight, if nothing else is known."""
    name = getattr(func, "__name__", "")
    return name in _PAIRS or name.rstrip("_") in _SUMS


def moved(func: Any, args: Any) -> Any:
    """The argument whose values a function hands on in another shape or order, None if it does more than that.

    Example:
        >>> import torch
        >>> moved(torch.Tensor.reshape, (torch.ones(2), (2, 1))).shape
        torch.Size([2])
    """
    name = getattr(func, "__name__", "")
    if name == "__get__":
        name = getattr(getattr(func, "__self__", None), "__name__", "")
        return args[0] if name in _READ else None
    return args[0] if name in _MOVES and args else None
