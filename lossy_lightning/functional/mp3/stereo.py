"""Joint stereo of Layer III."""

import math

import torch
from torch import Tensor

from lossy_lightning.functional.mp3._bands import MIXED, SHORT, Bands, bands
from lossy_lightning.functional.mp3.dequantization import block_kinds

_LAST_LONG = 21
_LAST_SHORT = 36


def joint_stereo(
    lines: Tensor,
    mid_side: Tensor,
    intensity: Tensor,
    intensity_scale: Tensor,
    block_type: Tensor,
    mixed: Tensor,
    sample_rate: int,
) -> Tensor:
    """Left and right lines of granules that are sum and difference, or one channel and its position; differentiable.

    Args:
        lines: ``(..., granules, 2, 576)``, float, by frequency.
        mid_side: ``(..., granules)``, whether channels are sum and difference.
        intensity: ``(..., granules, 39)``, position of each scale factor band, which counts if the right channel is
            zero there and above; negative if there is none.
        intensity_scale: ``(..., granules)``, of MPEG-2 and 2.5: the ratio is a power of 2 ** (-1/4) (0) or 2 ** (-1/2).
        block_type: ``(..., granules, 2)``, 0 long, 1 start, 2 short, 3 stop.
        mixed: ``(..., granules, 2)``, whether the lowest lines of a short block are a long one's.
        sample_rate: In Hz.

    Returns:
        ``(..., granules, 2, 576)``.

    Source: ISO 11172-3 (1993), 2.4.3.4.9; ISO 13818-3 (1998), 2.4.3.2.

    Example:
        >>> lines, no = torch.ones(1, 2, 576), torch.zeros(1, 2, dtype=torch.uint8)
        >>> nowhere = torch.full((1, 39), -1, dtype=torch.int8)
        >>> joint_stereo(lines, no[:, 0] + 1, nowhere, no[:, 0], no, no, 44_100)[0, :, 0]
        tensor([1.4142, 0.0000])
    """
    tables = bands(sample_rate, lines.device)
    first, second = lines.unbind(-2)
    half = math.sqrt(0.5)
    is_sum = mid_side.bool().unsqueeze(-1)
    left = torch.where(is_sum, (first + second) * half, first)
    right = torch.where(is_sum, (first - second) * half, second)
    kinds = block_kinds(block_type[..., 1], mixed[..., 1])
    there = (intensity >= 0) & _silent(tables, kinds, second)
    ratios = _mpeg1_ratios if sample_rate >= 32_000 else _lsf_ratios
    place = tables.place[kinds]
    positioned = there.gather(-1, place)
    gain_left, gain_right = (
        gain.gather(-1, place) for gain in ratios(intensity.clamp(min=0), intensity_scale, lines.dtype)
    )
    left = torch.where(positioned, first * gain_left, left)
    right = torch.where(positioned, first * gain_right, right)
    return torch.stack([left, right], -2)


def _silent(tables: Bands, kinds: Tensor, lines: Tensor) -> Tensor:
    """Places ``(..., 39)`` of scale factors at and above which all lines ``(..., 576)`` are zero, of the same window.

    A last band counts only if the band below does, whose position it has.
    """
    loud = lines.new_zeros((*lines.shape[:-1], 39)).scatter_reduce(
        -1, tables.place[kinds], (lines != 0).to(lines.dtype), "amax"
    )
    is_long = tables.window[kinds] == 3
    long_above = _any_above(torch.where(is_long, loud, 0).unsqueeze(-1)).squeeze(-1)
    short_above = _any_above(torch.unflatten(torch.where(is_long, 0, loud), -1, (13, 3))).flatten(-2)
    # Long bands of a mixed block lie below all windows.
    any_short = loud.where(~is_long, 0).amax(-1, keepdim=True) * (kinds == MIXED).unsqueeze(-1)
    silent = torch.where(is_long, long_above + any_short, short_above) == 0
    last_long, last_short = silent[..., _LAST_LONG - 1], silent[..., _LAST_SHORT - 3 : _LAST_SHORT]
    long = torch.where(kinds == 0, silent[..., _LAST_LONG] & last_long, silent[..., _LAST_LONG])
    short = (kinds >= SHORT).unsqueeze(-1) & silent[..., _LAST_SHORT:] & last_short
    return torch.cat(
        [silent[..., :_LAST_LONG], long.unsqueeze(-1), silent[..., _LAST_LONG + 1 : _LAST_SHORT], short], -1
    )


def _any_above(loud: Tensor) -> Tensor:
    """Greatest value at and above each band of ``(..., bands, windows)``."""
    return loud.flip(-2).cummax(-2).values.flip(-2)


def _mpeg1_ratios(position: Tensor, scale: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Gains of left and right, whose sum is 1: their ratio is the tangent of the position times 15 degrees."""
    angle = position.double() * (math.pi / 12)
    total = angle.sin() + angle.cos()
    return (angle.sin() / total).to(dtype), (angle.cos() / total).to(dtype)


def _lsf_ratios(position: Tensor, scale: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Gains of left and right, of which one is 1: odd positions are right of the middle, even ones left."""
    exponent = (position.double() + 1).div(2, rounding_mode="floor") / 4 * (scale.double().unsqueeze(-1) + 1)
    gain, odd = torch.exp2(-exponent), position % 2 == 1
    return torch.where(odd, gain, 1).to(dtype), torch.where(odd, 1, gain).to(dtype)
