"""The codec of a network, in its file: class path, constructor arguments, fitted tensors."""

import importlib
import inspect
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lossy_lightning.core import Codec, InputError
from lossy_lightning.deploy.runtime.network import PackedNetwork

_OURS = "lossy_lightning"
_PREFIX = "codec."


def attach_codec(network: PackedNetwork, codec: Codec) -> PackedNetwork:
    """The network with the codec that made its codes, which `PackedNetwork.save` then writes, too.

    Args:
        network: The network.
        codec: A codec of this package, or one of your own: a file then names it, and `network_codec` takes it from you.

    Raises:
        ValueError: If an argument of the codec is nothing that JSON holds, or no object of this package.

    Example:
        >>> from lossy_lightning.codecs import PCM
        >>> from lossy_lightning.deploy import pack
        >>> from lossy_lightning.nn import MLP, Scale
        >>> spec = PCM().spec((1, 8, 8))
        >>> network = attach_codec(pack(nn.Sequential(Scale(spec), MLP((1, 8, 8), 10)), spec), PCM())
        >>> network_codec(network)
        PCM(bit_width=8)
    """
    tensors = {name: value for name, value in network.tensors.items() if not name.startswith(_PREFIX)}
    told, fitted = describe_codec(codec)
    tensors |= {_PREFIX + name: value for name, value in fitted.items()}
    return PackedNetwork(network.program, tensors, network.classes, told)


def describe_codec(codec: Codec) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """A codec as JSON, and its tensors by name.

    Raises:
        ValueError: If an argument of the codec is nothing that JSON holds, or no object of this package.
    """
    told: dict[str, Any] = _described(codec)
    state = codec.state_dict() if isinstance(codec, nn.Module) else {}
    tensors = {
        name: value.detach().cpu().contiguous().numpy() for name, value in state.items() if isinstance(value, Tensor)
    }
    told["state"] = {name: _described(value) for name, value in state.items() if not isinstance(value, Tensor)}
    return told, tensors


def network_codec(network: PackedNetwork, codec: Codec | None = None) -> Codec:
    """The codec that makes a network's codes.

    Args:
        network: The network.
        codec: Instead of the one that its file tells, such as one of your own.

    Raises:
        ValueError: If the file tells none, or one that is not of this package.
    """
    if codec is not None:
        return codec
    if network.codec is None:
        raise InputError("the network's file does not say which codec made its codes; give the codec")
    tensors = {name.removeprefix(_PREFIX): value for name, value in network.tensors.items() if name.startswith(_PREFIX)}
    return make_codec(network.codec, tensors)


def make_codec(told: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Codec:
    """The codec that `describe_codec` described.

    Raises:
        ValueError: If it is not of this package, or the tensors are not its own.
    """
    made = _made(told)
    if not isinstance(made, Codec):
        raise InputError(f"the network's file names {told['class']} as its codec, which is none")
    if isinstance(made, nn.Module):
        fitted = {name: torch.from_numpy(np.array(value)) for name, value in tensors.items()}
        try:
            made.load_state_dict(fitted | told["state"])
        except RuntimeError as error:
            raise InputError(f"the tensors in the network's file are not those of {made}: {error}") from error
    return made


def _described(value: Any) -> Any:
    """Plain values as they are, objects of a class by its path and arguments, which they keep as attributes."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_described(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"items": {key: _described(item) for key, item in value.items()}}
    if isinstance(value, (Tensor, np.ndarray)):
        return {"array": np.asarray(value).tolist(), "dtype": str(np.asarray(value).dtype)}
    kind = type(value)
    names = list(inspect.signature(kind).parameters)
    if not isinstance(value, Codec) and (kind.__module__.partition(".")[0] != _OURS):
        raise InputError(f"a file holds codecs whose arguments are numbers, texts or our objects; got {value!r}")
    return {
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "arguments": {name: _described(getattr(value, name)) for name in names},
    }


def _made(told: Any) -> Any:
    match told:
        case {"class": path, "arguments": arguments}:
            return _class(path)(**{name: _made(value) for name, value in arguments.items()})
        case {"items": items}:
            return {key: _made(value) for key, value in items.items()}
        case {"array": values, "dtype": dtype}:
            return torch.from_numpy(np.array(values, dtype))
        case list():
            return tuple(_made(item) for item in told)
    return told


def _class(path: str) -> type:
    """A class of this package by its path; files run no other code."""
    module, _, name = path.rpartition(".")
    if module.partition(".")[0] != _OURS:
        raise InputError(f"the network's file names the codec {path}, which is not of this package; give the codec")
    found = getattr(importlib.import_module(module), name, None)
    if not isinstance(found, type) or found.__module__.partition(".")[0] != _OURS:
        raise InputError(f"the network's file names {path}, which this version of the package does not have")
    return found
