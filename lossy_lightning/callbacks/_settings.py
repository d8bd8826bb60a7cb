"""What a run is made of, in few words."""

import inspect
import os
from collections.abc import Mapping
from pydoc import locate
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from torch import nn

from lossy_lightning.core import Codec

_PARTS = ("stem", "backbone", "optimizer", "lr_scheduler")
_LONGEST = 120

Setting = str | int


def settings(trainer: Trainer, module: LightningModule) -> dict[str, Setting]:
    """Name and short text, or number, of each part of a run; empty texts for those that it has not.

    The first five by the alphabet, which TensorBoard shows, say most.

    Args:
        trainer: Of the run.
        module: That it trains or tests. Its parts are told by its hyperparameters, as the command line keeps them, else
            by their classes.
    """
    data = getattr(trainer, "datamodule", None)
    given = dict(module.hparams)
    parts = {name: _text(given.pop(name, None)) or _class_of(getattr(module, name, None)) for name in _PARTS}
    seed = os.environ.get("PL_GLOBAL_SEED", "")
    return {
        "backbone": _short(parts["backbone"]),
        "codec": _short(_codecs(data)),
        "data": "" if data is None else type(data).__name__,
        "seed": int(seed) if seed.isdecimal() else "",
        "stem": _short(parts["stem"]),
        "task": _short(_call(type(module), given)),
        "training": _short(_training(trainer, data, parts)),
    }


def _training(trainer: Trainer, data: Any, parts: dict[str, str]) -> str:
    epochs, batch, augmentation = trainer.max_epochs, getattr(data, "batch_size", None), _augmentation(data)
    told = [
        parts["optimizer"],
        parts["lr_scheduler"],
        f"{trainer.max_steps} steps" if epochs is None or epochs < 0 else f"{epochs} epochs",
        f"batches of {batch}" if isinstance(batch, int) else "",
        f"augmented by {augmentation}" if augmentation else "",
        str(trainer.precision),
    ]
    return ", ".join(filter(None, told))


def _augmentation(data: Any) -> str:
    return _class_of(getattr(data, "augmentation", None))


def _codecs(data: Any) -> str:
    """The codec of the data, and others that some of them go through."""
    if not isinstance(codec := getattr(data, "codec", None), Codec):
        return ""
    named = getattr(getattr(data, "codecs", None), "named", {"codec": codec})
    return "; ".join(_text(each) if each is codec else f"{name}={_text(each)}" for name, each in named.items())


def _text(value: Any) -> str:
    """A plain value, a codec, or what a configuration names, as code writes it; empty for anything else."""
    match value:
        case str():
            return repr(value) if "." not in value else value.rpartition(".")[2]
        case bool() | int() | float():
            return repr(value)
        case list() | tuple() if type(value) in (list, tuple):
            texts = list(map(_text, value))
            return f"[{', '.join(texts)}]" if all(texts) else ""
        case {"class_path": str(path)}:
            return _call(locate(path) or path.rpartition(".")[2], value.get("init_args") or {})
        case Codec():
            kind = type(value)
            names = inspect.signature(kind).parameters
            return _call(kind, {name: getattr(value, name) for name in names if hasattr(value, name)})
    return ""


def _call(made: Any, arguments: Mapping[str, Any]) -> str:
    """The call that makes something, without arguments that have their default or no text."""
    name = made if isinstance(made, str) else made.__name__
    try:
        known = {} if isinstance(made, str) else inspect.signature(made).parameters
    except ValueError:  # some built-in classes have no signature
        known = {}
    default = {key: parameter.default for key, parameter in known.items()}
    shown = [
        f"{key}={text}"
        for key, value in sorted(arguments.items(), key=lambda item: [*known, item[0]].index(item[0]))
        if not key.startswith("_") and (text := _text(value)) and not _equal(value, default.get(key))
    ]
    return f"{name}({', '.join(shown)})" if shown else name


def _equal(value: Any, default: Any) -> bool:
    # 0 and 0.0 are equal, and so are a YAML list and a Python tuple.
    return _text(value) == _text(default) or (isinstance(value, int | float) and value == default)


def _class_of(part: Any) -> str:
    return type(part).__name__ if isinstance(part, nn.Module) else ""


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
