"""What a checkpoint says of the data that its network was trained on."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn, Protocol

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lossy_lightning.core import Codec, CodeSpec, InputError, MissingFileError, SignalForm, data_state
from lossy_lightning.core.errors import MissingClassesError
from lossy_lightning.data._chosen_codecs import ChosenCodecs
from lossy_lightning.data._remaking import described

_SHOWN = 30
"""Names of classes that an error lists; the others are counted."""


class Stated(Protocol):
    """What a datamodule states of its data."""

    codecs: ChosenCodecs[Codec]
    classes: tuple[str, ...] | None
    sample_rate: int | None

    @property
    def spec(self) -> CodeSpec:
        """Of the codes."""

    @property
    def signal_form(self) -> SignalForm:
        """What files' signals are brought to."""


def state_of(data: Stated, arguments: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint keeps of a datamodule: codecs with their tensors, classes, spec, rate, and our version.

    Args:
        data: The datamodule.
        arguments: What its constructor was given.
    """
    return {
        "codecs": data.codecs.state_dict(),
        "classes": None if data.classes is None else list(data.classes),
        "num_classes": num_classes(data),
        "spec": data.spec,
        "sample_rate": data.sample_rate,
        "signal_form": data.signal_form._asdict(),
        "version": _version(),
        "name": type(data).__qualname__,
        "arguments": described(arguments),
    }


def read_state(path: str | Path, name: str) -> dict[str, Any]:
    """What a checkpoint keeps of a datamodule of a class.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no checkpoint, or that of another datamodule.
    """
    if not Path(path).is_file():
        raise MissingFileError(f"there is no checkpoint {path}; train first, or set another path")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # bytes of another kind make the unpickler raise whatever they happen to mean
        raise InputError(f"{path} is no checkpoint, or does not load weights-only ({type(error).__name__})") from None
    state = data_state(checkpoint) if isinstance(checkpoint, dict) else None
    if state is None or state.get("name") != name:
        of = "no EncodedDataModule" if state is None else state.get("name", "an earlier version")
        raise InputError(f"{path} is a checkpoint of {of}, not of {name}: load it with the class that it was made with")
    return state


def check_classes(data: Stated, state: dict[str, Any]) -> None:
    """Check that numbers of classes, and samples of sounds, mean what they did in training.

    Raises:
        MisconfigurationException: If classes, their order or the sample rate are others; names both.
    """
    if "codecs" not in state:
        raise MisconfigurationException(
            "the checkpoint was made by an earlier version of lossy_lightning, and does not say what classes it was "
            "trained on: train again"
        )
    name = type(data).__name__
    theirs, own, number = state["classes"], data.classes, state["num_classes"]
    if theirs is not None and own is not None and theirs != list(own):
        told = "the same order" if sorted(theirs) == sorted(own) else "the same classes"
        raise MisconfigurationException(
            f"this network was trained on the classes {_listed(theirs)}, but {name} has {_listed(own)}: its outputs "
            f"would stand for other classes; use data of {told}"
        )
    if number is not None and num_classes(data) not in (None, number):
        raise MisconfigurationException(
            f"this network was trained on {number} classes, but {name} has {num_classes(data)}; use data of the same "
            "classes"
        )
    if state["sample_rate"] != data.sample_rate:
        raise MisconfigurationException(
            f"this network was trained on sounds of {_rate(state['sample_rate'])}, but {name} has sounds of "
            f"{_rate(data.sample_rate)}; set sample_rate to that of training"
        )


def check_fields(data: Stated, state: dict[str, Any]) -> None:
    """Check that codes are made of the same fields; their grid may be another, as that of a crop is.

    Raises:
        MisconfigurationException: If they are not; names both.
    """
    if state["spec"].fields != data.spec.fields:
        raise MisconfigurationException(
            f"this network was trained on codes of {state['spec']}, but {type(data).__name__} gives {data.spec}; use "
            "the codec, and signals of as many channels, of training"
        )


def num_classes(data: Stated) -> int | None:
    """Number of classes; None if it is not stated, as if targets are no classes."""
    return getattr(data, "num_classes", None)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def _rate(rate: int | None) -> str:
    return "any rate" if rate is None else f"{rate} Hz"


def _version() -> str | None:
    try:
        return version("lossy_lightning")
    except PackageNotFoundError:  # a source tree that is not installed
        return None


class NotStated:
    """A number of classes that a datamodule does not state."""

    def __get__(self, data: Stated | None, kind: type) -> NoReturn:
        """Say what to do.

        Raises:
            AttributeError: Always, so that the attribute is none.
        """
        raise MissingClassesError(f"{kind.__name__} does not state its number of classes; set num_classes in the class")
