"""What a trainer's datamodule says of its codes, if it is one that does."""

from collections.abc import Callable
from typing import Any

from lightning.pytorch import Trainer

from lossy_lightning.core import Codec, CodeSpec


def spec_of_data(trainer: Trainer) -> CodeSpec | None:
    """The spec of the codes."""
    spec = _of_data(trainer, "spec")
    return spec if isinstance(spec, CodeSpec) else None


def codec_of_data(trainer: Trainer) -> Codec | None:
    """The codec that the codes are made with."""
    codec = _of_data(trainer, "codec")
    return codec if isinstance(codec, Codec) else None


def signal_shape(trainer: Trainer) -> tuple[int, ...] | None:
    """Shape of a signal, without batch, None if it varies."""
    shape = _of_data(trainer, "signal_shape")
    return None if shape is None or None in shape else tuple(shape)


def class_names(trainer: Trainer, number: int) -> list[str]:
    """Names of so many classes, or their numbers if the data do not name just these."""
    names = _of_data(trainer, "classes")
    return list(names) if names is not None and len(names) == number else [str(i) for i in range(number)]


def codec_for(trainer: Trainer, split: str, target: int) -> Codec | None:
    """The codec that an example of a split was made with, by its class if the data say so."""
    chosen = _of_data(trainer, "codec_for")
    return codec_of_data(trainer) if chosen is None else chosen(split, target)


def sample_rate_of_data(trainer: Trainer) -> int | None:
    """Samples a second, None if nothing says so, as for images."""
    codec = codec_of_data(trainer)
    return _of_data(trainer, "sample_rate") or (None if codec is None else codec.sample_rate)


def example_names(trainer: Trainer, split: str) -> Callable[[int], str]:
    """What the data call the examples of a split, such as the paths of their files."""
    source = source_of_data(trainer, split)
    return (lambda index: f"example {index}") if source is None else source.describe


def source_of_data(trainer: Trainer, split: str) -> Any:
    """The examples of a split as they are read, None if the data do not have them."""
    examples = _of_data(trainer, "examples")
    return None if examples is None else examples(split)


def signals_of_data(trainer: Trainer, split: str) -> Any:
    """The signals of a split, None if the data do not have them."""
    signals = _of_data(trainer, "signals")
    return None if signals is None else signals(split)


def _of_data(trainer: Trainer, name: str) -> Any:
    return getattr(getattr(trainer, "datamodule", None), name, None)
