"""CELT's quantizer of sound: energies of bands, and their shapes as pyramid vectors."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lossy_lightning.codecs.transform._lines import LineQuantizer
from lossy_lightning.codecs.transform.pyramid import PyramidVQ, numbered
from lossy_lightning.core import CodeSpec, Field, InputError
from lossy_lightning.core.arguments import check_integers, check_numbers
from lossy_lightning.functional import index_entropy

# RFC 6716, table 55: ends of bands in units of 200 Hz.
_EDGES = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 34, 40, 48, 60, 78)
_MOST_LOG = 24  # of the norm of a band: 16-bit samples reach 2**15 times the root of 2**13 samples
_MOST_PULSES = 2**14


class BandShapes(LineQuantizer):
    """Spectral lines as CELT codes them: the energy of each band on a log scale, and its direction in pulses.

    Fields are ``energies``, binary logarithms of the norms of bands in coarse steps of 1 (6 dB), 0 for a band below
    them, which is silent; ``fine``, the rest in ``2**fine_bits`` steps; and ``pulses``, one channel a line. All come
    channel after channel of the sound. Bands are those of CELT at any rate, and so is how a shape is searched; there is
    no prediction of energies, no splitting and no allocation from frame to frame.

    What the pulses of a band take is the number of their vector, `PyramidVQ.bits`; the container takes more, since its
    fields are single pulses. `rate` tells the former.

    Args:
        size: Lines of a frame, those of the `MDCT`.
        sample_rate: Of the sounds in Hz.
        bits: What shapes take a line, at most; or a number for each band. Each band has at least one pulse, and no more
            than its vectors can be numbered in 63 bits.
        fine_bits: Of an energy beyond its coarse step, 0 to 4.

    Raises:
        ValueError: If a number is out of range, or there are not as many as bands.

    Source: RFC 6716 (2012), section 4.3; Valin et al., High-quality, low-delay music coding in the Opus codec, AES 135,
        2013.

    Example:
        >>> from lossy_lightning.codecs import MDCT, TransformCodec
        >>> codec = TransformCodec(MDCT(256), BandShapes(256, 16_000, bits=1.0))
        >>> [(field.name, field.num_channels) for field in codec.spec((1, 16_000)).fields]
        [('energies', 17), ('fine', 17), ('pulses', 256)]
    """

    def __init__(self, size: int, sample_rate: int, bits: float | Sequence[float] = 1.0, fine_bits: int = 2) -> None:
        super().__init__(size, sample_rate)
        check_integers(0, fine_bits=fine_bits)
        self.bits = bits
        self.fine_bits = fine_bits
        self._widths = _widths(size, sample_rate)
        each = list(bits) if isinstance(bits, Sequence) else [bits] * len(self._widths)
        for one in each:
            check_numbers(0, bits=one)
        if len(each) != len(self._widths) or fine_bits > 4:
            raise InputError(
                f"BandShapes needs a number of bits, or one for each of {len(self._widths)} bands, and fine_bits up to "
                f"4; got {bits=}, {fine_bits=}"
            )
        self.shapes = [_shapes(width, one) for width, one in zip(self._widths, each, strict=True)]

    def encode(self, signal: Tensor) -> Tensor:
        """Energies and pulses of lines: ``(..., channels * size, frames)`` float32 to ``(..., C, frames)`` int16.

        Raises:
            ValueError: If the lines are not finite float32, or of another size.
        """
        bands = self._checked(signal).tensor_split(self._starts, -1)
        norms = torch.stack([band.double().square().sum(-1).sqrt() for band in bands], -1).clamp(min=1e-3)
        coarse = norms.log2().round().clamp(0, _MOST_LOG)
        steps = 1 << self.fine_bits
        fine = ((norms.log2() - coarse + 0.5) * steps).floor().clamp(0, steps - 1) * (coarse > 0)
        pulses = torch.cat([shape.search(band) for shape, band in zip(self.shapes, bands, strict=True)], -1)
        parts = (coarse.long(), fine.long(), pulses)
        return torch.cat([part.mT.flatten(-3, -2) for part in parts], -2).to(torch.int16)

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """Lines of energies and pulses, float32."""
        coarse, fine, pulses = self._parts(code)
        steps = 1 << self.fine_bits
        norms = torch.exp2(coarse + (fine + 0.5) / steps - 0.5) * (coarse > 0)
        bands = []
        for i, band in enumerate(pulses.double().tensor_split(self._starts, -1)):
            length = band.square().sum(-1, keepdim=True).sqrt().clamp(min=1)
            bands.append(band / length * norms[..., i : i + 1])
        return torch.cat(bands, -1).mT.flatten(-3, -2).float()

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """Fields ``energies``, ``fine`` and ``pulses`` on the grid of frames.

        Raises:
            ValueError: If the lines are of another size.
        """
        lines, *grid = shape
        count = self._channels(lines or 0, self.size)
        bands = count * len(self.shapes)
        most = [one.pulses for one in self.shapes for _ in range(one.dimensions)] * count
        fields = [
            Field("energies", (0,) * bands, (_MOST_LOG,) * bands, True),
            Field("fine", (0,) * bands, ((1 << self.fine_bits) - 1,) * bands, True),
            Field("pulses", [-one for one in most], most, True),
        ]
        return CodeSpec(fields, grid)

    def rate(self, code: Tensor) -> float:
        """Bits a line: the numbers of the shapes of bands that are not silent, and energies at their entropy."""
        return float(self.band_bits(code).sum()) / self.size

    def band_bits(self, code: Tensor) -> Tensor:
        """What each band takes of `rate`, in bits a frame of one channel: ``(bands,)`` float64."""
        coarse, fine, _ = self._parts(code)
        heard = (coarse > 0).flatten(0, -2).double().mean(0)
        both = (coarse.long() << self.fine_bits) + fine.long()
        counts = [torch.unique(both[..., band], return_counts=True)[1] for band in range(both.shape[-1])]
        energies = torch.tensor([float(index_entropy(count)) for count in counts], dtype=torch.float64)
        return heard.cpu() * torch.tensor([one.bits for one in self.shapes], dtype=torch.float64) + energies

    @property
    def _starts(self) -> list[int]:
        """Where all bands but the first begin."""
        return torch.tensor(self._widths).cumsum(0)[:-1].tolist()

    def _parts(self, code: Tensor) -> list[Tensor]:
        """Energies, fine ones and pulses, each ``(..., channels, frames, its own)``."""
        bands = len(self.shapes)
        channels = self._channels(code.shape[-2], self.size + 2 * bands)
        parts = code.tensor_split([channels * bands, 2 * channels * bands], -2)
        return [torch.unflatten(part, -2, (channels, -1)).mT for part in parts]


def _widths(size: int, sample_rate: int) -> list[int]:
    """Lines of each band, at least one."""
    ends = [round(edge * 200 * 2 * size / sample_rate) for edge in _EDGES]
    inner = sorted({end for end in ends if 0 < end < size})
    return [end - start for start, end in zip([0, *inner], [*inner, size], strict=True)]


def _shapes(width: int, bits: float) -> PyramidVQ:
    """The most pulses that take at most so many bits a line; a single line has its sign alone."""
    low, high = 1, 2 if width == 1 else _MOST_PULSES
    most = min(2 ** min(bits * width, 64.0), 2.0**63 - 1024)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if numbered(width, middle) <= most else (low, middle)
    return PyramidVQ(width, low)
