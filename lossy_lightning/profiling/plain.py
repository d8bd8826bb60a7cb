"""Weights that are no parameters: plain attributes, packed weights, constants of frozen TorchScript."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from lossy_lightning.profiling._packed import unpack

_NAMES = ("weight", "bias")
_OWN = frozenset(nn.Module().__dict__)  # of every module


def plain_tensors(modules: Iterable[nn.Module]) -> Iterator[tuple[nn.Module, Tensor]]:
    """Tensors that modules hold as plain attributes, alone or in lists, tuples and dicts, each with its module."""
    modules = list(modules)
    held = {id(tensor) for module in modules for tensor in held_tensors(module)}
    for module in modules:
        for value in _attributes(module).values():
            for tensor in _tensors(value):
                if id(tensor) not in held:
                    yield module, tensor


def held_tensors(module: nn.Module) -> list[Tensor]:
    """A module's own parameters and buffers."""
    held = (*module._parameters.values(), *module._buffers.values())
    return [tensor for tensor in held if tensor is not None]


def plain_weights(module: nn.Module) -> Iterator[Tensor]:
    """What a module holds as weights beside its parameters, as far as its attributes tell.

    These are plain tensors named ``weight…`` or ``bias…``, unless they are made of parameters (weight normalisation,
    pruning), what is packed for quantized kernels, and the constants of a frozen module of TorchScript.
    """
    made = {name.rpartition("_")[0] for name in module._parameters.keys()}  # noqa: SIM118  # weight_g, weight_orig
    for name, value in _attributes(module).items():
        if name.startswith(_NAMES) and name not in made:
            yield from (tensor for tensor in _tensors(value) if tensor.grad_fn is None)
        else:
            yield from (tensor for packed in _packed(value) for tensor in unpack(packed))
    if isinstance(module, torch.jit.ScriptModule) and not module._c.hasattr("training"):
        yield from _constants(module)


def _attributes(module: nn.Module) -> dict[str, Any]:
    if isinstance(module, torch.jit.ScriptModule):
        return {}
    return {name: value for name, value in module.__dict__.items() if name not in _OWN}


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif type(value) in (list, tuple, dict):
        for part in value.values() if isinstance(value, dict) else value:
            if isinstance(part, Tensor):
                yield part


def _packed(value: Any) -> Iterator[Any]:
    if isinstance(value, torch.ScriptObject):
        yield value
    elif isinstance(value, (list, tuple)):
        yield from (part for part in value if isinstance(part, torch.ScriptObject))


def _constants(module: torch.jit.ScriptModule) -> Iterator[Tensor]:
    """The tensors that freezing wrote into a module's code."""
    if module._c._has_method("forward"):
        graph: Any = module.inlined_graph
        for node in graph.findAllNodes("prim::Constant"):
            if node.hasAttribute("value") and node.kindOf("value") == "t" and node.t("value").ndim:
                yield node.t("value")
