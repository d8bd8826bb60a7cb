"""The scalar quantizer of least squared error, fitted to values."""

from collections.abc import Iterable, Sequence
from typing import Self

import torch
from torch import Tensor

from lossy_lightning.codecs.quantizers.quantizer import Quantizer
from lossy_lightning.core import InputError
from lossy_lightning.core.arguments import check_integers

_MAX_ITERATIONS = 2000


class LloydMax(Quantizer):
    """Values to the nearest of ``2 ** bits`` levels that lie where the values do, fitted by Lloyd's algorithm.

    It starts from evenly shared quantiles and ends when no level moves any more; each level is then the mean of the
    values nearest to it. All values that it is fitted to are kept in memory and sorted once.

    Args:
        bits: Of a code, 1 to 12.

    Raises:
        ValueError: If there are fewer than 1 or more than 12 bits.

    Source: Lloyd, Least squares quantization in PCM, IEEE Trans. Information Theory 28(2), 1982; Max, Quantizing for
        minimum distortion, IRE Trans. Information Theory 6(1), 1960.

    Example:
        >>> quantizer = LloydMax(1).fit([torch.tensor([[0.0, 1.0, 9.0, 11.0]])])
        >>> quantizer.decode(quantizer.encode(torch.tensor([[2.0, 8.0]])))
        tensor([[ 0.5000, 10.0000]])
    """

    values: Tensor

    def __init__(self, bits: int) -> None:
        super().__init__()
        check_integers(1, bits=bits)
        if bits > 12:
            raise InputError(f"LloydMax has 1 to 12 bits; got {bits=}")
        self.bits = bits
        self.register_buffer("values", torch.full((2**bits,), torch.nan))

    @property
    def fitted(self) -> bool:
        """Whether the levels have values."""
        return not bool(self.values.isnan().any())

    def fit(self, signals: Iterable[Tensor]) -> Self:
        """Place the levels.

        Raises:
            ValueError: If the values are not finite, or fewer than the levels differ.
        """
        found = [batch.flatten().double().cpu() for batch in signals]
        given = torch.cat(found or [torch.empty(0)]).sort().values
        if not given.isfinite().all():
            raise InputError("LloydMax is fitted to finite values; got NaN or infinite ones")
        different = int(1 + (given.diff() > 0).sum()) if len(given) else 0
        if different < 2**self.bits:
            raise InputError(f"LloydMax({self.bits}) needs {2**self.bits} different values; got {different}")
        self.values.copy_(_lloyd(given, 2**self.bits))
        return self

    def quantize(self, values: Tensor) -> Tensor:
        """Nearest levels."""
        middles = (self.values[1:] + self.values[:-1]) / 2
        return torch.bucketize(values.contiguous(), middles)

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """Value of each level.

        Raises:
            RuntimeError: If it is not fitted.
        """
        if not self.fitted:
            raise RuntimeError("this LloydMax is not fitted yet; call fit, or load a fitted state")
        return self.values[code.long()]

    def level_ranges(self, bounds: Sequence[float]) -> list[tuple[int, int]]:
        """0 and ``2 ** bits - 1``, whatever the values."""
        return [(0, 2**self.bits - 1)] * len(bounds)


def _lloyd(given: Tensor, count: int) -> Tensor:
    """Levels of sorted values, each the mean of those nearest to it."""
    sums = torch.cat([given.new_zeros(1), given.cumsum(0)])
    unique = torch.unique(given)
    levels: Tensor = unique[((torch.arange(count) + 0.5) * (len(unique) / count)).long()]
    for _ in range(_MAX_ITERATIONS):
        inner = torch.searchsorted(given, (levels[1:] + levels[:-1]) / 2)
        ends = torch.cat([inner.new_zeros(1), inner, inner.new_full((1,), len(given))])
        counts = ends.diff()
        means = torch.where(counts > 0, sums[ends].diff() / counts.clamp(min=1), levels)
        if torch.equal(means, levels):
            break
        levels = means
    return levels
