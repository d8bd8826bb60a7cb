"""Running a model for a measurement and leaving it as it was."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_leaves


@contextmanager
def undisturbed(model: nn.Module, *inputs: Any) -> Iterator[None]:
    """Run a model in evaluation mode without gradients; afterwards modes, buffers and random state are as before.

    Args:
        model: Whatever modules are run within.
        inputs: What they are given; the random state of its devices is kept, too.

    Raises:
        ValueError: If a lazy module has no parameters yet.

    Example:
        >>> dropout = nn.Dropout()
        >>> with undisturbed(dropout):
        ...     dropout.training
        False
        >>> dropout.training
        True
    """
    _check_initialized(model)
    modules = list(model.modules())
    modes = [module.training for module in modules]
    buffers = [dict(module._buffers) for module in modules]
    values = [{name: b.clone() for name, b in held.items() if b is not None} for held in buffers]
    tensors = [*model.parameters(), *(leaf for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor))]
    devices = sorted({tensor.device.index for tensor in tensors if tensor.device.type == "cuda"})
    fastpath = torch.backends.mha.get_fastpath_enabled()
    python_state, numpy_state = random.getstate(), np.random.get_state()
    try:
        torch.backends.mha.set_fastpath_enabled(False)  # one opaque operation otherwise
        for module in modules:
            module.training = False
        with torch.random.fork_rng(devices), torch.no_grad():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        for module, mode, held, saved in zip(modules, modes, buffers, values, strict=True):
            module.training = mode
            for name, buffer in held.items():
                if module._buffers.get(name) is not buffer:
                    module._buffers[name] = buffer
            with torch.no_grad():
                for name, value in saved.items():
                    # One made in inference mode may not be written to, so only what has changed is.
                    if not value.is_meta and not torch.equal(held[name], value):  # type: ignore[arg-type]
                        held[name].copy_(value)  # type: ignore[union-attr]


def _check_initialized(model: nn.Module) -> None:
    """Check that lazy modules have their parameters.

    Raises:
        ValueError: If one has not.
    """
    for name, parameter in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(parameter):
            raise ValueError(f"{name} has no size before the first forward; got a lazy module: run one batch first")
