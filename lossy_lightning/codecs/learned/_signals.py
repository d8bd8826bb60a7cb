"""Samples of signals as networks take them, and how encoders divide them into cells."""

from collections.abc import Callable, Sequence
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


def grid_of(sizes: Sequence[int | None], pitch: Sequence[int]) -> tuple[int | None, ...]:
    """Positions along each axis of the grid of a signal, whose sizes are padded to multiples of the pitch.

    Raises:
        ValueError: If the signal has no samples.
    """
    if any(size is not None and size < 1 for size in sizes):
        raise InputError(f"a signal has one or more samples along each axis; got sizes {tuple(sizes)}")
    return tuple(None if size is None else -(-size // width) for size, width in zip(sizes, pitch, strict=True))


def output_of(
    network: Callable[[Tensor], Tensor], name: str, x: Tensor, channels: int | None, sizes: Sequence[int]
) -> Tensor:
    """Output of a codec's encoder or decoder, which neither knows what the other and the codec were made for.

    Args:
        network: What is called.
        name: Of the network, for messages.
        x: Its input.
        channels: Of the output; None: any.
        sizes: Of the output's other axes.

    Raises:
        ValueError: If it does not take the input, or makes something of another shape.
    """
    came = f"{tuple(x.shape[1:])} of each example"
    mend = "make encoder, decoder and codec for the same channels, latents and stride"
    try:
        output = network(x)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:  # so torch says that sizes do not go together
        (reason, *_) = str(error).splitlines() or [""]
        raise InputError(f"the {name} does not take {came}: {reason}; {mend}") from error
    expected = (len(x), *(output.shape[1:2] if channels is None else [channels]), *sizes)
    if output.shape != expected:
        raise InputError(f"the {name} makes {tuple(output.shape[1:])} of {came}, not {expected[1:]}; {mend}")
    return output
