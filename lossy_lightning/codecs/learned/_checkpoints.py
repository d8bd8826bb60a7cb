"""Learned codecs out of the checkpoints of the tasks that trained them."""

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
    made = checkpoint.get("hyper_parameters", {}).get("codec")
    if not isinstance(made, dict):
        raise InputError(
            f"the checkpoint {path} does not say how its codec is made, as that of {trainers} on the command line "
            "does; for one made in Python, load_from_checkpoint(path, codec=…) and take task.codec"
        )
    codec = _made(made, kind)
    state = checkpoint["state_dict"]
    prefix = next(prefix for prefix in _PREFIXES if any(name.startswith(prefix) for name in state))
    codec.load_state_dict({n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)})
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


def _made(made: dict[str, Any], kind: type[_Kind]) -> _Kind:
    """Make a codec from what the command line was told."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Codec, "codec", fail_untyped=False)  # the quantizers' arguments have no types
    codec = parser.instantiate(parser.parse_object({"codec": made})).codec
    if not isinstance(codec, kind):
        raise InputError(f"the checkpoint's codec is no {kind.__name__} but {codec}")
    return codec
