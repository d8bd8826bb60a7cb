"""The hybrid filter bank of Layer III between spectral lines and subband samples: MDCT with block switching."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from lossy_lightning.functional.mp3._bands import bands
from lossy_lightning.functional.mp3.dequantization import block_kinds
from lossy_lightning.functional.transforms.mdct import imdct, overlap_add

_BUTTERFLIES = (-0.6, -0.535, -0.33, -0.185, -0.095, -0.041, -0.0142, -0.0037)
_LINES = 18
_SUBBANDS = 32


def alias_reduction(lines: Tensor, block_type: Tensor, mixed: Tensor, sample_rate: int) -> Tensor:
    """Turn lines on both sides of the borders of subbands, except in short blocks; differentiable.

    Args:
        lines: ``(..., granules, channels, 576)``, float, by frequency.
        block_type: ``(..., granules, channels)``, 0 long, 1 start, 2 short, 3 stop.
        mixed: ``(..., granules, channels)``, whether the lowest lines of a short block are a long one's.
        sample_rate: In Hz.

    Returns:
        The same shape. The encoder's own, `alias_introduction`, turns the other way.

    Source: ISO 11172-3 (1993), 2.4.3.4.10.1.

    Example:
        >>> lines, long = torch.randn(3, 1, 576), torch.zeros(3, 1, dtype=torch.uint8)
        >>> turned = alias_reduction(lines, long, long, 44_100)
        >>> alias_introduction(turned, long, long, 44_100).allclose(lines, atol=1e-5)
        True
    """
    return _turned(lines, block_type, mixed, sample_rate, 1)


def alias_introduction(lines: Tensor, block_type: Tensor, mixed: Tensor, sample_rate: int) -> Tensor:
    """The inverse of `alias_reduction`, for encoders; arguments and result are alike."""
    return _turned(lines, block_type, mixed, sample_rate, -1)


def lines_to_subbands(lines: Tensor, block_type: Tensor, mixed: Tensor, sample_rate: int) -> Tensor:
    """Subband samples of spectral lines: IMDCT, windows, and overlap; differentiable.

    Args:
        lines: ``(..., granules, channels, 576)``, float, by frequency, after `alias_reduction`.
        block_type: ``(..., granules, channels)``, 0 long, 1 start, 2 short, 3 stop.
        mixed: ``(..., granules, channels)``, whether the lowest subbands have long blocks' window, whatever the type.
        sample_rate: In Hz.

    Returns:
        ``(..., channels, 18 * granules, 32)``, a row for each time slot; what is before the first granule is silence.

    Source: ISO 11172-3 (1993), 2.4.3.4.10.2 to 2.4.3.4.10.4 and table B.3.

    Example:
        >>> long = torch.zeros(2, 1, dtype=torch.uint8)
        >>> lines_to_subbands(torch.zeros(2, 1, 576), long, long, 44_100).shape
        torch.Size([1, 36, 32])
    """
    low, high = _matrices(lines, block_type, mixed)
    split = _long_subbands(lines, sample_rate)
    parts = torch.unflatten(lines, -1, (_SUBBANDS, _LINES))
    frames = torch.cat([parts[..., :split, :] @ low, parts[..., split:, :] @ high], -2)
    # (..., channels, subbands, granules, 36): what granules overlap.
    samples = overlap_add(frames.movedim(-4, -2))[..., :-_LINES]
    return samples.mT * _inverted(samples)


def subbands_to_lines(subbands: Tensor, block_type: Tensor, mixed: Tensor, sample_rate: int) -> Tensor:
    """Spectral lines of subband samples, the MDCT of encoders; differentiable.

    A granule's frame is its own samples and those of the granule before; `lines_to_subbands` gives subband samples
    back, later by a granule, if windows fit: start before short, stop behind it.

    Args:
        subbands: ``(..., channels, 18 * granules, 32)``, float.
        block_type: ``(..., granules, channels)``, 0 long, 1 start, 2 short, 3 stop.
        mixed: ``(..., granules, channels)``, whether the lowest subbands have long blocks' window, whatever the type.
        sample_rate: In Hz.

    Returns:
        ``(..., granules, channels, 576)``, by frequency, before `alias_introduction`.

    Source: ISO 11172-3 (1993), annex C.1.5.3.3.

    Example:
        >>> long = torch.zeros(2, 1, dtype=torch.uint8)
        >>> subbands_to_lines(torch.zeros(1, 36, 32), long, long, 44_100).shape
        torch.Size([2, 1, 576])
    """
    samples = (subbands * _inverted(subbands.mT)).mT
    frames = F.pad(samples, (_LINES, 0)).unfold(-1, 2 * _LINES, _LINES).movedim(-2, -4)
    low, high = _matrices(subbands, block_type, mixed)
    split = _long_subbands(subbands, sample_rate)
    # Rows of a matrix have energy 9 in long blocks, 3 in short ones.
    low, high = (matrix.mT / matrix.square().sum(-1).unsqueeze(-2) for matrix in (low, high))
    return torch.cat([frames[..., :split, :] @ low, frames[..., split:, :] @ high], -2).flatten(-2)


def _turned(lines: Tensor, block_type: Tensor, mixed: Tensor, sample_rate: int, direction: int) -> Tensor:
    numbers = torch.tensor(_BUTTERFLIES, dtype=torch.float64, device=lines.device)
    cosine = (1 / (1 + numbers.square()).sqrt()).to(lines.dtype)
    sine = direction * (numbers / (1 + numbers.square()).sqrt()).to(lines.dtype)
    kinds = block_kinds(block_type, mixed)
    borders = torch.tensor([31, 0, _long_subbands(lines, sample_rate) - 1], device=lines.device)[kinds]
    turns = (torch.arange(31, device=lines.device) < borders.unsqueeze(-1)).unsqueeze(-1)
    parts = torch.unflatten(lines, -1, (_SUBBANDS, _LINES))
    below, above = parts[..., :-1, 10:].flip(-1), parts[..., 1:, :8]
    new_below = torch.where(turns, below * cosine - above * sine, below).flip(-1)
    new_above = torch.where(turns, above * cosine + below * sine, above)
    first = torch.cat([parts[..., :1, :8], new_above], -2)
    last = torch.cat([new_below, parts[..., -1:, 10:]], -2)
    return torch.cat([first, parts[..., 8:10], last], -1).flatten(-2)


def _long_subbands(like: Tensor, sample_rate: int) -> int:
    """Subbands of the long part of a mixed block."""
    return bands(sample_rate, like.device).long_lines // _LINES


def _matrices(like: Tensor, block_type: Tensor, mixed: Tensor) -> tuple[Tensor, Tensor]:
    """IMDCT and window of the lowest subbands and of the others, ``(..., granules, channels, 18, 36)``."""
    matrices = _synthesis_matrices(like)
    kinds = block_type.long()
    return matrices[torch.where(mixed.bool(), 0, kinds)], matrices[kinds]


def _synthesis_matrices(like: Tensor) -> Tensor:
    """What the lines of a subband add to its samples, by block type: ``(4, 18, 36)``.

    Three short transforms lie side by side, each with every third line.
    """
    slope = torch.sin(torch.pi / 36 * (torch.arange(18, dtype=torch.float64) + 0.5))
    steep = torch.sin(torch.pi / 12 * (torch.arange(6, dtype=torch.float64) + 0.5))
    level = torch.ones(6, dtype=torch.float64)
    start = torch.cat([level, steep.flip(0), 0 * level])
    windows = [torch.cat(halves) for halves in ((slope, slope.flip(0)), (slope, start), (start.flip(0), slope.flip(0)))]
    # The standard's IMDCT has no factor of its own; the orthonormal one has.
    long, first, last = (math.sqrt(9) * imdct(torch.eye(18, dtype=torch.float64), window) for window in windows)
    short = math.sqrt(3) * imdct(torch.eye(6, dtype=torch.float64), torch.cat([steep, steep.flip(0)]))
    placed = torch.stack([F.pad(short, (6 * w + 6, 18 - 6 * w)) for w in range(3)], 1).flatten(0, 1)
    return torch.stack([long, first, placed, last]).to(like)


def _inverted(samples: Tensor) -> Tensor:
    """Signs ``(slots, subbands)`` of subband samples ``(..., subbands, slots)``: odd ones of odd subbands are -1."""
    slots, subbands = (torch.arange(samples.shape[axis], device=samples.device) % 2 for axis in (-1, -2))
    return (1 - 2 * slots[:, None] * subbands).to(samples.dtype)
