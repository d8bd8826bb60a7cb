"""Quantized levels of Layer III to spectral lines."""

import torch
from torch import Tensor

from lossy_lightning.functional.mp3._bands import LONG, MIXED, SHORT, bands


def block_kinds(block_type: Tensor, mixed: Tensor) -> Tensor:
    """How the lines of granules are laid out: 0 long, 1 short, 2 mixed; int64 of the shape of ``block_type``."""
    short = block_type == 2
    return torch.where(short, torch.where(mixed.bool(), MIXED, SHORT), LONG)


def to_frequency_order(levels: Tensor, block_type: Tensor, mixed: Tensor, sample_rate: int) -> Tensor:
    """Levels by frequency, as they stand in files by scale factor band; differentiable.

    Lines of short blocks are then counted by frequency, and in it by window: line ``3 f + w``.

    Args:
        levels: ``(..., granules, channels, 576)``.
        block_type: ``(..., granules, channels)``, 0 long, 1 start, 2 short, 3 stop.
        mixed: ``(..., granules, channels)``, whether the lowest lines of a short block are a long one's.
        sample_rate: In Hz.

    Returns:
        The same shape and dtype.

    Source: ISO 11172-3 (1993), 2.4.3.4.8.

    Example:
        >>> short, no = torch.tensor([[2]]), torch.tensor([[0]])
        >>> to_frequency_order(torch.arange(576).view(1, 1, 576), short, no, 44_100)[0, 0, :6]
        tensor([0, 4, 8, 1, 5, 9])
    """
    return levels.gather(-1, bands(sample_rate, levels.device).order[block_kinds(block_type, mixed)])


def to_file_order(levels: Tensor, block_type: Tensor, mixed: Tensor, sample_rate: int) -> Tensor:
    """Levels as they stand in files, the inverse of `to_frequency_order`; arguments and result are alike.

    Example:
        >>> levels, short, no = torch.arange(576).view(1, 1, 576), torch.tensor([[2]]), torch.tensor([[0]])
        >>> torch.equal(to_file_order(to_frequency_order(levels, short, no, 8_000), short, no, 8_000), levels)
        True
    """
    order = bands(sample_rate, levels.device).order[block_kinds(block_type, mixed)]
    return torch.zeros_like(levels).scatter(-1, order, levels)


def dequantize(
    levels: Tensor,
    global_gain: Tensor,
    scale_factors: Tensor,
    subblock_gain: Tensor,
    block_type: Tensor,
    mixed: Tensor,
    scalefac_scale: Tensor,
    preflag: Tensor,
    sample_rate: int,
) -> Tensor:
    """Spectral lines of levels, by frequency: ``|level| ** (4 / 3)`` times the gain of each scale factor band.

    Differentiable with respect to levels, if they are floating point.

    Args:
        levels: ``(..., granules, channels, 576)``, in the order of files; integer (float32 is computed) or float.
        global_gain: ``(..., granules, channels)``.
        scale_factors: ``(..., granules, channels, 39)``, long band ``b`` in place ``b``, short band ``b`` of window
            ``w`` in place ``3 b + w``.
        subblock_gain: ``(..., granules, channels, 3)``, a window.
        block_type: ``(..., granules, channels)``, 0 long, 1 start, 2 short, 3 stop.
        mixed: ``(..., granules, channels)``, whether the lowest lines of a short block are a long one's.
        scalefac_scale: ``(..., granules, channels)``.
        preflag: ``(..., granules, channels)``.
        sample_rate: In Hz.

    Returns:
        ``(..., granules, channels, 576)``; full scale is about 1.

    Source: ISO 11172-3 (1993), 2.4.3.4.7.

    Example:
        >>> levels = torch.zeros(1, 1, 576)
        >>> levels[..., 0] = -8
        >>> zero = torch.zeros(1, 1, dtype=torch.uint8)
        >>> gains = zero.new_zeros(1, 1, 39), zero.new_zeros(1, 1, 3)
        >>> dequantize(levels, zero + 210, *gains, zero, zero, zero, zero, 44_100)[0, 0, :2].round()
        tensor([-16.,   0.])
    """
    gains = line_gains(
        global_gain, scale_factors, subblock_gain, block_type, mixed, scalefac_scale, preflag, sample_rate
    )
    lines = to_frequency_order(levels, block_type, mixed, sample_rate)
    lines = lines if lines.is_floating_point() else lines.float()
    return lines.sign() * lines.abs().pow(4 / 3) * gains.to(lines.dtype)


def line_gains(
    global_gain: Tensor,
    scale_factors: Tensor,
    subblock_gain: Tensor,
    block_type: Tensor,
    mixed: Tensor,
    scalefac_scale: Tensor,
    preflag: Tensor,
    sample_rate: int,
) -> Tensor:
    """What `dequantize` multiplies ``|level| ** (4 / 3)`` with; arguments are alike.

    Returns:
        ``(..., granules, channels, 576)``, float64, by frequency.

    Example:
        >>> zero = torch.zeros(1, 1, dtype=torch.uint8)
        >>> gains = zero + 214, zero.new_zeros(1, 1, 39), zero.new_zeros(1, 1, 3)
        >>> line_gains(*gains, zero, zero, zero, zero, 44_100)[0, 0, 0]
        tensor(2., dtype=torch.float64)
    """
    tables = bands(sample_rate, global_gain.device)
    kinds = block_kinds(block_type, mixed)
    raised = preflag.int().unsqueeze(-1) * tables.pretab * (block_type != 2).unsqueeze(-1)
    factors = (scale_factors.int() + raised) * (2 * (scalefac_scale.int().unsqueeze(-1) + 1))
    none = torch.zeros_like(subblock_gain[..., :1])
    of_window = torch.cat([subblock_gain, none], -1).int().gather(-1, tables.window[kinds])
    # Quarters of a power of two.
    exponents = global_gain.int().unsqueeze(-1) - 210 - 8 * of_window - factors
    return torch.exp2(exponents.double() / 4).gather(-1, tables.place[kinds])
