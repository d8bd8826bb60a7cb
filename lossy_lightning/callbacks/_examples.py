"""One example of a batch, as the arguments of a module's `forward`."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch.nn.utils.rnn import PackedSequence

from lossy_lightning.callbacks.inputs import first_tensor, items_in, parts_of, tensors_in, with_parts

_CHANNELS = 4  # of an image or a sound: a first axis no longer than this is no batch if other signs lack


class Call(NamedTuple):
    """What `forward` is given.

    Attributes:
        arguments: By position.
        keywords: By name.
        examples: How many examples these are.
    """

    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    examples: int


def calls(forward: Callable[..., Any], inputs: Any, batch_size: int | None) -> Iterator[Call]:
    """Ways to call a module on its inputs, best first: one example, then the whole batch.

    Examples of different size, in lists, in packed sequences or in nested tensors, are only taken together: what they
    cost in the mean is per example, what the first one costs is not.

    Args:
        forward: Of the module.
        inputs: One argument, a tuple of several, or a dict whose keys are names of parameters of `forward`.
        batch_size: Of the loader, None if it has none; it tells a list of examples from a list of batched tensors.
    """
    examples, together = _examples(inputs, batch_size)
    if not together:
        yield _call(forward, _first(inputs, examples, {}), 1)
    if together or examples > 1:
        yield _call(forward, inputs, examples)


def _call(forward: Callable[..., Any], inputs: Any, examples: int) -> Call:
    if isinstance(inputs, tuple) and not hasattr(inputs, "_fields"):
        return Call(inputs, {}, examples)
    if isinstance(inputs, dict) and _takes_keywords(forward, inputs):
        return Call((), inputs, examples)
    return Call((inputs,), {}, examples)


def _takes_keywords(forward: Callable[..., Any], inputs: dict[Any, Any]) -> bool:
    """Whether a dict is meant as keywords: all of them are named parameters, or `forward` takes nothing else."""
    kinds = {name: parameter.kind for name, parameter in inspect.signature(forward).parameters.items()}
    named = {name for name, kind in kinds.items() if kind in (kind.POSITIONAL_OR_KEYWORD, kind.KEYWORD_ONLY)}
    if inputs and named.issuperset(inputs):
        return True
    return all(kind in (kind.VAR_KEYWORD, kind.KEYWORD_ONLY) for kind in kinds.values())


def _examples(inputs: Any, batch_size: int | None) -> tuple[int, bool]:
    """How many examples some inputs hold, and whether they can only be taken together."""
    for item in items_in(inputs):
        if isinstance(item, PackedSequence):
            return int(item.batch_sizes[0]), True
        if isinstance(item, torch.Tensor) and item.is_nested:
            return item.size(0), True
        if isinstance(item, list) and _are_examples(item, batch_size):
            return len(item), _is_ragged(inputs, len(item))
    tensors = [tensor for tensor in tensors_in(inputs) if tensor.ndim]
    if batch_size is not None and any(len(tensor) == batch_size for tensor in tensors):
        return batch_size, _is_ragged(inputs, batch_size)
    if batch_size is not None and any(tensor.shape[1:2] == (batch_size,) for tensor in tensors):
        return batch_size, True  # time first
    first = first_tensor(inputs)
    return (len(first), _is_ragged(inputs, len(first))) if first.ndim else (1, True)


def _are_examples(items: list[Any], batch_size: int | None) -> bool:
    """Whether a list holds examples, rather than the columns of a batch."""
    if not items or not all(isinstance(item, torch.Tensor) for item in items):
        return False
    lengths = {item.size(0) if item.ndim else 0 for item in items}
    if batch_size is not None and (len(items) == batch_size) != (lengths == {batch_size}):
        return len(items) == batch_size
    if len(lengths) > 1:
        return True
    return all(item.ndim in (2, 3) and len(item) <= _CHANNELS for item in items)


def _is_ragged(inputs: Any, examples: int) -> bool:
    """Whether some list holds examples that differ in size."""
    for item in items_in(inputs):
        if isinstance(item, list) and len(item) == examples:
            shapes = [[tensor.shape for tensor in tensors_in(one)] for one in item]
            if any(shape != shapes[0] for shape in shapes) and not _are_columns(item, examples):
                return True
    return False


def _first(inputs: Any, examples: int, done: dict[int, Any]) -> Any:
    """The first example as a batch of one; what is not of as many examples stays whole."""
    if isinstance(inputs, torch.Tensor):
        return inputs[:1] if inputs.ndim and len(inputs) == examples else inputs
    if id(inputs) in done:
        return done[id(inputs)]
    if isinstance(inputs, list) and len(inputs) == examples and not _are_columns(inputs, examples):
        return inputs[:1]
    done[id(inputs)] = inputs  # what holds itself
    parts = parts_of(inputs)
    if parts:
        done[id(inputs)] = with_parts(inputs, {key: _first(part, examples, done) for key, part in parts.items()})
    return done[id(inputs)]


def _are_columns(items: list[Any], examples: int) -> bool:
    """Whether a list as long as the batch holds batched tensors all the same."""
    batched = all(isinstance(item, torch.Tensor) and item.ndim and len(item) == examples for item in items)
    return batched and not _are_examples(items, None)
