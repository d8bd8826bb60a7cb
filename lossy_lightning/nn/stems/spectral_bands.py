"""Quantized MDCT levels, summed in bands."""

import torch
from torch import Tensor

from lossy_lightning.core import CodeSpec, InputError
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.functional import mel_bands
from lossy_lightning.nn.stems._companded import LINES, CompandedLines


class SpectralBands(CompandedLines):
    """How strong codes of `MP3` are in bands as wide as hearing resolves, each with a batch norm of its own.

    A band's feature is ``log(1 + sum(weight * |x| ** (3/2)))`` of its spectral lines ``x``, which are levels times
    gains, in units of a 16-bit sample; joint stereo is undone. Weights are triangles, even on the mel scale. A line of
    an MDCT comes and goes with the phase of a tone, a sum over neighbours much less. The lines of three short blocks
    stand interleaved, by frequency, so that they share the bands of long ones.

    Args:
        spec: Of the code of `MP3`.
        sample_rate: Of the codec, in Hz.
        bands: Of each channel.
        highest: Upper end of the last band in Hz, at most half the sampling rate; by default that.

    Raises:
        ValueError: If the code is not one of `MP3`, not dequantized, or a number is out of range.

    Example:
        >>> from lossy_lightning.codecs import MP3
        >>> stem = SpectralBands(MP3(32, sample_rate=16_000).spec((1, 16_000)), sample_rate=16_000, bands=64)
        >>> stem.shape
        (64, 30)
    """

    weights: Tensor

    def __init__(self, spec: CodeSpec, sample_rate: int, bands: int = 64, highest: float | None = None) -> None:
        check_integers(1, sample_rate=sample_rate, bands=bands)
        super().__init__(spec, sample_rate, bands)
        half = sample_rate / 2
        highest = half if highest is None else highest
        if not 0 < highest <= half:
            raise InputError(f"bands end at more than 0 and at most {half} Hz; got {highest=}")
        centres = (torch.arange(LINES, dtype=torch.float64) + 0.5) * half / LINES
        weights = mel_bands(centres, bands, highest)
        if (weights.sum(1) == 0).any():
            raise InputError(f"{bands} bands are too many up to {highest} Hz: some hold no line; take fewer")
        self.bands = bands
        self.highest = highest
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Features ``(N, channels * bands, granules)`` of a code, and their own sizes if it is padded."""
        sums = self.companded(code).square() @ self.weights.T
        return self.normalized(sums.log1p(), grid_size)
