"""Uniform quantization of real values in a range."""

import math
from collections.abc import Iterable, Sequence
from typing import Self

import torch
from torch import Tensor

from lossy_lightning.codecs.quantizers.quantizer import Quantizer
from lossy_lightning.core import InputError
from lossy_lightning.core.arguments import check_integers, check_numbers


class Uniform(Quantizer):
    """Real values rounded to ``2 ** bits`` levels that divide a range evenly; values beyond it become its ends.

    It quantizes what an analysis puts out, ``(..., C, *grid)`` float32: see `TransformCodec`.

    Args:
        bits: Of a code, 1 to 16.
        low: The value of code 0; None: the least value that it is fitted to.
        high: The value of the greatest code; None: the greatest value that it is fitted to.

    Raises:
        ValueError: If there are fewer than 1 or more than 16 bits, ``low >= high``, or levels are no different numbers
            of float32.

    Example:
        >>> Uniform(2, low=0.0, high=3.0).encode(torch.tensor([[-1.0, 0.4, 1.6, 9.0]]))
        tensor([[0, 0, 2, 3]], dtype=torch.uint8)
    """

    limits: Tensor

    def __init__(self, bits: int, low: float | None = None, high: float | None = None) -> None:
        super().__init__()
        check_integers(1, bits=bits)
        check_numbers(-math.inf, **{name: end for name, end in (("low", low), ("high", high)) if end is not None})
        if bits > 16 or (low is not None and high is not None and low >= high):
            raise InputError(f"Uniform needs 1 to 16 bits and low < high; got {bits=}, {low=}, {high=}")
        if low is not None and high is not None:
            _check_range(bits, low, high)
        self.bits = bits
        self.low = low
        self.high = high
        nan = float("nan")  # what is not known yet
        self.register_buffer("limits", torch.tensor([nan if low is None else low, nan if high is None else high]))

    @property
    def fitted(self) -> bool:
        """Whether both ends of the range are known."""
        return not bool(self.limits.isnan().any())

    def fit(self, signals: Iterable[Tensor]) -> Self:
        """Take those ends of the range that are not given from batches of values.

        Raises:
            ValueError: If there are no values, they are not finite, or so close that levels would be equal.
        """
        ranges = [torch.stack(batch.aminmax()).cpu() for batch in signals if batch.numel()]
        if not ranges or not torch.stack(ranges).isfinite().all():
            raise InputError("Uniform is fitted to finite values; got none, or NaN or infinite ones")
        least, greatest = torch.stack(ranges)[:, 0].min(), torch.stack(ranges)[:, 1].max()
        low = float(least) if self.low is None else self.low
        high = float(greatest) if self.high is None else self.high
        if low >= high:
            raise InputError(f"Uniform needs values of some range; got {low} to {high}: pass low and high")
        _check_range(self.bits, low, high)
        self.limits.copy_(torch.tensor([low, high]))
        return self

    def quantize(self, values: Tensor) -> Tensor:
        """Nearest levels."""
        low, step = self._scale()
        return ((values - low) / step).round().clamp(0, 2**self.bits - 1)

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """Value of each level.

        Raises:
            RuntimeError: If the range is not fitted.
        """
        low, step = self._scale()
        return code * step + low

    def level_ranges(self, bounds: Sequence[float]) -> list[tuple[int, int]]:
        """0 and ``2 ** bits - 1``, whatever the values."""
        return [(0, 2**self.bits - 1)] * len(bounds)

    def _scale(self) -> tuple[Tensor, Tensor]:
        if not self.fitted:
            raise RuntimeError("this Uniform is not fitted yet; call fit, load a fitted state, or pass low and high")
        low, high = self.limits
        return low, (high - low) / (2**self.bits - 1)


def _check_range(bits: int, low: float, high: float) -> None:
    """Raise an `InputError` if levels are no different numbers of float32."""
    step = (high - low) / (2**bits - 1)
    apart = max(abs(low), abs(high)) * torch.finfo(torch.float32).eps
    if high - low > torch.finfo(torch.float32).max or step < max(apart, torch.finfo(torch.float32).tiny):
        raise InputError(f"{2**bits} levels from {low} to {high} are no different numbers of float32: take fewer bits")
