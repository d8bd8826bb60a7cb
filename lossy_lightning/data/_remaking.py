"""Datamodules made again from what a checkpoint keeps of them."""

import importlib
import inspect
import sys
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities.parsing import collect_init_args
from torch import Tensor

from lossy_lightning.core import Codec, InputError

_OURS = "lossy_lightning"


class NotPlainError(Exception):
    """A value that a checkpoint cannot hold: it would not load weights-only, or not be made again."""


def given_arguments() -> dict[str, Any]:
    """What the datamodule whose constructor calls this was given, the outermost class's arguments."""
    frame = inspect.currentframe()
    assert frame is not None
    return collect_init_args(frame, [], classes=(LightningDataModule,))[-1]


def described(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments as a checkpoint holds them, and the names of those that it cannot hold."""
    kept, left_out = {}, []
    for name, value in arguments.items():
        try:
            kept[name] = _describe(value)
        except NotPlainError:
            left_out.append(name)
    return {"kept": kept, "left_out": left_out}


def remade(state: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Arguments that a checkpoint describes, some of them changed.

    Raises:
        ValueError: If one that it could not hold is not given.
    """
    missing = [name for name in state["left_out"] if name not in changes]
    if missing:
        raise InputError(
            f"a checkpoint cannot hold the arguments {', '.join(missing)} of this datamodule; give them to "
            "load_from_checkpoint, such as codec=VQ((2, 2), 16), or transform=None if they are not needed"
        )
    return {name: _make(value) for name, value in state["kept"].items() if name not in changes} | changes


def _describe(value: Any, of_codec: bool = False) -> Any:
    match value:
        case Enum() if _is_ours(type(value)):
            return {"module": type(value).__module__, "class": type(value).__qualname__, "member": value.name}
        case Enum():
            raise NotPlainError
        case None | bool():
            return value
        case int() | float() | str():
            # Numbers of NumPy are among them, which would not load weights-only.
            return next(kind(value) for kind in (int, float, str) if isinstance(value, kind))
        case Tensor():
            return value.detach().cpu()
        case np.ndarray():
            return {"array": torch.from_numpy(value.copy())}
        case Path():
            return str(value)
        case list() | tuple():
            items = [_describe(item, of_codec) for item in value]
            return tuple(items) if isinstance(value, tuple) else items
        case dict():
            return {"items": [(_describe(key), _describe(item, of_codec)) for key, item in value.items()]}
    return _described_object(value, of_codec)


def _described_object(value: Any, of_codec: bool) -> dict[str, Any]:
    """A codec, or a part of one that is ours, by its class and arguments, which it keeps as attributes."""
    kind = type(value)
    known = isinstance(value, Codec) or (of_codec and _is_ours(kind))
    names = list(inspect.signature(kind).parameters) if known else None
    if names is None or "<locals>" in kind.__qualname__ or not all(hasattr(value, name) for name in names):
        raise NotPlainError
    made = {name: _describe(getattr(value, name), True) for name in names}
    return {"module": kind.__module__, "class": kind.__qualname__, "arguments": made}


def _make(described: Any) -> Any:
    match described:
        case {"module": module, "class": name, "arguments": arguments}:
            return _class(module, name)(**{key: _make(value) for key, value in arguments.items()})
        case {"module": module, "class": name, "member": member}:
            return getattr(_class(module, name), member)
        case {"array": array}:
            return array.numpy()
        case {"items": items}:
            return {_make(key): _make(value) for key, value in items}
        case list() | tuple():
            return type(described)(_make(value) for value in described)
    return described


def _class(module: str, name: str) -> type:
    """A class by its name; of other packages only what is imported already, and only codecs, lest a file run code.

    Raises:
        ValueError: If it is none of these.
    """
    ours = module.partition(".")[0] == _OURS
    found: Any = importlib.import_module(module) if ours else sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type) or not (issubclass(found, Codec) or _is_ours(found)):
        raise InputError(
            f"the checkpoint names the codec {module}.{name}, which is not imported, or none; import it first, or give "
            "codec= to load_from_checkpoint"
        )
    return found


def _is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == _OURS
