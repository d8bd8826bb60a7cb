import numpy as np
import pytest
import torch

from lossy_lightning.functional import (
    bark,
    bark_bands,
    masking_thresholds,
    spreading,
    threshold_in_quiet,
)


def by_hand(frame, rate, bands):
    """Masking thresholds of one frame in plain loops, in decibels wherever that is possible."""
    lines, count = len(frame), bands[-1] + 1
    hertz = (np.arange(lines) + 0.5) * rate / 2 / lines
    power = frame.astype(float) ** 2 + 1e-9
    flatness = 10 * np.log10(np.exp(np.log(power).mean()) / ((frame.astype(float) ** 2).mean() + 1e-9))
    tonal = min(max(flatness / -60, 0), 1)
    centre = [6 * np.arcsinh(hertz[bands == b].mean() / 600) for b in range(count)]
    energy = [(frame[bands == b].astype(float) ** 2).sum() for b in range(count)]
    found = []
    for b in range(count):
        total = 0.0
        for masker in range(count):
            z = centre[b] - centre[masker] + 0.474
            level = 15.81 + 7.5 * z - 17.5 * np.sqrt(1 + z * z)
            level -= tonal * (14.5 + centre[masker]) + (1 - tonal) * 5.5
            total += (energy[masker] * 10 ** (level / 10)) ** 0.6
        khz = hertz[bands == b] / 1000
        quiet = (3.64 * khz**-0.8 - 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) + 1e-3 * khz**4).min()
        found.append(max(total ** (1 / 0.6), 2.0**29 * lines * 10 ** ((quiet - 96) / 10)))
    return np.array(found)


def test_thresholds_are_those_of_the_formulas():
    bands = bark_bands(64, 16_000)
    spectrum = 3000 * torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    spectrum[1] = 0
    spectrum[2, :10] = 0
    spectrum[3, 20] = 1e5
    found = masking_thresholds(spectrum, 16_000, bands)
    for frame, thresholds in zip(spectrum, found, strict=True):
        np.testing.assert_allclose(thresholds, by_hand(frame.numpy(), 16_000, bands.numpy()), rtol=1e-6)


def test_bands_are_a_bark_wide_and_none_is_empty():
    for lines, rate in ((256, 16_000), (1024, 44_100), (8, 16_000)):
        bands = bark_bands(lines, rate)
        assert bands.unique().tolist() == list(range(int(bands[-1]) + 1))
        edges = bark((torch.arange(lines + 1)) * rate / 2 / lines)
        for band in range(int(bands[-1]) + 1):
            own = (bands == band).nonzero().flatten()
            assert len(own) == 1 or edges[own[-1] + 1] - edges[own[0]] < 1 + 2 * edges.diff().max()


def test_curves_have_their_known_values():
    assert bark(torch.tensor(1000.0)) == pytest.approx(7.703, abs=0.01)
    assert threshold_in_quiet(torch.tensor(4000.0)) < threshold_in_quiet(torch.tensor(1000.0))
    assert spreading(torch.tensor(0.0)).abs() < 0.05
    slopes = spreading(torch.tensor([-6.0, -5.0, 5.0, 6.0])).diff()[[0, 2]]
    assert torch.allclose(slopes, torch.tensor([25.0, -10.0]), atol=0.7)  # dB a Bark, far from the masker


def test_a_louder_masker_hides_more():
    bands = bark_bands(256, 16_000)
    spectrum = torch.randn(256, generator=torch.Generator().manual_seed(0)) * 1000
    quiet, loud = (masking_thresholds(gain * spectrum, 16_000, bands) for gain in (1, 10))
    assert torch.allclose(loud, 100 * quiet, rtol=1e-3)
