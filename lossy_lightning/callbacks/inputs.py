"""From a batch to its tensors, and to what a module's `forward` takes."""

import copy
import copyreg
import enum
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from lossy_lightning.core import InputError


def first_tensor(batch: Any) -> Tensor:
    """The first tensor of a batch: its input, in most data sets.

    Args:
        batch: Tensors in lists, tuples, dicts, dataclasses and other objects with attributes, of any nesting.

    Raises:
        ValueError: If there is none.

    Example:
        >>> first_tensor({"image": torch.ones(2), "label": torch.zeros(2)})
        tensor([1., 1.])
    """
    for tensor in tensors_in(batch):
        return tensor
    raise InputError(f"a batch with a tensor is needed; got {type(batch).__name__} without one: give an input_fn")


def second_item(batch: Any) -> Any:
    """The target of a batch ``(input, target, ...)``."""
    return batch[1]


def tensors_in(batch: Any) -> Iterator[Tensor]:
    """All tensors of a batch, in order.

    Example:
        >>> [tensor.item() for tensor in tensors_in([torch.tensor(1), {"a": torch.tensor(2)}, "three"])]
        [1, 2]
    """
    return (item for item in items_in(batch) if isinstance(item, torch.Tensor))


def items_in(batch: Any) -> Iterator[Any]:
    """A batch and all that it holds, in order; what holds itself comes once.

    Example:
        >>> list(items_in([1, [2]]))
        [[1, [2]], 1, [2], 2]
    """
    waiting, seen = [batch], {}
    while waiting:
        item = waiting.pop()
        yield item
        if not isinstance(item, torch.Tensor) and id(item) not in seen:
            seen[id(item)] = item
            waiting.extend(reversed(parts_of(item).values()))


def parts_of(item: Any) -> dict[Any, Any]:
    """What a container holds: its items, or the attributes of an object; empty for anything else.

    Example:
        >>> parts_of([5, 6]), parts_of({"a": 1}), parts_of("text")
        ({0: 5, 1: 6}, {'a': 1}, {})
    """
    if isinstance(item, Mapping):
        return dict(item)
    if isinstance(item, (list, tuple)):
        return dict(enumerate(item))
    if isinstance(item, (type, enum.Enum)) or callable(item):
        return {}
    slots = copyreg._slotnames(type(item))  # type: ignore[attr-defined]
    return dict(getattr(item, "__dict__", {})) | {name: getattr(item, name) for name in slots if hasattr(item, name)}


def with_parts(item: Any, parts: Mapping[Any, Any]) -> Any:
    """A copy of a container with these parts, which are as many as `parts_of` gives.

    Example:
        >>> with_parts({"a": 1}, {"a": 2})
        {'a': 2}
    """
    if isinstance(item, tuple):
        return type(item)(*parts.values()) if hasattr(item, "_fields") else tuple(parts.values())
    if isinstance(item, list):
        return list(parts.values())
    made = copy.copy(item)
    for key, part in parts.items():
        if isinstance(item, Mapping):
            made[key] = part
        else:
            object.__setattr__(made, key, part)  # dataclasses may be frozen
    return made
