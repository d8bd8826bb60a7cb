"""Transforms of sounds, for the ``transform`` of a datamodule: at random, for each example anew."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from lossy_lightning.core import InputError
from lossy_lightning.core.arguments import check_integers, check_numbers

_RANGE = (-32768, 32767)


class RandomShift(nn.Module):
    """Moves a sound in time; what it leaves empty becomes zero, and what leaves is lost.

    Args:
        max_samples: Greatest move, in samples, to either side.

    Raises:
        ValueError: If that is negative.

    Example:
        >>> RandomShift(1600)(torch.zeros(1, 16000, dtype=torch.int16)).shape
        torch.Size([1, 16000])
    """

    def __init__(self, max_samples: int) -> None:
        super().__init__()
        check_integers(0, max_samples=max_samples)
        self.max_samples = max_samples

    def forward(self, signal: Tensor) -> Tensor:
        """The moved sound ``(channels, samples)``."""
        move = int(torch.randint(-self.max_samples, self.max_samples + 1, ()))
        return pad(signal, (move, -move))  # a negative number of zeros crops

    def extra_repr(self) -> str:
        """The arguments."""
        return f"max_samples={self.max_samples}"


class RandomGain(nn.Module):
    """Makes a sound louder or softer; samples out of range are clipped.

    Args:
        min_gain: Least gain, dB.
        max_gain: Greatest gain, dB.

    Raises:
        ValueError: If ``min_gain > max_gain``.

    Example:
        >>> sound = torch.tensor([[1000, -30000]], dtype=torch.int16)
        >>> RandomGain(min_gain=20, max_gain=20)(sound)
        tensor([[ 10000, -32768]], dtype=torch.int16)
    """

    def __init__(self, min_gain: float = -6.0, max_gain: float = 6.0) -> None:
        super().__init__()
        _check(min_gain=min_gain, max_gain=max_gain)
        self.min_gain = min_gain
        self.max_gain = max_gain

    def forward(self, signal: Tensor) -> Tensor:
        """The louder or softer sound ``(channels, samples)`` int16."""
        return _to_int16(signal * 10 ** (_uniform(self.min_gain, self.max_gain) / 20))

    def extra_repr(self) -> str:
        """The arguments."""
        return f"min_gain={self.min_gain}, max_gain={self.max_gain}"


class AddNoise(nn.Module):
    """Adds white noise; a sound of zeros stays as it is.

    Args:
        min_ratio: Least ratio of the sound's power to the noise's, dB.
        max_ratio: Greatest ratio, dB.

    Raises:
        ValueError: If ``min_ratio > max_ratio``.

    Example:
        >>> noise = AddNoise(min_ratio=100, max_ratio=100)  # too soft to change a sample
        >>> noise(torch.full((1, 3), 1000, dtype=torch.int16))
        tensor([[1000, 1000, 1000]], dtype=torch.int16)
    """

    def __init__(self, min_ratio: float = 10.0, max_ratio: float = 40.0) -> None:
        super().__init__()
        _check(min_ratio=min_ratio, max_ratio=max_ratio)
        self.min_ratio = min_ratio
        self.max_ratio = max_ratio

    def forward(self, signal: Tensor) -> Tensor:
        """The noisy sound ``(channels, samples)`` int16."""
        sound = signal.float()
        level = sound.square().mean().sqrt() * 10 ** (-_uniform(self.min_ratio, self.max_ratio) / 20)
        return _to_int16(sound + level * torch.randn_like(sound))

    def extra_repr(self) -> str:
        """The arguments."""
        return f"min_ratio={self.min_ratio}, max_ratio={self.max_ratio}"


def _check(**limits: float) -> None:
    check_numbers(-math.inf, **limits)
    least, greatest = limits.values()
    if least > greatest:
        raise InputError(f"the least value, in dB, must not be above the greatest; got {limits}")


def _uniform(least: float, greatest: float) -> float:
    return least + (greatest - least) * torch.rand(()).item()


def _to_int16(sound: Tensor) -> Tensor:
    return sound.round().clamp(*_RANGE).to(torch.int16)
