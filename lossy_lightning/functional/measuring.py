"""Running a model for a measurement and leaving everything as it was."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves

from lossy_lightning.functional._state import State, module_hooks


@contextmanager
def undisturbed(model: nn.Module, *inputs: Any) -> Iterator[None]:
    """Run a model in evaluation mode without gradients, and leave everything as it was.

    Afterwards all that can be reached from the model and the inputs is as before, to the last bit: parameters and
    buffers of any layout and their gradients, modes, hooks, attributes of modules and of the objects that they hold,
    hidden states, caches, counters, metrics, iterators, arrays, what functions hold in closures, own generators of
    random numbers; and so are the random states of Python, NumPy and torch. It is put back in place, so that
    references stay valid. Trainers, loggers, data sets, files and threads are not touched, nor what hooks on the model
    hold, unless `hooks_of` is among the inputs. Work that draws random numbers or changes the inputs (an ``input_fn``)
    belongs inside, too.

    Args:
        model: Whatever modules are run within. `torch.enable_grad` may be entered within.
        inputs: What they are given: batches, functions, anything else that could change.

    Raises:
        ValueError: If a lazy module has no parameters yet, or if something cannot be put back; the message names it.

    Example:
        >>> dropout = nn.Dropout()
        >>> with undisturbed(dropout):
        ...     dropout.training
        False
        >>> dropout.training
        True
    """
    _check_initialized(model)
    devices = sorted({tensor.device.index for tensor in _tensors(model, inputs) if tensor.device.type == "cuda"})
    fastpath = torch.backends.mha.get_fastpath_enabled()
    python_state, numpy_state = random.getstate(), np.random.get_state()
    with _plain():
        state = State(model, inputs)
    try:
        torch.backends.mha.set_fastpath_enabled(False)  # one opaque operation otherwise
        for module in model.modules():
            if hasattr(module, "training"):  # a frozen module of TorchScript has no mode
                module.training = False
        with torch.random.fork_rng(devices), torch.no_grad():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        with _plain():
            state.put_back()


def hooks_of(model: nn.Module) -> list[Any]:
    """The hooks that somebody registered on a model's modules, such as one that notes features.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> handle = layer.register_forward_hook(print)
        >>> len(hooks_of(layer))
        1
    """
    return [hook for module in model.modules() for hooks in module_hooks(module) for hook in hooks.values()]


@contextmanager
def _plain() -> Iterator[None]:
    """Read and write memory as it is, whatever modes are on."""
    with torch.inference_mode(False), torch.no_grad(), _disable_current_modes():
        yield


def _tensors(model: nn.Module, inputs: Any) -> list[Tensor]:
    leaves = (leaf for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor))
    return [*model.parameters(), *model.buffers(), *leaves]


def _check_initialized(model: nn.Module) -> None:
    """Check that lazy modules have their parameters.

    Raises:
        ValueError: If one has not.
    """
    for name, parameter in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(parameter):
            raise ValueError(f"{name} has no size before the first forward; got a lazy module: run one batch first")
