"""Transforms of sounds, against what their definitions say."""

import math

import pytest
import torch

from lossy_lightning.augmentation import AddNoise, RandomGain, RandomShift


def tone(amplitude=10_000, length=8000):
    return (amplitude * torch.sin(torch.arange(length) / 7)).round().to(torch.int16)[None]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_a_shift_moves_and_fills_with_zeros():
    sound = torch.arange(1, 101, dtype=torch.int16).repeat(2, 1)
    moves = set()
    for _ in range(200):
        got = RandomShift(3)(sound)
        assert got.shape == sound.shape
        assert got.dtype == torch.int16
        move = 50 - int(got[0, 50]) + 1
        moves.add(move)
        want = [[i - move + 1 if 0 <= i - move < 100 else 0 for i in range(100)]] * 2
        assert got.tolist() == want
    assert moves == set(range(-3, 4))


def test_a_gain_is_within_its_range_and_clips():
    ratios = [float(RandomGain(-6, 6)(tone()).double().std() / tone().double().std()) for _ in range(100)]
    assert 10 ** (-6 / 20) - 1e-3 < min(ratios) < 0.6
    assert 1.8 < max(ratios) < 10 ** (6 / 20) + 1e-3
    loud = RandomGain(20, 20)(tone(30_000))
    assert (int(loud.min()), int(loud.max())) == (-32768, 32767)
    assert torch.equal(RandomGain(0, 0)(tone()), tone())


@pytest.mark.parametrize("ratio", [10, 30])
def test_noise_has_the_power_that_is_asked_for(ratio):
    sound = tone()
    noise = (AddNoise(ratio, ratio)(sound) - sound).double()
    got = 10 * math.log10(sound.double().square().mean() / noise.square().mean())
    assert got == pytest.approx(ratio, abs=0.3)
    assert abs(float(noise[0, 1:] @ noise[0, :-1] / noise.square().sum())) < 0.05  # white


def test_silence_stays_silent():
    assert not AddNoise(0, 0)(torch.zeros(1, 100, dtype=torch.int16)).any()


@pytest.mark.parametrize("transform", [RandomShift(100), RandomGain(), AddNoise()])
def test_random_numbers_are_torchs(transform):
    torch.manual_seed(3)
    first, second = transform(tone()), transform(tone())
    torch.manual_seed(3)
    assert torch.equal(transform(tone()), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    "make", [lambda: RandomShift(-1), lambda: RandomGain(2, 1), lambda: AddNoise(min_ratio=3, max_ratio=-3)]
)
def test_ranges_that_are_none(make):
    with pytest.raises(ValueError, match="got"):
        make()
