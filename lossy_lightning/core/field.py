"""A field of a code: some channels of one meaning."""

from collections.abc import Iterable
from math import prod
from operator import index
from typing import NamedTuple, Self

from torch import Tensor

from lossy_lightning.core.errors import InputError

_USUAL = {"cells": (), "absent": None, "constant": False, "steps_from": None}


class _Field(NamedTuple):
    name: str
    low: tuple[int, ...]
    high: tuple[int, ...]
    ordinal: bool
    cells: tuple[int, ...] = ()
    absent: int | None = None
    constant: bool = False
    steps_from: str | None = None


class Field(_Field):
    """Some channels of a code that mean one thing, such as luma, or the quantization table of luma.

    Args:
        name: What users call it, such as "luma"; "code" if a code has no other field.
        low: Least value of each channel of one cell.
        high: Greatest value of each channel of one cell, inclusive.
        ordinal: True if ``|a - b|`` has meaning (pixels, coefficients); False for categories (codebook indices, kinds
            of block).
        cells: Places of the field in one position of the code's grid, along each of its axes (rows, columns); empty
            for one. Luma of 4:2:0 has ``(2, 2)``.
        absent: A value outside the range that says "not there", such as a residual stage that was not sent; it takes
            no bits.
        constant: Whether all positions of an example have the same values, so that they count once.
        steps_from: Name of the field that carries this one's quantization steps, if they travel with the example.

    Raises:
        ValueError: If there is no channel, a range is empty, the value for "not there" lies inside one, or a constant
            field has cells.

    Example:
        >>> luma = Field("luma", (-1024,) * 64, (1023,) * 64, ordinal=True, cells=(2, 2))
        >>> luma.num_cells, luma.num_channels
        (4, 256)
    """

    __slots__ = ()

    def __new__(
        cls,
        name: str,
        low: Iterable[int],
        high: Iterable[int],
        ordinal: bool,
        cells: Iterable[int] = (),
        absent: int | None = None,
        constant: bool = False,
        steps_from: str | None = None,
    ) -> Self:
        """Check the arguments; lists become tuples, and cells that are all 1 none."""
        if not isinstance(name, str) or not name or name == steps_from:
            raise InputError(f"a field has a name, and no steps of its own; got {name=}, {steps_from=}")
        try:
            low, high, cells = (tuple(map(index, values)) for values in (low, high, cells))
            absent = None if absent is None else index(absent)
        except TypeError:
            raise InputError(
                f"field {name!r} needs whole numbers, one a channel or axis; got {low=}, {high=}, {cells=}, {absent=}"
            ) from None
        if not low or len(low) != len(high) or any(a > b for a, b in zip(low, high, strict=True)):
            raise InputError(f"field {name!r} needs low <= high for each of one or more channels; got {low=}, {high=}")
        if any(cell < 1 for cell in cells):
            raise InputError(f"field {name!r} needs 1 or more cells along each axis; got {cells=}")
        if absent is not None and any(a <= absent <= b for a, b in zip(low, high, strict=True)):
            raise InputError(
                f"field {name!r} needs a value outside its range for absent; got {absent=}, {low=}, {high=}"
            )
        cells = () if set(cells) <= {1} else cells
        if constant and cells:
            raise InputError(f"field {name!r} is constant over the grid, so it has no cells; got {cells=}")
        return super().__new__(cls, name, low, high, ordinal, cells, absent, constant, steps_from)

    def __repr__(self) -> str:
        """Its arguments, as they make it again; ranges that are alike are told once."""
        given = {"low": _range(self.low), "high": _range(self.high), "ordinal": str(self.ordinal)}
        given |= {name: repr(getattr(self, name)) for name, usual in _USUAL.items() if getattr(self, name) != usual}
        return f"Field({self.name!r}, {', '.join(f'{name}={text}' for name, text in given.items())})"

    @property
    def levels(self) -> tuple[int, ...]:
        """Number of different values of each channel of one cell."""
        return tuple(high - low + 1 for low, high in zip(self.low, self.high, strict=True))

    @property
    def bit_widths(self) -> tuple[int, ...]:
        """Bits that hold any value of each channel of one cell."""
        return tuple((levels - 1).bit_length() for levels in self.levels)

    @property
    def num_cells(self) -> int:
        """Cells in one position of the grid."""
        return prod(self.cells)

    @property
    def num_channels(self) -> int:
        """Channels of a code that the field takes: those of all cells."""
        return len(self.low) * self.num_cells

    def union(self, *others: "Field") -> "Field":
        """The field that every value of the given ones fits.

        Raises:
            ValueError: If they differ in more than the range of ordinal values.
        """
        low, high, absent = self.low, self.high, self.absent
        for other in others:
            alike = other._replace(low=self.low, high=self.high, absent=self.absent) == self
            if not alike or len(other.low) != len(low):
                raise InputError(f"codes of one data set must agree in fields; got {self} and {other}")
            if not self.ordinal and (other.low, other.high) != (low, high):
                raise InputError(f"categories must be of one size, such as that of a codebook; got {self} and {other}")
            if None not in (absent, other.absent) and absent != other.absent:
                raise InputError(f"codes of one data set must agree in what is absent; got {self} and {other}")
            low, high = tuple(map(min, low, other.low)), tuple(map(max, high, other.high))
            absent = other.absent if absent is None else absent
        return Field(self.name, low, high, self.ordinal, self.cells, absent, self.constant, self.steps_from)

    def check(self, values: Tensor) -> None:
        """Check the values of each channel, ``(channels, count)``.

        Raises:
            ValueError: If one leaves its range; names field and channel.
        """
        if self.absent is not None:
            values = values.where(values != self.absent, values.new_tensor(self.low).unsqueeze(1))
        least, greatest = (bound.tolist() for bound in values.aminmax(dim=1))
        for channel, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
            if least[channel] < low or greatest[channel] > high:
                raise InputError(
                    f"channel {channel} of field {self.name!r} ranges from {low} to {high}; got {least[channel]} to "
                    f"{greatest[channel]}"
                )


def _range(ends: tuple[int, ...]) -> str:
    return f"({ends[0]},) * {len(ends)}" if len(ends) > 1 and len(set(ends)) == 1 else repr(ends)
