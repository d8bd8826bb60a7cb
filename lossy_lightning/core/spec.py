"""The type of a code: named fields, and the grid that they share."""

from collections.abc import Iterable, Mapping
from functools import reduce
from itertools import pairwise
from math import prod
from typing import NamedTuple, Self

import torch
from torch import Tensor

from lossy_lightning.core.errors import InputError
from lossy_lightning.core.field import Field
from lossy_lightning.core.layout import check_part, check_shape, first_position, pack, unpack, valid_positions

_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class _CodeSpec(NamedTuple):
    fields: tuple[Field, ...]
    grid: tuple[int | None, ...]


class CodeSpec(_CodeSpec):
    """The type of a code: one integer tensor ``(C, *grid)`` made of named fields.

    Channels come field after field; in a field, cell after cell, row by row, and in a cell the field's own channels.
    So a 4:2:0 code of JPEG has the channels Y00 Y01 Y10 Y11 Cb Cr, 64 each.

    Args:
        fields: The fields, in the order of their channels.
        grid: Size along each axis; None if it varies from example to example.

    Raises:
        ValueError: If there is no field, two have one name, a field has cells of another number of axes than the grid,
            or takes its steps from a field that is not there or has other channels.

    Example:
        >>> spec = CodeSpec([Field("mean", (0,), (255,), True), Field("shape", (0,), (15,), False)], (7, 7))
        >>> spec.shape, spec.levels, spec.bit_widths, spec.num_bits, spec.dtype
        ((2, 7, 7), (256, 16), (8, 4), 588, torch.uint8)
        >>> {name: tuple(part.shape) for name, part in spec.split(torch.zeros(5, 2, 7, 7, dtype=torch.uint8)).items()}
        {'mean': (5, 1, 7, 7), 'shape': (5, 1, 7, 7)}
    """

    __slots__ = ()

    def __new__(cls, fields: Iterable[Field], grid: Iterable[int | None]) -> Self:
        """Check the fields against each other and the grid."""
        fields, grid = tuple(fields), tuple(grid)
        if not all(size is None or (isinstance(size, int) and size >= 0) for size in grid):
            raise InputError(f"a grid has a size along each axis, 0 or more, or None if it varies; got {grid}")
        if not fields or not all(isinstance(field, Field) for field in fields):
            raise InputError(f"a spec is made of one or more fields; got {fields!r}")
        by_name = {field.name: field for field in fields}
        if len(by_name) < len(fields):
            raise InputError(f"each field of a code has a name of its own; got {[field.name for field in fields]}")
        for field in fields:
            if field.cells and len(field.cells) != len(grid):
                raise InputError(f"field {field.name!r} has cells {field.cells} for a grid of {len(grid)} axes, {grid}")
            carrier = field if field.steps_from is None else by_name.get(field.steps_from)
            if carrier is None or len(carrier.low) != len(field.low):
                raise InputError(
                    f"field {field.name!r} takes its steps from {field.steps_from!r}, which must be a field of as many "
                    f"channels; the fields are {list(by_name)}"
                )
        return super().__new__(cls, fields, grid)

    @classmethod
    def uniform(
        cls, shape: tuple[int | None, ...], low: int, high: int, *, ordinal: bool, absent: int | None = None
    ) -> "CodeSpec":
        """The spec of one field, "code", whose channels all range from ``low`` to ``high``, inclusive.

        Raises:
            ValueError: If the number of channels, ``shape[0]``, is None, or the range is not one of a `Field`.

        Example:
            >>> CodeSpec.uniform((1, 7, 7), low=0, high=15, ordinal=False).num_bits
            196
        """
        channels, *grid = shape
        if channels is None:
            raise InputError(f"a spec needs a number of channels; got {shape=}")
        return cls((Field("code", (low,) * channels, (high,) * channels, ordinal, absent=absent),), grid)

    @classmethod
    def union(cls, *specs: "CodeSpec") -> "CodeSpec":
        """The spec that every code of the given specs satisfies.

        Raises:
            ValueError: If the specs differ in grid, or their fields in more than the range of ordinal ones.
        """
        if not specs:
            raise InputError("a union is of one or more specs; got none")
        if len({(spec.grid, tuple(field.name for field in spec.fields)) for spec in specs}) != 1:
            raise InputError(
                "codes of one data set must agree in fields and grid; got "
                + " and ".join(f"{[field.name for field in spec.fields]} on {spec.grid}" for spec in specs)
            )
        return cls(map(Field.union, *(spec.fields for spec in specs)), specs[0].grid)

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Shape ``(C, *grid)`` of a code, without batch."""
        return sum(field.num_channels for field in self.fields), *self.grid

    @property
    def low(self) -> tuple[int, ...]:
        """Least value of each channel."""
        return tuple(value for field in self.fields for value in field.low * field.num_cells)

    @property
    def high(self) -> tuple[int, ...]:
        """Greatest value of each channel, inclusive."""
        return tuple(value for field in self.fields for value in field.high * field.num_cells)

    @property
    def levels(self) -> tuple[int, ...]:
        """Number of different values of each channel; "not there" is none of them."""
        return tuple(high - low + 1 for low, high in zip(self.low, self.high, strict=True))

    @property
    def bit_widths(self) -> tuple[int, ...]:
        """Bits that hold any value of each channel: ``ceil(log2(levels))``, 0 for a single level."""
        return tuple((levels - 1).bit_length() for levels in self.levels)

    @property
    def num_bits(self) -> int:
        """Bits of one code's *container* if all values are there: bit width times values, constants once.

        This is not the entropy-coded size, which depends on the data.

        Raises:
            ValueError: If the size varies from example to example.
        """
        if None in self.grid:
            raise InputError(f"codes of shape {self.shape} vary in size, so they have no one number of bits")
        positions = prod(size for size in self.grid if size is not None)
        return sum(
            sum(field.bit_widths) * (1 if field.constant else field.num_cells * positions) for field in self.fields
        )

    @property
    def dtype(self) -> torch.dtype:
        """The smallest integer dtype that holds every value, "not there" too."""
        absent = [field.absent for field in self.fields if field.absent is not None]
        low = min(0, *absent, *(min(field.low) for field in self.fields))
        high = max(0, *absent, *(max(field.high) for field in self.fields))
        for dtype in _INTEGERS:
            if torch.iinfo(dtype).min <= low and high <= torch.iinfo(dtype).max:
                return dtype
        raise InputError(f"codes are of integers of 64 bits at most; values range from {low} to {high}")

    def field(self, name: str) -> Field:
        """The field of that name.

        Raises:
            ValueError: If there is none.
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise InputError(f"this code has the fields {[field.name for field in self.fields]}; got {name!r}")

    def channels(self, name: str) -> slice:
        """Channels of a code that a field takes.

        Raises:
            ValueError: If there is no such field.

        Example:
            >>> CodeSpec([Field("a", (0, 0), (7, 7), True, (2, 2)), Field("b", (0,), (1,), True)], (4, 4)).channels("b")
            slice(8, 9, None)
        """
        field, start = self.field(name), 0
        for before in self.fields[: self.fields.index(field)]:
            start += before.num_channels
        return slice(start, start + field.num_channels)

    def select(self, *names: str) -> "CodeSpec":
        """The spec of some fields, in the order given; steps that a field left out would carry are unknown.

        Raises:
            ValueError: If there is no such field.
        """
        fields = [self.field(name) for name in names]
        return CodeSpec([f if f.steps_from in names else f._replace(steps_from=None) for f in fields], self.grid)

    def narrow(self, code: Tensor, *names: str) -> Tensor:
        """The code ``(..., C', *grid)`` of some fields, as `select` describes it; a view if they lie side by side.

        Raises:
            ValueError: If the code has not this many channels and axes, or there is no such field.
        """
        axis = -1 - len(self.grid)
        self.check_channels(code)
        slices = [self.channels(name) for name in names]
        if all(a.stop == b.start for a, b in pairwise(slices)):
            return code.narrow(axis, slices[0].start, slices[-1].stop - slices[0].start)
        return torch.cat([code.narrow(axis, s.start, s.stop - s.start) for s in slices], axis)

    def split(self, code: Tensor) -> dict[str, Tensor]:
        """The fields of a code ``(..., C, *grid)``, each ``(..., channels, *its grid)``; constant ones once.

        A field's grid is that of the code times its cells. Codes that are channels-last in memory, as those of file
        codecs are, are split fastest, and so are the fields.

        Raises:
            ValueError: If the code has not this many channels and axes.

        Example:
            >>> spec = CodeSpec([Field("luma", (0,), (9,), True, (2, 2)), Field("cb", (0,), (9,), True)], (1, 1))
            >>> spec.split(torch.arange(5).view(5, 1, 1))["luma"]
            tensor([[[0, 1],
                     [2, 3]]])
        """
        return {
            field.name: unpack(field.cells, field.constant, self.narrow(code, field.name), len(self.grid))
            for field in self.fields
        }

    def join(self, parts: Mapping[str, Tensor]) -> Tensor:
        """The code of some fields, the inverse of `split`; channels-last in memory.

        Raises:
            ValueError: If other fields come than the spec has, or their sizes do not go together.
        """
        names = [field.name for field in self.fields]
        if set(parts) != set(names):
            raise InputError(f"this code has the fields {names}; got {list(parts)}")
        axes = len(self.grid)
        one = next((field for field in self.fields if not field.constant), self.fields[0])
        whole = parts[one.name]
        sizes = zip(whole.shape[max(0, whole.ndim - axes) :], one.cells or (1,) * axes, strict=False)
        grid = [size or 1 for size in self.grid] if one.constant else [size // cells for size, cells in sizes]
        for field in self.fields:
            cells = zip(grid, field.cells or (1,) * axes, strict=False)
            own = [1] * axes if field.constant else [size * n for size, n in cells]
            check_part(field.name, parts[field.name], (*whole.shape[: -1 - axes], len(field.low), *own))
        dtype = reduce(torch.promote_types, (part.dtype for part in parts.values()))
        channels = sum(field.num_channels for field in self.fields)
        code = whole.new_empty((*whole.shape[: -1 - axes], *grid, channels), dtype=dtype).movedim(-1, -1 - axes)
        for field in self.fields:
            pack(field.cells, parts[field.name], self.narrow(code, field.name), axes)
        return code

    def field_grid(self, name: str, grid_size: Tensor) -> Tensor:
        """Sizes ``(N, axes)`` of a field's grids, of the sizes of the codes' grids."""
        field = self.field(name)
        if field.constant:
            return torch.ones_like(grid_size)
        return grid_size * torch.tensor(field.cells or (1,) * len(self.grid), device=grid_size.device)

    def container_bits(self, code: Tensor, grid_size: Tensor | None = None) -> Tensor:
        """Bits of each code's container, int64 ``(...)``: bit width times values that are there, constants once.

        Args:
            code: ``(..., C, *grid)``.
            grid_size: ``(N, axes)``, how much of each grid of a padded batch is the example's own; None: all of it.

        Example:
            >>> spec = CodeSpec.uniform((3, 2), 0, 15, ordinal=False, absent=-1)
            >>> spec.container_bits(torch.tensor([[3, 4], [5, 6], [-1, -1]]))
            tensor(16)
        """
        self.check_channels(code)
        axes = len(self.grid)
        grid = code.shape[code.ndim - axes :]
        own = torch.ones(grid, dtype=torch.bool, device=code.device)
        if grid_size is not None:
            own = valid_positions(grid_size, tuple(grid))
        own = own.unsqueeze(-1 - axes)
        bits = torch.zeros(code.shape[: -1 - axes], dtype=torch.long, device=code.device)
        for field in self.fields:
            there = own if field.absent is None else own & (self.narrow(code, field.name) != field.absent)
            if field.constant:
                there = first_position(there, axes)
            counts = there.flatten(-axes).sum(-1)
            bits = bits + (counts * torch.tensor(field.bit_widths * field.num_cells, device=code.device)).sum(-1)
        return bits

    def check_channels(self, code: Tensor) -> None:
        """Check that a code ``(..., C, *grid)`` has this many channels and axes, whatever its grid's sizes.

        Raises:
            ValueError: If it has not.
        """
        check_shape(code, (self.shape[0], *[None] * len(self.grid)))

    def check_layout(self, code: Tensor) -> None:
        """Check dtype and shape of a code ``(..., C, *grid)``; reads no value, so it is free on any device.

        Raises:
            ValueError: If the code is not of an integer dtype or not of this shape.
        """
        if code.dtype not in _INTEGERS:
            raise InputError(f"a code is of an integer dtype; got {code.dtype}: encode the signal with a codec first")
        check_shape(code, self.shape)

    def check(self, code: Tensor) -> None:
        """Check dtype, shape and values of a code ``(..., C, *grid)``.

        Raises:
            ValueError: If the code is not of this spec; names the field and channel that leave their range, or the
                constant field that is not constant.
        """
        self.check_layout(code)
        if code.numel() == 0:
            return
        for field in self.fields:
            part = self.narrow(code, field.name).movedim(-1 - len(self.grid), 0)
            field.check(part.reshape(field.num_cells, len(field.low), -1).transpose(0, 1).flatten(1))
            first = first_position(part, len(self.grid))
            if field.constant and bool((part != first).any()):
                raise InputError(f"field {field.name!r} is one value over the whole grid of a code; got several")
