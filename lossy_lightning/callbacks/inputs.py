"""From a batch to what a module's `forward` takes."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

from lossy_lightning.core import InputError


def first_tensor(batch: Any) -> Tensor:
    """The first tensor of a batch: its input, in most data sets.

    Args:
        batch: Tensors in lists, tuples and dicts of any nesting.

    Raises:
        ValueError: If there is none.

    Example:
        >>> first_tensor({"image": torch.ones(2), "label": torch.zeros(2)})
        tensor([1., 1.])
    """
    for leaf in tree_leaves(batch):
        if isinstance(leaf, torch.Tensor):
            return leaf
    raise InputError(f"a batch with a tensor is needed; got {type(batch).__name__} without one: give an input_fn")


def second_item(batch: Any) -> Any:
    """The target of a batch ``(input, target, ...)``."""
    return batch[1]


def first_example(inputs: Any) -> Any:
    """The first example of some batched inputs, as a batch of one.

    Args:
        inputs: Tensors ``(N, ...)`` in any nesting; what is not of the first tensor's length N stays whole.

    Example:
        >>> first_example({"image": torch.ones(2, 3), "weight": torch.ones(5)})["image"].shape
        torch.Size([1, 3])
    """
    first = first_tensor(inputs)
    length = first.shape[0] if first.ndim else 0
    return tree_map_only(Tensor, lambda t: t[:1] if t.ndim and t.shape[0] == length else t, inputs)
