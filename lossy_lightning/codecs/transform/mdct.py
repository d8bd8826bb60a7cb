"""The modified discrete cosine transform, as an analysis of sound."""

from collections.abc import Mapping
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor

from lossy_lightning.codecs.transform.analysis import FieldAnalysis
from lossy_lightning.core import CodeSpec, Field, InputError
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.functional import imdct, mdct, overlap_add

MOST_LINES = 4096
_ALPHA = 4.0  # of the Kaiser-Bessel-derived window, as AAC has it for long blocks


class MDCT(FieldAnalysis):
    """Spectral lines of sound: ``(..., channels, samples)`` int16 to ``(..., channels * size, frames)``.

    Frames of ``2 * size`` samples overlap by half; the first one begins ``size`` samples before the sound, and what is
    beyond its ends is silence, so there are ``ceil(samples / size) + 1`` frames. Lines are orthonormal, in units of
    samples, and the inverse is exact up to rounding. The field is ``lines``, one channel a line, channel after channel.

    Args:
        size: Lines of a frame, 4 to 4096.
        window: ``"sine"``, as of MP3, or ``"kbd"``, Kaiser-Bessel-derived as of AAC (alpha 4), whose distant lines leak
            less.

    Raises:
        ValueError: If an argument is none of these.

    Source: Princen, Johnson, Bradley, Subband/transform coding using filter bank designs based on time domain aliasing
        cancellation, ICASSP 1987; ISO/IEC 14496-3 (2009), 4.6.11.3.2 (windows).

    Example:
        >>> MDCT(256)(torch.zeros(1, 16_000, dtype=torch.int16)).shape
        torch.Size([256, 64])
    """

    signal_axes = 2
    frame_window: Tensor

    def __init__(self, size: int, window: str = "sine") -> None:
        super().__init__()
        check_integers(4, size=size)
        if size > MOST_LINES or window not in ("sine", "kbd"):
            raise InputError(f"MDCT has 4 to 4096 lines and a window 'sine' or 'kbd'; got {size=}, {window=}")
        self.size = size
        self.window = window
        shape = _sine(size) if window == "sine" else _kaiser_bessel_derived(size)
        self.register_buffer("frame_window", shape, persistent=False)
        self._limit = ceil(2**15 * (2 / size) ** 0.5 * float(shape.sum())) + 1

    def fields(self, signal: Tensor) -> dict[str, Tensor]:
        """Lines of a sound.

        Raises:
            ValueError: If the signal is not of int16 samples, or shorter than a frame's lines.
        """
        if signal.dtype != torch.int16:
            raise InputError(f"MDCT takes sounds of int16 samples; got {signal.dtype}: round and clip the signal")
        self.layout(tuple(signal.shape[-2:]))
        padded = F.pad(signal.double(), (self.size, self.size + -signal.shape[-1] % self.size))
        frames = padded.unfold(-1, 2 * self.size, self.size)
        return {"lines": mdct(frames, self.frame_window).mT.flatten(-3, -2).float()}

    def signal(self, fields: Mapping[str, Tensor], shape: tuple[int, ...]) -> Tensor:
        """The sound of lines, int16."""
        channels, samples = shape[-2:]
        lines = torch.unflatten(fields["lines"].double(), -2, (channels, self.size)).mT
        whole = overlap_add(imdct(lines, self.frame_window))
        sound = whole.narrow(-1, self.size, samples)
        return sound.round().clamp(-(2**15), 2**15 - 1).to(torch.int16)

    def whole(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """``(channels, samples)`` of sounds without an incomplete frame."""
        return shape[0] // self.size, (shape[1] - 1) * self.size

    def layout(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """The field ``lines``, and the greatest lines that samples of 16 bits can give.

        Raises:
            ValueError: If the shape is not (channels, samples), or the sound is shorter than a frame's lines.
        """
        if len(shape) != 2 or shape[0] is None or shape[0] < 1:
            raise InputError(f"MDCT takes sounds of shape (channels, samples); got {tuple(shape)}")
        channels, samples = shape[0], shape[1]
        if samples is not None and samples < self.size:
            raise InputError(f"MDCT({self.size}) needs sounds of {self.size} or more samples; got {samples}: pad them")
        frames = None if samples is None else -(-samples // self.size) + 1
        ends = (self._limit,) * (channels * self.size)
        return CodeSpec([Field("lines", [-end for end in ends], ends, True)], (frames,))

    def extra_repr(self) -> str:
        """The arguments."""
        return f"size={self.size}, window={self.window!r}"


def _sine(size: int) -> Tensor:
    return torch.sin(torch.pi / (2 * size) * (torch.arange(2 * size, dtype=torch.float64) + 0.5))


def _kaiser_bessel_derived(size: int) -> Tensor:
    kaiser = torch.kaiser_window(size + 1, periodic=False, beta=torch.pi * _ALPHA, dtype=torch.float64)
    rising = (kaiser.cumsum(0)[:-1] / kaiser.sum()).sqrt()
    return torch.cat([rising, rising.flip(0)])
