"""The state of a tensor of any layout, noted and put back bit by bit."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_PARTS = {
    torch.sparse_coo: ("_indices", "_values"),
    torch.sparse_csr: ("crow_indices", "col_indices", "values"),
    torch.sparse_bsr: ("crow_indices", "col_indices", "values"),
    torch.sparse_csc: ("ccol_indices", "row_indices", "values"),
    torch.sparse_bsc: ("ccol_indices", "row_indices", "values"),
}


def parts_of(tensor: Tensor) -> list[tuple[str, Any]]:
    """What a tensor holds: its gradient, the tensors that it is made of, and attributes that it was given."""
    parts: list[tuple[str, Any]] = list(tensor.__dict__.items())
    if tensor.is_leaf and tensor.grad is not None:
        parts.append(("grad", tensor.grad))
    if hasattr(tensor, "__tensor_flatten__"):  # a wrapper: jagged, distributed
        parts += [(name, getattr(tensor, name)) for name in tensor.__tensor_flatten__()[0]]
    else:
        parts += [(name, getattr(tensor.detach(), name)()) for name in _PARTS.get(tensor.layout, ())]
    return parts


def keep_tensor(tensor: Tensor) -> Callable[[], None]:
    """Note a tensor's values, memory, gradient and attributes; returns what puts them back.

    Values are noted byte by byte, so that any layout, overlapping memory, NaN and tensors of inference mode are put
    back exactly, and autograd sees no change.
    """
    leaf, needs_grad = tensor.is_leaf, tensor.requires_grad
    grad = tensor.grad if leaf else None
    attributes = dict(tensor.__dict__)
    alias = tensor.detach()
    place = _place(tensor)
    put_back_values = _keep_values(tensor)

    def restore() -> None:
        if _place(tensor) != place:
            tensor.data = alias
        put_back_values()
        if leaf:
            if tensor.requires_grad != needs_grad:
                tensor.requires_grad_(needs_grad)
            if tensor.grad is not grad:
                tensor.grad = grad
        if tensor.__dict__ != attributes:
            tensor.__dict__.clear()
            tensor.__dict__.update(attributes)

    return restore


def _place(tensor: Tensor) -> tuple[Any, ...]:
    """Where a tensor's values lie; of one without memory of its own, the number of changes so far."""
    if tensor.layout in _PARTS:
        parts = [getattr(tensor.detach(), name)() for name in _PARTS[tensor.layout]]
        return tuple((part.data_ptr(), tuple(part.shape)) for part in parts)
    try:
        storage = tensor.untyped_storage()
        pointer = None if storage.device.type == "meta" else storage.data_ptr()
    except (RuntimeError, NotImplementedError):
        return ()
    if tensor.is_nested:
        return (pointer,)
    return pointer, tuple(tensor.shape), tensor.stride(), tensor.storage_offset(), tensor.dtype


def _keep_values(tensor: Tensor) -> Callable[[], None]:
    memory = _memory(tensor)
    if memory is None:
        return lambda: None
    values = _copy(memory)

    def restore() -> None:
        if not torch.equal(memory, values.to(memory.device)):
            memory.copy_(values)

    return restore


def _copy(memory: Tensor) -> Tensor:
    try:
        return memory.clone()
    except torch.OutOfMemoryError:
        return memory.cpu()


def _memory(tensor: Tensor) -> Tensor | None:
    """The bytes that a tensor takes of its storage, as integers; None if it has none of its own."""
    if tensor.numel() == 0 or tensor.layout != torch.strided or hasattr(tensor, "__tensor_flatten__"):
        return None
    try:
        storage = tensor.untyped_storage()
        if storage.device.type == "meta":
            return None
        if tensor.is_nested:  # its parts lie anywhere in it
            return torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)
        size = tensor.element_size()
        span = sum((length - 1) * step for length, step in zip(tensor.shape, tensor.stride(), strict=True)) + 1
        first, count = tensor.storage_offset() * size, span * size
        dtype, width = (torch.int64, 8) if first % 8 == count % 8 == 0 else (torch.uint8, 1)
        empty = torch.empty(0, dtype=dtype, device=storage.device)
        return empty.set_(storage, first // width, (count // width,), (1,))
    except (RuntimeError, NotImplementedError):  # no memory that torch knows of
        return None
