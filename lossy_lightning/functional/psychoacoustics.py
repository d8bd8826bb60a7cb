"""What hearing does not notice: bands, spreading, and masking thresholds."""

import torch
from torch import Tensor

FULL_SCALE_LEVEL = 96.0  #: dB SPL that a sine of full scale (16 bits) is taken to be played at
_SUPERPOSITION = 0.6
_LEAST = 1e-9  # of a line's power, far below a step of 16 bits


def bark(hertz: Tensor) -> Tensor:
    """Frequency on the Bark scale, on which bands of hearing have width 1.

    Source: Wang, Sekey, Gersho, An objective measure for predicting subjective quality of speech coders, IEEE JSAC
        10(5), 1992, section III.

    Example:
        >>> bark(torch.tensor([0.0, 1000.0, 8000.0])).round(decimals=2)
        tensor([ 0.0000,  7.7000, 19.7100])
    """
    return 6 * torch.asinh(hertz / 600)


def threshold_in_quiet(hertz: Tensor) -> Tensor:
    """Level in dB SPL below which a tone is not heard; of frequencies above 0.

    Source: Terhardt, Calculating virtual pitch, Hearing Research 1, 1979, equation 2.

    Example:
        >>> threshold_in_quiet(torch.tensor([100.0, 1000.0, 3300.0])).round()
        tensor([23.,  3., -5.])
    """
    khz = hertz / 1000
    return 3.64 * khz**-0.8 - 6.5 * torch.exp(-0.6 * (khz - 3.3) ** 2) + 1e-3 * khz**4


def spreading(distance: Tensor) -> Tensor:
    """Level in dB that a masker of 0 dB has ``distance`` Bark above it: 0 at the masker, steeper below than above.

    Source: Schroeder, Atal, Hall, Optimizing digital speech coders by exploiting masking properties of the human ear,
        J. Acoust. Soc. Am. 66(6), 1979, equation 7.

    Example:
        >>> spreading(torch.tensor([-2.0, -1.0, 1.0])).round()
        tensor([-28.,  -8.,  -4.])
    """
    shifted = distance + 0.474
    return 15.81 + 7.5 * shifted - 17.5 * (1 + shifted**2).sqrt()


def bark_bands(lines: int, sample_rate: int, width: float = 1.0) -> Tensor:
    """Band of each line of a transform, from 0 on: as wide as ``width`` Bark, but of at least one line.

    Args:
        lines: From 0 Hz to half the sample rate; line k is about ``(k + 0.5) / lines`` of that.
        sample_rate: In Hz.
        width: In Bark.

    Returns:
        ``(lines,)``, int64, rising.

    Example:
        >>> bark_bands(12, 16_000).tolist()
        [0, 1, 2, 3, 4, 5, 6, 6, 7, 8, 8, 9]
    """
    raw = (bark(_frequencies(lines, sample_rate)) / width).floor()
    return torch.cat([raw.new_zeros(1), (raw.diff() > 0).to(raw.dtype)]).cumsum(0).long()


def masking_thresholds(spectrum: Tensor, sample_rate: int, bands: Tensor) -> Tensor:
    """Greatest energy of noise in each band of a frame that hearing does not notice beside the sound.

    Each band spreads to the others, less an offset of 5.5 dB if the frame is noise and 14.5 dB plus its Bark if it is a
    tone, told by the flatness of its spectrum; what bands spread adds up by a power law, ``(sum x**0.6)**(1 / 0.6)``;
    no threshold is below that in quiet.

    Args:
        spectrum: Orthonormal MDCT lines ``(..., lines)`` of 16-bit samples, float.
        sample_rate: In Hz.
        bands: Of each line, as `bark_bands` gives them.

    Returns:
        ``(..., number of bands)``, float64: sums of squared lines.

    Source: Johnston, Transform coding of audio signals using perceptual noise criteria, IEEE JSAC 6(2), 1988 (offset);
        Lutfi, Additivity of simultaneous masking, J. Acoust. Soc. Am. 73(1), 1983, and Schuller, Filter Banks and Audio
        Coding, 2020, chapter 9 (superposition).

    Example:
        >>> bands = bark_bands(256, 16_000)
        >>> masking_thresholds(torch.zeros(256), 16_000, bands).shape
        torch.Size([20])
    """
    power = spectrum.double().square()
    hertz = _frequencies(power.shape[-1], sample_rate)
    member = torch.nn.functional.one_hot(bands).double()
    energy = power @ member.to(power.device)
    centre = bark((hertz @ member) / member.sum(0))
    decay = (10 ** (spreading(centre - centre[:, None]) / 10)).to(power.device)  # (masker, masked)
    level = 10 * torch.log10(power + _LEAST)
    flatness = level.mean(-1, keepdim=True) - 10 * torch.log10(power.mean(-1, keepdim=True) + _LEAST)
    tonality = (flatness / -60).clamp(0, 1)
    offset = tonality * (14.5 + centre.to(power.device)) + (1 - tonality) * 5.5
    masked = (energy * 10 ** (-offset / 10)) ** _SUPERPOSITION @ decay**_SUPERPOSITION
    return torch.maximum(masked ** (1 / _SUPERPOSITION), _in_quiet(hertz, member).to(power.device))


def _frequencies(lines: int, sample_rate: int) -> Tensor:
    """Middle frequency of each line in Hz, float64."""
    return (torch.arange(lines, dtype=torch.float64) + 0.5) * (sample_rate / 2 / lines)


def _in_quiet(hertz: Tensor, member: Tensor) -> Tensor:
    """The threshold in quiet of each band, where it is lowest, as energy in a frame."""
    lowest = torch.where(member.bool(), threshold_in_quiet(hertz)[:, None], torch.inf).amin(0)
    full_scale = 2.0**29 * len(hertz)  # energy of a sine of amplitude 2**15 in a frame
    return full_scale * 10 ** ((lowest - FULL_SCALE_LEVEL) / 10)
