"""Objects in files: class path and constructor arguments as JSON, made again without pickle."""

import importlib
import inspect
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lossy_lightning.core.codec import Codec
from lossy_lightning.core.errors import InputError

_OURS = "lossy_lightning"
#: Modules of others that our codecs are made of; making one runs nothing that a file says.
_PARTS = {f"vector_quantize_pytorch.{name}" for name in ("FSQ", "LFQ", "ResidualVQ", "VectorQuantize")}
_PARTS |= {"torch.nn.Hardtanh", "torch.nn.Identity", "torch.nn.Tanh"}


def describe(value: Any) -> Any:
    """A value as JSON: plain ones as they are, an object by the path of its class and its constructor's arguments.

    Args:
        value: Numbers, texts, arrays, sequences, mappings from texts, and objects of this package, which keep each
            argument as an attribute. A codec of your own is described, too, but `make` makes only ours.

    Raises:
        ValueError: If it is something else.

    Example:
        >>> from lossy_lightning.codecs import PCM
        >>> describe(PCM())
        {'class': 'lossy_lightning.codecs.pcm.PCM', 'arguments': {'bit_width': 8}}
    """
    kind = type(value)
    ours = kind.__module__.partition(".")[0] == _OURS
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, (list, tuple)) and not ours:
        return [describe(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"items": {key: describe(item) for key, item in value.items()}}
    if isinstance(value, (Tensor, np.ndarray)):
        return {"array": np.asarray(value).tolist(), "dtype": str(np.asarray(value).dtype)}
    if not isinstance(value, Codec) and not ours:
        raise InputError(f"a file holds numbers, texts and our objects; got {value!r}")
    names = list(inspect.signature(kind).parameters)
    if not all(hasattr(value, name) for name in names):
        raise InputError(f"{kind.__name__} does not keep the arguments that it was made with, so no file can tell them")
    arguments = {name: describe(getattr(value, name)) for name in names}
    return {"class": f"{kind.__module__}.{kind.__qualname__}", "arguments": arguments}


def make(told: Any) -> Any:
    """The value that `describe` described; sequences come back as tuples.

    Raises:
        ValueError: If it names a class that is not of this package, or that this version does not have.

    Example:
        >>> make({"class": "lossy_lightning.codecs.PCM", "arguments": {"bit_width": 16}})
        PCM(bit_width=16)
    """
    match told:
        case {"class": _, "arguments": _}:
            return maker(told)()
        case {"items": items}:
            return {key: make(value) for key, value in items.items()}
        case {"array": values, "dtype": dtype}:
            return torch.from_numpy(np.array(values, dtype))
        case list():
            return tuple(make(item) for item in told)
    return told


def maker(told: dict[str, Any]) -> Callable[..., Any]:
    """What makes the object described, from arguments that come before those described.

    Raises:
        ValueError: As `make`.
    """
    kind = _class(told["class"])
    arguments = {name: make(value) for name, value in told["arguments"].items()}
    return lambda *first: kind(*first, **arguments)


def describe_codec(codec: Codec, made: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """A codec as JSON, and its tensors by name.

    Args:
        codec: The codec.
        made: Its class and arguments as `describe` tells them, for a codec of modules, which do not keep theirs.

    Raises:
        ValueError: If an argument of the codec is nothing that JSON holds, or no object of this package.
    """
    told: dict[str, Any] = describe(codec) if made is None else dict(made)
    state = codec.state_dict() if isinstance(codec, nn.Module) else {}
    tensors = {
        name: value.detach().cpu().contiguous().numpy() for name, value in state.items() if isinstance(value, Tensor)
    }
    told["state"] = {name: describe(value) for name, value in state.items() if not isinstance(value, Tensor)}
    return told, tensors


def make_codec(told: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Codec:
    """The codec that `describe_codec` described.

    Raises:
        ValueError: If it is not of this package, or the tensors are not its own.
    """
    if told["arguments"] is None:
        raise InputError(f"the file names the codec {told['class']}, not what it is made of; give the codec")
    made = make(told)
    if not isinstance(made, Codec):
        raise InputError(f"the file names {told['class']} as its codec, which is none")
    if isinstance(made, nn.Module):
        fitted = {name: torch.from_numpy(np.array(value)) for name, value in tensors.items()}
        try:
            made.load_state_dict(fitted | told["state"])
        except RuntimeError as error:
            raise InputError(f"the tensors in the file are not those of {made}: {error}") from error
    return made


def _class(path: str) -> type:
    """A class of this package by its path; files run no other code."""
    module, _, name = path.rpartition(".")
    if module.partition(".")[0] != _OURS and path not in _PARTS:
        raise InputError(f"the file names {path}, which is not of this package; give the codec, if it is one of yours")
    found = getattr(importlib.import_module(module), name, None)
    if not isinstance(found, type) or (found.__module__.partition(".")[0] != _OURS and path not in _PARTS):
        raise InputError(f"the file names {path}, which this version of the package does not have")
    return found
