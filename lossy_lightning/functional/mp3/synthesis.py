"""Layer III from quantized levels to sound, and from sound to spectral lines."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from lossy_lightning.functional.mp3.dequantization import dequantize
from lossy_lightning.functional.mp3.hybrid import (
    alias_introduction,
    alias_reduction,
    lines_to_subbands,
    subbands_to_lines,
)
from lossy_lightning.functional.mp3.polyphase import polyphase_analysis, polyphase_synthesis
from lossy_lightning.functional.mp3.stereo import joint_stereo

_GRANULE = 576
Values = Tensor | NDArray[Any]


def synthesize(
    levels: Values,
    global_gain: Values,
    scale_factors: Values,
    subblock_gain: Values,
    block_type: Values,
    mixed: Values,
    scalefac_scale: Values,
    preflag: Values,
    mid_side: Values,
    intensity: Values,
    intensity_scale: Values,
    sample_rate: int,
) -> Tensor:
    """Sound of quantized levels, as a decoder makes it, neither rounded nor clipped.

    Differentiable with respect to levels if they are floating point; arrays become tensors. What lies before the first
    granule is silence, and the decoder's delay is not cut off: a granule's own sound begins with its 576 samples, and
    is loudest 816 samples later.

    Args:
        levels: ``(..., granules, channels, 576)``, in the order of files, float, or integer (float32 is computed).
        global_gain: ``(..., granules, channels)``.
        scale_factors: ``(..., granules, channels, 39)``, long band ``b`` in place ``b``, short band ``b`` of window
            ``w`` in place ``3 b + w``.
        subblock_gain: ``(..., granules, channels, 3)``, a window.
        block_type: ``(..., granules, channels)``, 0 long, 1 start, 2 short, 3 stop.
        mixed: ``(..., granules, channels)``, whether the lowest lines of a short block are a long one's.
        scalefac_scale: ``(..., granules, channels)``.
        preflag: ``(..., granules, channels)``.
        mid_side: ``(..., granules)``, whether two channels are sum and difference.
        intensity: ``(..., granules, 39)``, intensity position of each scale factor band, negative if there is none.
        intensity_scale: ``(..., granules)``, of MPEG-2 and 2.5.
        sample_rate: In Hz.

    Returns:
        ``(..., channels, 576 * granules)``; full scale is 1.

    Raises:
        ValueError: If Layer III has no such sampling rate.

    Source: ISO 11172-3 (1993), 2.4.3.4; ISO 13818-3 (1998), 2.4.3.

    Example:
        >>> zero = torch.zeros(4, 1, dtype=torch.uint8)
        >>> gains = zero, zero.new_zeros(4, 1, 39), zero.new_zeros(4, 1, 3)
        >>> stereo = zero[:, 0], torch.full((4, 39), -1), zero[:, 0]
        >>> synthesize(torch.zeros(4, 1, 576), *gains, zero, zero, zero, zero, *stereo, 16_000).shape
        torch.Size([1, 2304])
    """
    level, gain, factor, subgain, kind, mix, scale, flag, sums, positions, position_scale = (
        torch.as_tensor(each)
        for each in (
            *(levels, global_gain, scale_factors, subblock_gain, block_type, mixed, scalefac_scale, preflag),
            *(mid_side, intensity, intensity_scale),
        )
    )
    lines = dequantize(level, gain, factor, subgain, kind, mix, scale, flag, sample_rate)
    if lines.shape[-2] == 2:
        lines = joint_stereo(lines, sums, positions, position_scale, kind, mix, sample_rate)
    return lines_to_sound(lines, kind, mix, sample_rate)


def lines_to_sound(lines: Tensor, block_type: Tensor, mixed: Tensor, sample_rate: int) -> Tensor:
    """Sound of spectral lines; the last part of `synthesize`.

    Args:
        lines: ``(..., granules, channels, 576)``, float, by frequency, as `dequantize` gives them.
        block_type: ``(..., granules, channels)``, 0 long, 1 start, 2 short, 3 stop.
        mixed: ``(..., granules, channels)``, whether the lowest lines of a short block are a long one's.
        sample_rate: In Hz.

    Returns:
        ``(..., channels, 576 * granules)``.

    Example:
        >>> long = torch.zeros(4, 1, dtype=torch.uint8)
        >>> lines_to_sound(torch.zeros(4, 1, 576), long, long, 16_000).shape
        torch.Size([1, 2304])
    """
    turned = alias_reduction(lines, block_type, mixed, sample_rate)
    return polyphase_synthesis(lines_to_subbands(turned, block_type, mixed, sample_rate))


def sound_to_lines(sound: Tensor, block_type: Tensor, mixed: Tensor, sample_rate: int) -> Tensor:
    """Spectral lines of a sound: the analysis of an encoder, without psychoacoustics and quantization; differentiable.

    `lines_to_sound` gives the sound back nearly, later by 1057 samples, if a start block comes before short ones, and a
    stop block behind them.

    Args:
        sound: ``(..., channels, 576 * granules)``, float; what is before it is silence.
        block_type: ``(..., granules, channels)``, 0 long, 1 start, 2 short, 3 stop.
        mixed: ``(..., granules, channels)``, whether the lowest lines of a short block are a long one's.
        sample_rate: In Hz.

    Returns:
        ``(..., granules, channels, 576)``, by frequency, in short blocks ``3 f + w`` for frequency and window.

    Raises:
        ValueError: If the sound is not of whole granules, as many as there are types.

    Source: ISO 11172-3 (1993), annex C.1.5.3.

    Example:
        >>> long = torch.zeros(8, 1, dtype=torch.uint8)
        >>> sound = torch.randn(1, 8 * 576)
        >>> lines = sound_to_lines(sound, long, long, 16_000)
        >>> lines_to_sound(lines, long, long, 16_000)[:, 1057:].allclose(sound[:, :-1057], atol=1e-3)
        True
    """
    granules = block_type.shape[-2]
    if sound.shape[-1] != _GRANULE * granules:
        raise ValueError(
            f"{granules} granules are {_GRANULE * granules} samples; got {sound.shape[-1]}: pad the sound with zeros"
        )
    lines = subbands_to_lines(polyphase_analysis(sound), block_type, mixed, sample_rate)
    return alias_introduction(lines, block_type, mixed, sample_rate)
