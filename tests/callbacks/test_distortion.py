"""Distortion against formulas in NumPy and SciPy."""

import numpy as np
import pytest
import scipy.signal
import torch

from lossy_lightning.callbacks._distortion import distances, distortion, log_spectral_distance


def test_distances_are_means_over_examples():
    clean = torch.tensor([[0, 0, 9, 9], [5, 5, 5, 5]], dtype=torch.uint8)
    moved = torch.tensor([[3, 0, 8, 9], [5, 5, 5, 5]], dtype=torch.uint8)
    assert distances(clean, moved) == {"linf": 1.5, "l0": 1.0}


def test_images_have_psnr_and_ssim():
    generator = torch.Generator().manual_seed(0)
    clean = torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8, generator=generator)
    moved = (clean.int() + 8 * torch.randint(-1, 2, clean.shape, generator=generator)).clamp(0, 255).to(torch.uint8)
    got = distortion(clean, moved)
    error = (moved.double() - clean.double()).square().mean().item()
    assert got["psnr"] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-4)
    assert 0.9 < got["ssim"] < 1


def test_sounds_have_snr_and_log_spectral_distance():
    rng = np.random.default_rng(0)
    clean = rng.normal(0, 3000, (2, 1, 4000)).astype(np.int16)
    moved = (clean + rng.normal(0, 30, clean.shape)).astype(np.int16)
    got = distortion(torch.from_numpy(clean), torch.from_numpy(moved))
    noise = moved.astype(float) - clean
    ratios = 10 * np.log10((clean.astype(float) ** 2).sum(-1) / (noise**2).sum(-1))
    assert got["snr"] == pytest.approx(ratios.mean(), abs=1e-3)

    def power(x):
        options = {"window": "hann", "nperseg": 512, "noverlap": 256, "boundary": None, "padded": False}
        spectrum = scipy.signal.stft(x, **options)[2] * scipy.signal.get_window("hann", 512).sum()
        return 10 * np.log10(np.maximum(np.abs(spectrum) ** 2, 1))

    expected = np.sqrt(((power(clean.astype(float)) - power(moved.astype(float))) ** 2).mean(-2)).mean()
    assert got["log_spectral_distance"] == pytest.approx(expected, rel=1e-3)


def test_silence_and_short_sounds_are_finite():
    silence = torch.zeros(2, 100)
    assert log_spectral_distance(silence, silence).tolist() == [0.0, 0.0]
    assert log_spectral_distance(silence, silence + 100).isfinite().all()


def test_anything_else_has_none():
    assert distortion(torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)) == {}
