"""Analyses: sound as real values over time and frequency, and back."""

import torch
from torch import Tensor

from lossy_lightning.codecs.transform.analysis import Analysis
from lossy_lightning.core import InputError
from lossy_lightning.core.arguments import check_integers, check_numbers
from lossy_lightning.functional import mel_bands

_ITERATIONS = 32


class Spectrogram(Analysis):
    """Magnitudes of short-time spectra: ``(..., channels, samples)`` int16 to ``(..., channels, frequencies, frames)``.

    Samples are scaled to [-1, 1) and windowed by a periodic Hann window around every ``hop_length``-th sample, the
    first and the last samples reflected. The highest frequency (Nyquist) and the last frame are dropped, so that
    there are ``n_fft / 2`` frequencies and ``samples // hop_length`` frames: 128x128 of 16 000 samples by default.

    Phase is not kept: the inverse is Griffin and Lim's, 32 iterations that start from phase zero, not from chance.

    Args:
        n_fft: Samples of the window, even.
        hop_length: Samples from one frame to the next, at most half of the window.
        log: Whether to take the natural logarithm of magnitudes.
        floor: Least magnitude, below which all are equal if ``log``; a full-scale sine has ``n_fft / 4``.

    Raises:
        ValueError: If a number is out of range.

    Source:
        Griffin & Lim, Signal estimation from modified short-time Fourier transform, 1984; Perraudin et al., A fast
        Griffin-Lim algorithm, WASPAA 2013 (torchaudio's).

    Example:
        >>> Spectrogram()(torch.zeros(1, 16_000, dtype=torch.int16)).shape
        torch.Size([1, 128, 128])
    """

    window: Tensor
    keeps_phase = False

    def __init__(self, n_fft: int = 256, hop_length: int = 125, log: bool = True, floor: float = 1e-3) -> None:
        super().__init__()
        check_integers(1, n_fft=n_fft, hop_length=hop_length)
        check_numbers(1e-30, floor=floor)
        if n_fft < 4 or n_fft % 2 or not 1 <= hop_length <= n_fft // 2:
            raise InputError(
                f"a spectrogram needs an even n_fft >= 4 and 1 <= hop_length <= n_fft / 2; got {n_fft=}, {hop_length=}"
            )
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.log = log
        self.floor = floor
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def forward(self, signal: Tensor) -> Tensor:
        """Magnitudes of a signal.

        Raises:
            ValueError: If the signal is not of int16 samples, or shorter than a frame.
        """
        return self._compress(self._magnitudes(signal))

    def inverse(self, values: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """A signal of about these magnitudes, int16; phase is made up."""
        return self._signal(self._expand(values), shape)

    def shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """``(channels, n_fft / 2, samples // hop_length)``.

        Raises:
            ValueError: If the shape is not ``(channels, samples)``, or the signal is shorter than a frame.
        """
        if len(shape) != 2:
            raise InputError(f"a spectrogram is of sound (channels, samples); got shape {tuple(shape)}")
        channels, samples = shape
        if samples is not None and samples < self.n_fft:
            raise InputError(
                f"a spectrogram needs signals of at least one frame of {self.n_fft} samples; got {samples}: pad the "
                "signals, or take a smaller n_fft"
            )
        return channels, self.n_fft // 2, None if samples is None else samples // self.hop_length

    def extra_repr(self) -> str:
        """The arguments."""
        return f"n_fft={self.n_fft}, hop_length={self.hop_length}, log={self.log}, floor={self.floor}"

    def _magnitudes(self, signal: Tensor) -> Tensor:
        if signal.dtype != torch.int16:
            raise InputError(f"a spectrogram is of int16 samples; got {signal.dtype}: round and clip the signal")
        self.shape(tuple(signal.shape[-2:]))
        flat = signal.reshape(-1, signal.shape[-1]).float() / 2**15
        spectra = torch.stft(flat, self.n_fft, self.hop_length, window=self.window, return_complex=True).abs()
        kept = spectra[:, :-1, : flat.shape[1] // self.hop_length]
        return kept.reshape(*signal.shape[:-1], *kept.shape[1:])

    def _compress(self, magnitudes: Tensor) -> Tensor:
        return magnitudes.clamp(min=self.floor).log() if self.log else magnitudes

    def _expand(self, values: Tensor) -> Tensor:
        return values.exp() if self.log else values

    def _signal(self, magnitudes: Tensor, shape: tuple[int, ...] | None) -> Tensor:
        """Griffin and Lim's signal, one at a time: iterations magnify what rounding makes of batches."""
        from torchaudio.functional import griffinlim  # slow to import

        samples = magnitudes.shape[-1] * self.hop_length if shape is None else shape[-1]
        magnitudes = magnitudes[..., : self.n_fft // 2, : samples // self.hop_length]
        # The dropped frame is like the one before it, the dropped frequency is silent.
        padded = torch.cat([magnitudes, magnitudes[..., -1:]], -1)
        padded = torch.nn.functional.pad(padded, (0, 0, 0, 1)).flatten(0, -3)
        arguments = (self.window, self.n_fft, self.hop_length, self.n_fft, 1.0, _ITERATIONS, 0.99, samples, False)
        signals = torch.stack([griffinlim(one, *arguments) for one in padded])
        pcm = (signals * 2**15).round().clamp(-(2**15), 2**15 - 1).to(torch.int16)
        return pcm.reshape(*magnitudes.shape[:-2], -1)


class MelSpectrogram(Spectrogram):
    """A spectrogram whose frequencies are summed in bands as wide as hearing resolves: ``(..., C, bands, frames)``.

    Bands are triangles on the mel scale from 0 Hz to half the sample rate. The inverse spreads each band by the
    least-squares solution, negative values cut off, and goes on as a `Spectrogram`.

    Args:
        n_fft: Samples of the window, even.
        hop_length: Samples from one frame to the next, at most half of the window.
        log: Whether to take the natural logarithm.
        floor: Least value of a band if ``log``.
        n_mels: Number of bands.
        sample_rate: Of the signals in Hz.

    Raises:
        ValueError: If a number is out of range, or a band would be narrower than the frequencies are apart.

    Source:
        O'Shaughnessy, Speech Communication, 1987 (the mel scale, ``2595 log10(1 + f / 700)``).

    Example:
        >>> MelSpectrogram(n_mels=32)(torch.zeros(1, 16_000, dtype=torch.int16)).shape
        torch.Size([1, 32, 128])
    """

    bands: Tensor
    spread: Tensor

    def __init__(
        self,
        n_fft: int = 512,
        hop_length: int = 125,
        log: bool = True,
        floor: float = 1e-3,
        n_mels: int = 64,
        sample_rate: int = 16_000,
    ) -> None:
        super().__init__(n_fft, hop_length, log, floor)
        check_integers(1, n_mels=n_mels, sample_rate=sample_rate)
        self.n_mels = n_mels
        self.sample_rate = sample_rate
        if n_mels > n_fft // 2:
            raise InputError(f"there are 1 to n_fft / 2 bands; got {n_mels=}, {n_fft=}")
        hertz = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=torch.float64)[:-1]
        bands = mel_bands(hertz, n_mels, sample_rate / 2)
        if (bands.sum(1) == 0).any():
            raise InputError(f"{n_mels} bands are too many for n_fft={n_fft}: some hold no frequency; take fewer")
        self.register_buffer("bands", bands, persistent=False)
        self.register_buffer("spread", torch.linalg.pinv(bands), persistent=False)

    def forward(self, signal: Tensor) -> Tensor:
        """Bands of a signal.

        Raises:
            ValueError: If the signal is not of int16 samples, or shorter than a frame.
        """
        magnitudes = self._magnitudes(signal)
        # Signal by signal, since products of other sizes are rounded otherwise.
        flat = magnitudes.flatten(0, -3)
        bands = torch.stack([self.bands @ one for one in flat])
        return self._compress(bands.reshape(*magnitudes.shape[:-2], *bands.shape[1:]))

    def inverse(self, values: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """A signal of about these bands, int16; phase is made up."""
        expanded = self._expand(values[..., : self.n_mels, :])
        spread = torch.stack([self.spread @ one for one in expanded.flatten(0, -3)]).clamp(min=0)
        return self._signal(spread.reshape(*expanded.shape[:-2], *spread.shape[1:]), shape)

    def shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """``(channels, n_mels, samples // hop_length)``.

        Raises:
            ValueError: If the shape is not ``(channels, samples)``, or the signal is shorter than a frame.
        """
        channels, _, frames = super().shape(shape)
        return channels, self.n_mels, frames

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{super().extra_repr()}, n_mels={self.n_mels}, sample_rate={self.sample_rate}"
