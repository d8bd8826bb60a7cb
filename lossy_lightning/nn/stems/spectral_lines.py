"""Quantized MDCT levels in common units."""

from torch import Tensor

from lossy_lightning.core import CodeSpec, InputError
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.nn.stems._companded import LINES, CompandedLines


class SpectralLines(CompandedLines):
    """Spectral lines of codes of `MP3`, companded, in common units, each frequency with a batch norm of its own.

    A level times its granule's gains is a spectral line ``x``; its feature is ``sign(x) * |x| ** (3/4)``, the law by
    which MP3 quantizes, in which a level is taken times a gain. Joint stereo is undone. Short blocks have their lines
    interleaved: what is one frequency of a long block is a window and a frequency of three short ones, near by.

    Args:
        spec: Of the code of `MP3`.
        sample_rate: Of the codec, in Hz.
        lines: How many lines of each channel are read, the lowest ones, of 576 up to half the sampling rate.
        magnitudes: Whether features are logarithms of magnitudes, ``log(1 + |feature|)``, without signs.

    Raises:
        ValueError: If the code is not one of `MP3`, not dequantized, or there are not so many lines.

    Example:
        >>> from lossy_lightning.codecs import MP3
        >>> stem = SpectralLines(MP3(32, sample_rate=16_000).spec((1, 16_000)), sample_rate=16_000, lines=288)
        >>> stem.shape
        (288, 30)
    """

    def __init__(self, spec: CodeSpec, sample_rate: int, lines: int = LINES, magnitudes: bool = False) -> None:
        check_integers(1, lines=lines)
        if lines > LINES:
            raise InputError(f"a granule has 1 to {LINES} lines; got {lines=}")
        super().__init__(spec, sample_rate, lines)
        self.lines = lines
        self.magnitudes = magnitudes

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Features ``(N, channels * lines, granules)`` of a code, and their own sizes if it is padded."""
        values = self.companded(code)[..., : self.lines]
        return self.normalized(values.abs().log1p() if self.magnitudes else values, grid_size)
