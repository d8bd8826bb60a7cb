"""Learned codecs out of the checkpoints of the tasks that trained them."""

from argparse import ArgumentError
from pathlib import Path
from typing import Any, TypeVar

import torch
from jsonargparse import ArgumentParser
from torch import nn

from lossy_lightning.core import Codec, InputError

_PREFIXES = ("codec.", "stem.codec.")
_Kind = TypeVar("_Kind", bound=nn.Module)


def codec_of(path: str | Path, kind: type[_Kind], trainers: str) -> _Kind:
    """The codec in a checkpoint of a task that the command line ran.

    Args:
        path: Of the checkpoint.
        kind: Class of the codec.
        trainers: The tasks that train such a codec, as messages name them.

    Raises:
        ValueError: If there is no such file, it is no checkpoint, or it holds no such codec.
    """
    if not Path(path).is_file():
        raise InputError(f"there is no checkpoint {path}; train the codec first, or set another path")
    checkpoint = _loaded(path, trainers)
    hyper = checkpoint.get("hyper_parameters")
    made = hyper.get("codec") if isinstance(hyper, dict) else None
    if not isinstance(made, dict):
        raise InputError(
            f"the checkpoint {path} does not say how its codec is made, as that of {trainers} on the command line "
            "does; for one made in Python, load_from_checkpoint(path, codec=…) and take task.codec"
        )
    codec = _made(path, made, kind)
    state = checkpoint.get("state_dict") or {}
    prefix = next((prefix for prefix in _PREFIXES if any(name.startswith(prefix) for name in state)), _PREFIXES[0])
    try:
        codec.load_state_dict({n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)})
    except RuntimeError as error:
        raise InputError(
            f"the checkpoint {path} does not hold the weights of its {type(codec).__name__}; train the codec again, "
            "or set another path"
        ) from error
    return codec


def _loaded(path: str | Path, trainers: str) -> dict[str, Any]:
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # bytes of another kind make the unpickler raise whatever they happen to mean
        checkpoint = None
    if not isinstance(checkpoint, dict):
        # Raised out here, lest torch's advice to load the file unsafely be shown too.
        raise InputError(
            f"{path} is empty, damaged or no checkpoint; expected is that of {trainers} that the command line ran: "
            "train the codec again, or set another path"
        )
    return checkpoint


def _made(path: str | Path, made: dict[str, Any], kind: type[_Kind]) -> _Kind:
    """Make a codec from what the command line was told."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Codec, "codec", fail_untyped=False)  # the quantizers' arguments have no types
    try:
        codec = parser.instantiate(parser.parse_object({"codec": made})).codec
    except (ArgumentError, ValueError, TypeError) as error:
        raise InputError(
            f"the checkpoint {path} names {made.get('class_path')} as its codec, which is none or refuses its "
            "arguments; train the codec again, or set another path"
        ) from error
    if not isinstance(codec, kind):
        name = type(codec).__name__
        instead = f"take {name}.from_checkpoint" if hasattr(type(codec), "from_checkpoint") else "set another path"
        raise InputError(f"the codec of the checkpoint {path} is no {kind.__name__} but {name}; {instead}")
    return codec
