import numpy as np
import pytest
import torch

from lossy_lightning.codecs import MDCT, DeadZone, Psychoacoustic, TransformCodec
from lossy_lightning.functional import bark_bands, index_entropy
from lossy_lightning.testing import check_codec
from tests.codecs.speech import some_clips
from tests.functional.test_psychoacoustics import by_hand

RATE = 16_000


def voice(samples=16_000, seed=0):
    """A sound like a vowel: harmonics of falling strength under a changing loudness, and a little noise."""
    t = torch.arange(samples) / RATE
    tones = sum(torch.sin(2 * torch.pi * 140 * k * t) / k for k in range(1, 30))
    loud = 4000 * torch.sin(2 * torch.pi * 1.5 * t).abs() + 20
    hiss = 30 * torch.randn(samples, generator=torch.Generator().manual_seed(seed))
    return (loud * tones + hiss).clamp(-32768, 32767).to(torch.int16)[None]


def noise_to_mask(lines, decoded):
    """Noise over threshold of each band of each frame, by the implementation in the tests."""
    bands = bark_bands(len(lines), RATE).numpy()
    member = np.eye(bands[-1] + 1)[bands]
    masks = np.stack([by_hand(frame, RATE, bands) for frame in lines.T.numpy()])
    return ((lines - decoded).double().square().T.numpy() @ member) / masks


def bits_a_sample(fields, samples):
    counts = [torch.unique(channel, return_counts=True)[1] for field in fields for channel in field]
    return sum(float(index_entropy(count) * count.sum()) for count in counts) / samples


def measure(sound):
    analysis, hearing = MDCT(256), Psychoacoustic(256, RATE)
    lines = analysis(sound)
    code = hearing.encode(lines)
    ratio = noise_to_mask(lines, hearing.decode(code))
    bits = bits_a_sample(hearing.spec(tuple(lines.shape)).split(code).values(), sound.shape[-1])
    return lines, ratio, bits


def test_contract():
    signals = torch.stack([voice(602, seed).view(2, 301) for seed in range(2)])
    check_codec(TransformCodec(MDCT(32), Psychoacoustic(32, RATE)), (2, 301), signals)


def check_that_noise_hides(sound):
    lines, ratio, bits = measure(sound)
    assert (ratio <= 1).mean() >= 0.95
    # One step for all bands, as wide as gives the same mean ratio of noise to mask, takes more bits.
    low, high = 0.01, 1000.0
    for _ in range(18):
        step = (low * high) ** 0.5
        plain = DeadZone(step, 0.5)
        other = noise_to_mask(lines, plain.decode(plain.encode(lines))).mean()
        low, high = (step, high) if other < ratio.mean() else (low, step)
    assert bits < bits_a_sample([plain.encode(lines)], sound.shape[-1])


def test_noise_hides_below_the_mask_with_fewer_bits_than_one_step_takes():
    check_that_noise_hides(voice(8000))


def test_noise_hides_in_speech(data_root):
    check_that_noise_hides(torch.cat(list(some_clips(data_root, 3)), -1))


def test_one_quality_moves_all_thresholds():
    lines = MDCT(64)(voice(4000))
    ratios = []
    for quality in (0.5, 1, 2):
        codec = Psychoacoustic(64, RATE, quality)
        found = codec.decode(codec.encode(lines))
        ratios.append(((found - lines).square().sum() / lines.square().sum()).log10().item() * 10)
    assert np.diff(ratios) == pytest.approx([-6, -6], abs=2)
    code = Psychoacoustic(64, RATE).encode(lines)
    finer = Psychoacoustic(64, RATE, 2).encode(lines)
    assert (code[64:] - finer[64:]).float().mean() == pytest.approx(4, abs=0.5)  # 6 dB are four steps of 1.5


def test_no_level_is_beyond_the_greatest():
    tone = torch.zeros(64, 3)
    tone[[0, 3, 63], 1] = torch.tensor([2.0**19, 1.0, -(2.0**19)])
    codec = Psychoacoustic(64, RATE, quality=1000)
    code = codec.encode(tone)
    codec.spec((64, 3)).check(code)
    assert (codec.decode(code) - tone).abs().max() < 2**19 / 8000


def test_silence_is_nothing():
    codec = TransformCodec(MDCT(64), Psychoacoustic(64, RATE))
    code = codec.encode(torch.zeros(1, 640, dtype=torch.int16))
    assert not codec.spec((1, 640)).split(code)["levels"].any()
    assert codec.sample_rate == RATE


def test_bad_input():
    for arguments in ((0, RATE), (64, 0), (64, RATE, 0.0), (64, RATE, float("nan"))):
        with pytest.raises(ValueError, match=r"is a (whole )?number"):
            Psychoacoustic(*arguments)
    with pytest.raises(ValueError, match=r"use MDCT\(64\)"):
        Psychoacoustic(64, RATE).encode(torch.zeros(32, 3))
    with pytest.raises(ValueError, match="takes 4 to 4096 lines"):
        Psychoacoustic(10**6, RATE)
    with pytest.raises(ValueError, match="finite float32 lines; got"):
        Psychoacoustic(4, RATE).encode(torch.full((4, 2), float("nan")))
    with pytest.raises(ValueError, match=r"have a grid of \(64,\) or more; got \(4,\)"):
        TransformCodec(MDCT(64), Psychoacoustic(64, RATE)).decode(torch.zeros(83, 4, dtype=torch.int16), (1, 4000))
    with pytest.raises(ValueError, match="takes 83 channels for each of the sound; got 85"):
        Psychoacoustic(64, RATE).decode(torch.zeros(85, 3, dtype=torch.int16))
