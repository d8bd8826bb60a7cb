"""What a trainer's datamodule says of its codes, if it is one that does."""

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


def _of_data(trainer: Trainer, name: str) -> Any:
    return getattr(getattr(trainer, "datamodule", None), name, None)
