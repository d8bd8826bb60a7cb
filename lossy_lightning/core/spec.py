"""The type of a code."""

from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class CodeSpec(NamedTuple):
    """The type of a code: its shape, the range of each channel, and what its numbers mean.

    Attributes:
        shape: ``(C, *grid)``, channel first, no batch dimension; None where the size varies from example to example.
        low: Least value of each channel, length C.
        high: Greatest value of each channel, inclusive, length C.
        ordinal: True where ``|a - b|`` has meaning (pixels, coefficients); False for codebook indices.

    Example:
        >>> spec = CodeSpec.uniform((1, 7, 7), low=0, high=15, ordinal=False)
        >>> spec.levels, spec.bit_widths, spec.num_bits, spec.dtype
        ((16,), (4,), 196, torch.uint8)
    """

    shape: tuple[int | None, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    ordinal: bool

    @classmethod
    def uniform(cls, shape: tuple[int | None, ...], low: int, high: int, *, ordinal: bool) -> "CodeSpec":
        """The spec whose channels all range from ``low`` to ``high``, inclusive.

        Raises:
            ValueError: Where the number of channels, ``shape[0]``, is None or ``low > high``.
        """
        channels = shape[0]
        if channels is None or low > high:
            raise ValueError(f"a spec needs a number of channels and low <= high; got {shape=}, {low=}, {high=}")
        return cls(tuple(shape), (low,) * channels, (high,) * channels, ordinal)

    @classmethod
    def union(cls, *specs: "CodeSpec") -> "CodeSpec":
        """The spec that every code of the given specs satisfies.

        Raises:
            ValueError: Where the specs differ in shape or kind, or are codebook indices of unequal ranges.
        """
        shape, low, high, ordinal = specs[0]
        for spec in specs[1:]:
            if spec.shape != shape or spec.ordinal != ordinal:
                raise ValueError(f"codes of one data set must agree in shape and kind; got {specs[0]} and {spec}")
            if not ordinal and (spec.low, spec.high) != (low, high):
                raise ValueError(f"codebook indices must come from codebooks of one size; got {specs[0]} and {spec}")
            low = tuple(map(min, low, spec.low))
            high = tuple(map(max, high, spec.high))
        return cls(shape, low, high, ordinal)

    @property
    def levels(self) -> tuple[int, ...]:
        """Number of different values of each channel."""
        return tuple(high - low + 1 for low, high in zip(self.low, self.high, strict=True))

    @property
    def bit_widths(self) -> tuple[int, ...]:
        """Bits that hold any value of each channel: ``ceil(log2(levels))``, 0 for a constant channel."""
        return tuple((levels - 1).bit_length() for levels in self.levels)

    @property
    def num_bits(self) -> int:
        """Bits of one code's *container*: the bit widths summed over channels and grid.

        This is not the entropy-coded size, which depends on the data.

        Raises:
            ValueError: Where the size varies from example to example.
        """
        if None in self.shape:
            raise ValueError(f"codes of shape {self.shape} vary in size, so they have no one number of bits")
        return sum(self.bit_widths) * prod(size for size in self.shape[1:] if size is not None)

    @property
    def dtype(self) -> torch.dtype:
        """The smallest integer dtype that holds every channel."""
        low, high = min(self.low), max(self.high)
        return next(d for d in _INTEGERS if torch.iinfo(d).min <= low and high <= torch.iinfo(d).max)

    def check_layout(self, code: Tensor) -> None:
        """Check dtype and shape of a code ``(..., C, *grid)``; reads no value, so it is free on any device.

        Raises:
            ValueError: Where the code is not of an integer dtype or not of this shape.
        """
        if code.dtype not in _INTEGERS:
            raise ValueError(f"a code is of an integer dtype; got {code.dtype}: encode the signal with a codec first")
        trailing = tuple(code.shape[max(0, code.ndim - len(self.shape)) :])
        if len(trailing) != len(self.shape) or any(
            want not in (None, got) for want, got in zip(self.shape, trailing, strict=True)
        ):
            want = ", ".join("any" if size is None else str(size) for size in self.shape)
            raise ValueError(f"codes of shape (..., {want}) are expected here; got {tuple(code.shape)}")

    def check(self, code: Tensor) -> None:
        """Check dtype, shape and values of a code ``(..., C, *grid)``.

        Raises:
            ValueError: Where the code is not of this spec; names the first channel that leaves its range.
        """
        self.check_layout(code)
        if code.numel() == 0:
            return
        least, greatest = code.movedim(code.ndim - len(self.shape), 0).flatten(1).aminmax(dim=1)
        for channel, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
            got = int(least[channel]), int(greatest[channel])
            if got[0] < low or got[1] > high:
                raise ValueError(f"channel {channel} of a code ranges from {low} to {high}; got {got[0]} to {got[1]}")


class CodeStatistics(NamedTuple):
    """Mean and standard deviation of each channel of a data set's training codes, float32, shape ``(C,)``."""

    mean: Tensor
    std: Tensor
