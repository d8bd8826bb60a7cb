"""Companding: small values finer than large ones."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from lossy_lightning.codecs.quantizers.quantizer import Quantizer
from lossy_lightning.core import InputError
from lossy_lightning.core.arguments import check_numbers

_PEAKS = 1e-30, 1e30  # so that factors are numbers of float32


class Compander(ABC):
    """A rising odd function of real values, and its inverse."""

    @abstractmethod
    def compress(self, values: Tensor) -> Tensor:
        """Values, the large ones closer together."""

    @abstractmethod
    def expand(self, values: Tensor) -> Tensor:
        """The inverse of `compress`."""


@dataclass(frozen=True)
class MuLaw(Compander):
    """The μ-law of telephony, ``sign(x) ln(1 + mu |x| / peak) / ln(1 + mu)``: from -peak...peak to -1...1.

    Args:
        mu: How much finer small values are, 1e-3 to 1e6.
        peak: The greatest value, 1e-30 to 1e30.

    Raises:
        ValueError: If a number is out of range.

    Source: ITU-T G.711 (1988), the curve that its segments follow.

    Example:
        >>> MuLaw().compress(torch.tensor([-1.0, 0.0, 0.01])).round(decimals=3)
        tensor([-1.0000,  0.0000,  0.2280])
    """

    mu: float = 255.0
    peak: float = 1.0

    def __post_init__(self) -> None:
        check_numbers(1e-3, 1e6, mu=self.mu)
        check_numbers(*_PEAKS, peak=self.peak)

    def compress(self, values: Tensor) -> Tensor:
        """From -peak...peak to -1...1."""
        return (values.abs() * (self.mu / self.peak)).log1p().div(math.log1p(self.mu)).copysign(values)

    def expand(self, values: Tensor) -> Tensor:
        """From -1...1 to -peak...peak."""
        return (values.abs() * math.log1p(self.mu)).expm1().mul(self.peak / self.mu).copysign(values)


@dataclass(frozen=True)
class ALaw(Compander):
    """The A-law of telephony: linear up to ``peak / a``, logarithmic beyond; from -peak...peak to -1...1.

    Args:
        a: How much finer small values are, above 1, at most 1e6.
        peak: The greatest value, 1e-30 to 1e30.

    Raises:
        ValueError: If a number is out of range.

    Source: ITU-T G.711 (1988), the curve that its segments follow.

    Example:
        >>> ALaw().compress(torch.tensor([-1.0, 0.0, 0.01])).round(decimals=3)
        tensor([-1.0000,  0.0000,  0.1600])
    """

    a: float = 87.6
    peak: float = 1.0

    def __post_init__(self) -> None:
        check_numbers(1, 1e6, excluded=1, a=self.a)
        check_numbers(*_PEAKS, peak=self.peak)

    def compress(self, values: Tensor) -> Tensor:
        """From -peak...peak to -1...1."""
        size = values.abs() * (self.a / self.peak)
        bent = torch.where(size < 1, size, 1 + size.clamp(min=1).log())
        return bent.div(1 + math.log(self.a)).copysign(values)

    def expand(self, values: Tensor) -> Tensor:
        """From -1...1 to -peak...peak."""
        size = values.abs() * (1 + math.log(self.a))
        return torch.where(size < 1, size, (size - 1).exp()).mul(self.peak / self.a).copysign(values)


@dataclass(frozen=True)
class Power(Compander):
    """A power of the size, ``sign(x) |x|**exponent``; MP3 and AAC take 3/4.

    Args:
        exponent: 0.1 to 10; below 1 small values are finer than large ones.

    Raises:
        ValueError: If it is out of range.

    Source: ISO/IEC 11172-3 (1993), 2.4.3.4.7.1.

    Example:
        >>> Power().compress(torch.tensor([-16.0, 1.0]))
        tensor([-8.,  1.])
    """

    exponent: float = 0.75

    def __post_init__(self) -> None:
        check_numbers(0.1, 10, exponent=self.exponent)

    def compress(self, values: Tensor) -> Tensor:
        """The power of each value."""
        return values.abs().pow(self.exponent).copysign(values)

    def expand(self, values: Tensor) -> Tensor:
        """The root of each value."""
        return values.abs().pow(1 / self.exponent).copysign(values)


class Companded(Quantizer):
    """Values that a compander bends before another quantizer takes them.

    ``Companded(MuLaw(), Uniform(8, -1.0, 1.0))`` is 8-bit μ-law; ``Companded(Power(), DeadZone(8.0, 0.4054))`` rounds
    as encoders of MP3 do.

    Args:
        compander: `MuLaw`, `ALaw`, `Power`, or one of your own.
        quantizer: Of the bent values.

    Raises:
        ValueError: If they are none.

    Example:
        >>> from lossy_lightning.codecs import Uniform
        >>> Companded(MuLaw(), Uniform(8, -1.0, 1.0)).encode(torch.tensor([[-1.0, 0.01, 0.02, 1.0]]))
        tensor([[  0, 157, 169, 255]], dtype=torch.uint8)
    """

    def __init__(self, compander: Compander, quantizer: Quantizer) -> None:
        super().__init__()
        if not isinstance(compander, Compander) or not isinstance(quantizer, Quantizer):
            raise InputError(
                f"Companded takes a compander and a quantizer, such as MuLaw() and Uniform(8, -1.0, 1.0); got "
                f"{compander=}, {quantizer=}"
            )
        self.compander = compander
        self.quantizer = quantizer
        self.idempotent = quantizer.idempotent

    @property
    def fitted(self) -> bool:
        """Whether the quantizer is."""
        return self.quantizer.fitted

    def fit(self, signals: Iterable[Tensor]) -> Self:
        """Fit the quantizer to bent values."""
        self.quantizer.fit(self.compander.compress(batch) for batch in signals)
        return self

    def quantize(self, values: Tensor) -> Tensor:
        """Levels of the bent values."""
        return self.quantizer.quantize(self.compander.compress(values))

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """Value of each level."""
        return self.compander.expand(self.quantizer.decode(code))

    def level_ranges(self, bounds: Sequence[float]) -> list[tuple[int, int]]:
        """The quantizer's, of the bent bound."""
        return self.quantizer.level_ranges(self.compander.compress(torch.tensor(bounds)).tolist())
