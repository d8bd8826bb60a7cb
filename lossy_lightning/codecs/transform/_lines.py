"""What quantizers of spectral lines have in common."""

import torch
from torch import Tensor

from lossy_lightning.codecs.transform.mdct import MOST_LINES
from lossy_lightning.core import Codec, InputError
from lossy_lightning.core.arguments import check_integers


class LineQuantizer(Codec):
    """A codec of the spectral lines of sound, ``(..., channels * size, frames)`` float32, that knows what lines mean.

    Args:
        size: Lines of a frame, 4 to 4096; those of the `MDCT`.
        sample_rate: Of the sounds in Hz.

    Raises:
        ValueError: If a number is out of range.
    """

    sample_rate: int
    idempotent = False

    def __init__(self, size: int, sample_rate: int) -> None:
        check_integers(4, size=size)
        check_integers(1, sample_rate=sample_rate)
        if size > MOST_LINES:
            raise InputError(f"{type(self).__name__} takes 4 to {MOST_LINES} lines, as MDCT makes them; got {size=}")
        self.size = size
        self.sample_rate = sample_rate

    def _checked(self, lines: Tensor) -> Tensor:
        """Lines ``(..., channels * size, frames)`` as ``(..., channels, frames, size)``."""
        if lines.dtype != torch.float32 or not bool(lines.isfinite().all()):
            raise InputError(f"{type(self).__name__} quantizes finite float32 lines; got {lines.dtype}, or NaN")
        return torch.unflatten(lines, -2, (self._channels(lines.shape[-2], self.size), self.size)).mT

    def _channels(self, given: int, each: int) -> int:
        """Channels of the sound, of those of lines or codes."""
        if not given or given % each:
            raise InputError(
                f"{self!r} takes {each} channels for each of the sound; got {given}: use MDCT({self.size})"
            )
        return given // each
