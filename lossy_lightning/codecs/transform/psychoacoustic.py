"""Quantization of sound by masking thresholds."""

import torch
from torch import Tensor

from lossy_lightning.codecs.transform._lines import LineQuantizer
from lossy_lightning.core import CodeSpec, Field
from lossy_lightning.core.arguments import check_numbers
from lossy_lightning.functional import bark_bands, masking_thresholds

_MOST_LEVEL = 8191
_MOST_INDEX = 127
_LEAST_LOG = -6.0  # binary logarithm of the threshold of index 0, a line's power


class Psychoacoustic(LineQuantizer):
    """Spectral lines over steps that hearing sets: a step for each band and frame, from its masking threshold.

    Fields are ``levels``, one channel a line, and ``thresholds``, one a band of 1 Bark: logarithms of thresholds a
    line, in steps of 1.5 dB, rounded down, from which decoding takes its steps. Both come channel after channel of the
    sound. A step is so wide that the noise of a band, as the sum of even errors of its lines, stays below the threshold
    in about 95 % of cases.

    Args:
        size: Lines of a frame, those of the `MDCT`.
        sample_rate: Of the sounds in Hz.
        quality: What steps are divided by, 1e-6 to 1e6; 1 are the thresholds as they are computed, 2 noise 6 dB below
            them.

    Raises:
        ValueError: If a number is out of range.

    Source: Brandenburg, OCF: a new coding algorithm for high quality sound signals, ICASSP 1987;
        `lossy_lightning.functional.masking_thresholds`.

    Example:
        >>> from lossy_lightning.codecs import MDCT, TransformCodec
        >>> codec = TransformCodec(MDCT(256), Psychoacoustic(256, 16_000))
        >>> [(field.name, field.num_channels) for field in codec.spec((1, 16_000)).fields]
        [('levels', 256), ('thresholds', 20)]
    """

    def __init__(self, size: int, sample_rate: int, quality: float = 1.0) -> None:
        super().__init__(size, sample_rate)
        check_numbers(1e-6, 1e6, quality=quality)
        self.quality = quality
        self._bands = bark_bands(size, sample_rate)
        counts = torch.bincount(self._bands).double()
        # The sum of n squared even errors has mean n step**2 / 12 and, relative to it, deviation sqrt(0.8 / n).
        margin = (1 + 1.645 * (0.8 / counts).sqrt()).clamp(max=3)
        self._width = 12 / margin
        self._counts = counts

    def encode(self, signal: Tensor) -> Tensor:
        """Levels and thresholds of lines: ``(..., channels * size, frames)`` float32 to ``(..., C, frames)`` int16.

        Raises:
            ValueError: If the lines are not float32, NaN, or of another size.
        """
        lines = self._checked(signal)
        allowed = masking_thresholds(lines, self.sample_rate, self._bands) / self.quality**2
        index = (2 * ((allowed / self._counts.to(lines.device)).log2() - _LEAST_LOG)).floor()
        index = torch.maximum(index, self._least_index(lines)).clamp(0, _MOST_INDEX)
        levels = (lines / self._steps(index)).round()
        parts = {"levels": levels, "thresholds": index}
        return torch.cat([part.mT.flatten(-3, -2) for part in parts.values()], -2).to(torch.int16)

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """Lines of levels and thresholds, float32."""
        per = self.size + len(self._counts)
        channels = self._channels(code.shape[-2], per)
        levels, index = code.tensor_split([channels * self.size], -2)
        levels, index = (torch.unflatten(part, -2, (channels, -1)).mT for part in (levels, index))
        return (levels * self._steps(index.double())).mT.flatten(-3, -2)

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """Fields ``levels`` and ``thresholds`` on the grid of frames.

        Raises:
            ValueError: If the lines are of another size.
        """
        lines, *grid = shape
        count = self._channels(lines or 0, self.size)
        levels, bands = count * self.size, count * len(self._counts)
        fields = [
            Field("levels", (-_MOST_LEVEL,) * levels, (_MOST_LEVEL,) * levels, True),
            Field("thresholds", (0,) * bands, (_MOST_INDEX,) * bands, True),
        ]
        return CodeSpec(fields, grid)

    def _least_index(self, lines: Tensor) -> Tensor:
        """Indices whose steps are so wide that no level of a band is beyond the greatest."""
        bands = self._bands.to(lines.device).expand(lines.shape)
        peak = torch.zeros(*lines.shape[:-1], len(self._counts), dtype=torch.float64, device=lines.device)
        peak = peak.scatter_reduce(-1, bands, lines.double().abs(), "amax") / _MOST_LEVEL
        least = (peak.square() / self._width.to(lines.device)).log2().clamp(min=-1e3)
        return (2 * (least - _LEAST_LOG)).ceil()

    def _steps(self, index: Tensor) -> Tensor:
        """Step of each line, float32 ``(..., size)``, of indices ``(..., bands)``."""
        power = self._width.to(index.device) * torch.exp2(index / 2 + _LEAST_LOG)
        return power.sqrt().float()[..., self._bands.to(index.device)]
