"""How much an attack changes codes and signals, and how visible or audible that is."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.audio import signal_noise_ratio
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

_SSIM_WINDOW = 11


def distances(clean: Tensor, moved: Tensor) -> dict[str, float]:
    """Greatest change and number of changed values of an example, each averaged over the batch.

    Args:
        clean: ``(N, ...)``, integer or float.
        moved: The same shape.

    Returns:
        ``linf``, in values, and ``l0``, a count.

    Example:
        >>> distances(torch.tensor([[0, 0, 9]]), torch.tensor([[3, 0, 8]]))
        {'linf': 3.0, 'l0': 2.0}
    """
    change = (moved.double() - clean.double()).flatten(1).abs()
    return {"linf": float(change.amax(1).mean()), "l0": float((change > 0).sum(1).double().mean())}


def is_image(signal: Tensor) -> bool:
    """Whether signals are images: ``(N, channels, height, width)`` uint8."""
    return signal.ndim == 4 and signal.dtype == torch.uint8


def is_sound(signal: Tensor) -> bool:
    """Whether signals are sounds: ``(N, channels, samples)`` int16."""
    return signal.ndim == 3 and signal.dtype == torch.int16


def distortion(clean: Tensor, moved: Tensor) -> dict[str, float]:
    """Distortion by kind of signal.

    Args:
        clean: Images ``(N, channels, height, width)`` uint8, or sounds ``(N, channels, samples)`` int16.
        moved: The same shape and dtype.

    Returns:
        For images ``psnr`` (dB, from the mean squared error of the batch) and, from 11x11 pixels on, ``ssim`` (its
        window is 11x11); for sounds ``snr`` and ``log_spectral_distance`` (dB, each averaged over the batch); for
        anything else nothing.

    Source: Wang et al., Image quality assessment, IEEE TIP 13(4), 2004 (SSIM, by torchmetrics).
    """
    before, after = clean.float(), moved.float()
    measures: dict[str, Any] = {}
    if is_image(clean):
        measures["psnr"] = peak_signal_noise_ratio(after, before, data_range=255.0)
        if min(clean.shape[2:]) >= _SSIM_WINDOW:
            measures["ssim"] = structural_similarity_index_measure(after, before, data_range=255.0)
    elif is_sound(clean):
        measures["snr"] = signal_noise_ratio(after, before).mean()
        measures["log_spectral_distance"] = log_spectral_distance(before, after).mean()
    return {name: float(value) for name, value in measures.items()}


def log_spectral_distance(clean: Tensor, moved: Tensor, window: int = 512) -> Tensor:
    """Root mean square over frequency of the difference of log power spectra, averaged over frames, dB.

    Hann windows of ``window`` samples (the whole sound if it is shorter), overlapping by half. Powers below 1, the
    square of one step of a 16-bit sample, count as 1, so that digital silence is finite.

    Args:
        clean: ``(..., samples)``, in sample values.
        moved: The same shape.
        window: Samples of a window.

    Returns:
        ``(...)``.

    Source: Rabiner & Juang, Fundamentals of speech recognition, 1993, section 4.5.1.
    """
    difference = log_power(clean, window) - log_power(moved, window)
    return difference.square().mean(-2).sqrt().mean(-1).view(clean.shape[:-1])


def log_power(sound: Tensor, window: int = 512, hop: int | None = None) -> Tensor:
    """Log power spectrogram; powers below 1, the square of one step of a 16-bit sample, count as 1.

    Args:
        sound: ``(..., samples)``, in sample values.
        window: Samples of a Hann window; the whole sound if it is shorter.
        hop: Samples from one window to the next; None for half a window.

    Returns:
        ``(sounds, frequency, frames)`` in dB; with all leading axes in one.
    """
    size = min(window, sound.shape[-1])
    hann = torch.hann_window(size, device=sound.device)
    spectrum = torch.stft(
        sound.reshape(-1, sound.shape[-1]),
        size,
        min(hop or size // 2, size) or 1,
        window=hann,
        center=False,
        return_complex=True,
    )
    return 10 * spectrum.abs().square().clamp(min=1).log10()
