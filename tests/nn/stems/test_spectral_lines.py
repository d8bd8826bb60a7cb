import math

import pytest
import torch

from lossy_lightning.codecs import JPEG, MP3
from lossy_lightning.functional.mp3 import lines_to_sound
from lossy_lightning.nn import SpectralBands, SpectralLines


def _sound(channels, samples=9000):
    time = torch.arange(samples) / 16_000
    tones = [torch.sin(2 * math.pi * f * time) * torch.exp(-5 * time) for f in (440, 1000, 3000)]
    sides = torch.stack([sum(tones), tones[0] + 0.2 * tones[2]])[:channels]
    return (sides * 8000).to(torch.int16)


@pytest.mark.parametrize("channels", [1, 2])
def test_features_are_companded_lines_that_decode_to_the_sound(channels):
    codec = MP3(64, 16_000, channels)
    code = codec.encode(_sound(channels))
    spec = codec.spec((channels, 9000))
    companded = SpectralLines(spec, 16_000).companded(code[None])
    lines = companded.sign() * companded.abs().pow(4 / 3) / 2**15
    parts = spec.split(code)
    sound = lines_to_sound(lines[0], parts["block_type"].mT, parts["mixed"].mT, 16_000)
    assert (codec.decode(code) - sound * 2**15).abs().max() < 1


def test_the_lowest_lines_are_read_and_normalised():
    codec = MP3(64, 16_000)
    code = codec.encode(_sound(1))[None]
    stem = SpectralLines(codec.spec((1, None)), 16_000, lines=200)
    features = stem(code)
    values = stem.companded(code)[0, :, 0, :200]
    assert features.shape == (1, 200, code.shape[-1])
    want = (values - values.mean(0)) / (values.var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(features[0].mT, want, rtol=1e-3, atol=1e-3)
    logarithms = SpectralLines(codec.spec((1, None)), 16_000, lines=200, magnitudes=True).eval()
    torch.testing.assert_close(logarithms(code)[0].mT, values.abs().log1p() / math.sqrt(1 + 1e-5))


@pytest.mark.parametrize("channels", [1, 2])
def test_gradients_of_levels_are_finite(channels):
    codec = MP3(64, 16_000, channels)
    code = codec.encode(_sound(channels))[None].float().requires_grad_()
    SpectralLines(codec.spec((channels, None)), 16_000).companded(code).sum().backward()
    assert code.grad.isfinite().all()
    assert code.grad[:, : 576 * channels].any()


def test_other_codes_are_refused():
    with pytest.raises(ValueError, match=r"reads codes of MP3\(dequantize=False\); got codes of the fields \('luma',"):
        SpectralLines(JPEG().spec((3, 32, 32)), 16_000)
    with pytest.raises(ValueError, match="got codes of the fields"):
        SpectralLines(MP3(dequantize=True).spec((1, None)), 44_100)
    with pytest.raises(ValueError, match="1 to 576 lines; got lines=600"):
        SpectralLines(MP3().spec((1, None)), 44_100, lines=600)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_tone_is_in_the_band_around_it(channels):
    codec = MP3(64, 16_000, channels)
    samples = (8000 * torch.sin(2 * math.pi * 2011 * torch.arange(9000) / 16_000)).to(torch.int16)
    code = codec.encode(samples.expand(channels, -1))[None]
    stem = SpectralBands(codec.spec((channels, None)), 16_000, bands=20).eval()
    features = stem(code)
    assert features.shape == (1, 20 * channels, code.shape[-1])
    mel = [2595 * math.log10(1 + hertz / 700) for hertz in (2011, 8000)]
    want = round(21 * mel[0] / mel[1]) - 1  # of centres from 1 to 20, even in mel
    loudest = features[0, :, 8].unflatten(0, (channels, 20)).argmax(1)
    assert loudest.tolist() == [want] * channels
    # A line comes and goes with the phase, a band does not.
    lines = SpectralLines(codec.spec((channels, None)), 16_000, lines=160, magnitudes=True).eval()(code)[0, 144]
    assert features[0, want, 3:12].std() < lines[3:12].std() / 2


def test_bands_are_checked():
    spec = MP3(32, 16_000).spec((1, None))
    with pytest.raises(ValueError, match="SpectralBands reads codes of MP3"):
        SpectralBands(JPEG().spec((3, 32, 32)), 16_000)
    with pytest.raises(ValueError, match=r"at most 8000.0 Hz; got highest=9000"):
        SpectralBands(spec, 16_000, highest=9000)
    with pytest.raises(ValueError, match=r"400 bands are too many up to 8000.0 Hz"):
        SpectralBands(spec, 16_000, bands=400)
