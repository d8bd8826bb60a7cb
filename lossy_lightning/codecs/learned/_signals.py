"""Samples of signals as networks take them, and how encoders divide them into cells."""

from typing import Any

import torch
from torch import Tensor, nn

from lossy_lightning.core import InputError


def to_unit(signal: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Integer samples scaled to [-1, 1].

    Example:
        >>> to_unit(torch.tensor([0, 255], dtype=torch.uint8))
        tensor([-1.,  1.])
    """
    info = torch.iinfo(signal.dtype)
    return (signal.to(dtype) - info.min) * (2 / (info.max - info.min)) - 1


def from_unit(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Values in [-1, 1] as integer samples, rounded and clipped; the inverse of `to_unit`."""
    info = torch.iinfo(dtype)
    samples = (values + 1) * ((info.max - info.min) / 2) + info.min
    return samples.round().clamp(info.min, info.max).to(dtype)


def stride_of(encoder: nn.Module, codec: str) -> tuple[int, ...]:
    """Samples of a cell along each axis, as an encoder tells.

    Raises:
        ValueError: If it tells none, or one of signals that are neither sounds nor images.
    """
    stride: Any = getattr(encoder, "stride", None)
    if not isinstance(stride, (tuple, list)) or len(stride) not in (1, 2):
        raise InputError(
            f"the encoder of a {codec} tells the samples of a cell along each axis, such as stride=(4, 4); got "
            f"{stride!r} from {type(encoder).__name__}"
        )
    return tuple(stride)
