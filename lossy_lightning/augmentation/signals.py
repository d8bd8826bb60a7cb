"""Transforms of sounds, for the ``transform`` of a datamodule: at random, for each example anew."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

_RANGE = (-32768, 32767)


class RandomShift(nn.Module):
    """Moves a sound in time; what it leaves empty becomes zero, and what leaves is lost.

    Args:
        max_samples: Greatest move, in samples, to either side.

    Raises:
        ValueError: Where that is negative.

    Example:
        >>> RandomShift(1600)(torch.zeros(1, 16000, dtype=torch.int16)).shape
        torch.Size([1, 16000])
    """

    def __init__(self, max_samples: int) -> None:
        super().__init__()
        if max_samples < 0:
            raise ValueError(f"max_samples is at least 0; got {max_samples}")
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
        low: Least gain, dB.
        high: Greatest gain, dB.

    Raises:
        ValueError: Where ``low > high``.
    """

    def __init__(self, low: float = -6.0, high: float = 6.0) -> None:
        super().__init__()
        _check(low, high)
        self.low = low
        self.high = high

    def forward(self, signal: Tensor) -> Tensor:
        """The louder or softer sound ``(channels, samples)`` int16."""
        return _to_int16(signal * 10 ** (_uniform(self.low, self.high) / 20))

    def extra_repr(self) -> str:
        """The arguments."""
        return f"low={self.low}, high={self.high}"


class AddNoise(nn.Module):
    """Adds white noise; a sound of zeros stays as it is.

    Args:
        low: Least ratio of the sound's power to the noise's, dB.
        high: Greatest ratio, dB.

    Raises:
        ValueError: Where ``low > high``.
    """

    def __init__(self, low: float = 10.0, high: float = 40.0) -> None:
        super().__init__()
        _check(low, high)
        self.low = low
        self.high = high

    def forward(self, signal: Tensor) -> Tensor:
        """The noisy sound ``(channels, samples)`` int16."""
        sound = signal.float()
        level = sound.square().mean().sqrt() * 10 ** (-_uniform(self.low, self.high) / 20)
        return _to_int16(sound + level * torch.randn_like(sound))

    def extra_repr(self) -> str:
        """The arguments."""
        return f"low={self.low}, high={self.high}"


def _check(low: float, high: float) -> None:
    if low > high:
        raise ValueError(f"the least value, in dB, is not above the greatest; got {low=}, {high=}")


def _uniform(low: float, high: float) -> float:
    return low + (high - low) * torch.rand(()).item()


def _to_int16(sound: Tensor) -> Tensor:
    return sound.round().clamp(*_RANGE).to(torch.int16)
