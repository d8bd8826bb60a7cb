"""What all scalar quantizers have in common."""

import math
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Self

import torch
from torch import Tensor

from lossy_lightning.core import CodeSpec, Field, InputError, TrainableCodec
from lossy_lightning.functional import index_entropy


class Quantizer(TrainableCodec):
    """A codec of real values, each by itself: float32 ``(..., C, *grid)`` to integers of the same shape.

    Levels rise with the values. A subclass writes `quantize`, `decode` and `level_ranges`, and `fit` and `fitted` if
    there is something to fit. `TransformCodec` quantizes what a transform puts out by one of them, or by one for each
    field.
    """

    learned = False  # at most a fitted range or codebook, but no weights
    idempotent = True

    @abstractmethod
    def quantize(self, values: Tensor) -> Tensor:
        """Levels of finite values, whole numbers in any dtype."""

    @abstractmethod
    def level_ranges(self, bounds: Sequence[float]) -> list[tuple[int, int]]:
        """Least and greatest level of each channel, of values from ``-bound`` to ``bound``; infinity: of any value."""

    @property
    def fitted(self) -> bool:
        """True, since there is nothing to fit."""
        return True

    def fit(self, signals: Iterable[Tensor]) -> Self:
        """Nothing: there is nothing to fit."""
        return self

    def encode(self, signal: Tensor) -> Tensor:
        """Levels of values: ``(..., C, *grid)`` float32 to the same shape, integer.

        Raises:
            RuntimeError: If the quantizer is not fitted.
            ValueError: If the values are not float32, or not finite.
        """
        name = type(self).__name__
        if not self.fitted:
            raise RuntimeError(f"this {name} is not fitted yet; call fit, load a fitted state, or pass its range")
        # Both ends are NaN if a value is: one pass, without a mask as large as the values.
        if signal.dtype != torch.float32 or (signal.numel() and not torch.stack(signal.aminmax()).isfinite().all()):
            raise InputError(f"{name} quantizes finite float32 values; got {signal.dtype}, or NaN or infinity")
        return self.quantize(signal).to(self.dtype)

    def step_sizes(self, channels: int) -> Tensor | None:
        """What levels of each channel are multiplied with to give values; None if that varies, or is not known."""
        return None

    @property
    def dtype(self) -> torch.dtype:
        """Of codes of any values."""
        return self.spec((1,)).dtype

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """The shape of the values, with the limits of any value."""
        channels, *grid = shape
        if channels is None:
            raise InputError(f"a spec needs a number of channels; got {shape=}")
        low, high = zip(*self.level_ranges([math.inf] * channels), strict=True)
        return CodeSpec([Field("code", low, high, True)], grid)

    def rate(self, code: Tensor) -> float:
        """Bits a value of an ideal entropy code of these levels, each by itself (zeroth order); 0 if there are none.

        The container takes the bit width of `spec` instead.

        Example:
            >>> from lossy_lightning.codecs import DeadZone
            >>> DeadZone(1.0).rate(torch.tensor([0, 0, 1, -1]))
            1.5
        """
        return float(index_entropy(torch.unique(code, return_counts=True)[1]))
