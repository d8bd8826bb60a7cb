"""Functions of codes, as tables: what the network's own stem makes of each integer."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from lossy_lightning.core import CodeSpec
from lossy_lightning.deploy._graph import Graph
from lossy_lightning.deploy._layout import Layout


class Entries(NamedTuple):
    """Which code each feature of a position depends on, the same at all positions.

    Attributes:
        places: Place in the code of each entry, ``(positions, entries)``.
        features: Channels that depend on each entry.
        tables: Values of these channels by the code's value, ``(values, channels)`` an entry.
        lows: Value of the first row of each table.
        filled: Positions that depend on codes; others are padding.
        padding: Values of the channels of these others, if there are any.
    """

    places: Tensor
    features: list[list[int]]
    tables: list[Tensor]
    lows: list[int]
    filled: Tensor
    padding: Tensor | None


class CodeTable:
    """Evaluates functions of single codes at all values that codes may have.

    Args:
        graph: Whose values they are.
        spec: Of the codes, of one size.
    """

    def __init__(self, graph: Graph, spec: CodeSpec) -> None:
        self.graph = graph
        absent = [field.absent for field in spec.fields for _ in range(field.num_channels)]
        grid = graph.code[0, 0].numel()
        self.channel = torch.arange(len(spec.low)).repeat_interleave(grid)  # of each place
        self.low, self.high = torch.tensor(spec.low), torch.tensor(spec.high)
        self.absent = absent
        values = {v for low, high in zip(spec.low, spec.high, strict=True) for v in (low, high)}
        self.values = sorted({*range(min(values), max(values) + 1), *(v for v in absent if v is not None)})
        self._magnitudes: dict[int, float | None] = {}

    def rows(self, number: int) -> Iterator[Tensor]:
        """A value at each value of the codes; beyond a channel's range its end is taken."""
        code, function = self.graph.code, self.graph.function(number)
        shape = (1, -1, *[1] * (code.ndim - 2))
        gone = torch.tensor([v is not None for v in self.absent])
        lost = torch.tensor([0 if v is None else v for v in self.absent])
        for value in self.values:
            channels = torch.where(
                gone & (lost == value), value, torch.full_like(self.low, value).clamp(self.low, self.high)
            )
            yield function(channels.view(shape).expand(code.shape).to(code.dtype))

    def magnitude(self, number: int) -> float | None:
        """What all entries of a value are, or its negative, at every value of the codes; None if they are others."""
        if number not in self._magnitudes:
            self._magnitudes[number] = self._magnitude(number)
        return self._magnitudes[number]

    def _magnitude(self, number: int) -> float | None:
        found = None
        for row in self.rows(number):
            if not row.is_floating_point():
                return None
            found = float(row.abs().max()) if found is None else found
            if not bool((row.abs() == found).all()):
                return None
        return found

    def range_of(self, channel: int) -> tuple[int, int]:
        """The least and the greatest value of a channel, with that which says "not there"."""
        absent = self.absent[channel]
        ends = [int(self.low[channel]), int(self.high[channel]), *([] if absent is None else [absent])]
        return min(ends), max(ends)

    def entries(self, number: int, want: Layout) -> Entries | None:
        """What the features ``(positions, channels)`` of a value depend on, None if positions differ in kind."""
        places = want.arrange(self.graph.made[number].places)
        filled = (places >= 0).all(1)
        if bool(((places >= 0).any(1) != filled).any()) or not bool(filled.any()):
            return None
        first = places[filled][0]
        groups: dict[int, list[int]] = {}
        for feature, place in enumerate(first.tolist()):
            groups.setdefault(place, []).append(feature)
        heads = torch.tensor([features[0] for features in groups.values()])
        head_of = torch.empty(len(first), dtype=torch.long)
        for features in groups.values():
            head_of[features] = features[0]
        inner = places[filled]
        same = torch.equal(self.channel[inner], self.channel[first].expand_as(inner)) and torch.equal(
            inner[:, head_of], inner
        )
        found = self._of_all_positions(number, want, filled) if same else None
        if found is None:
            return None
        values, padding = found
        row_of = {value: row for row, value in enumerate(self.values)}
        tables, lows = [], []
        for place, features in groups.items():
            low, high = self.range_of(int(self.channel[place]))
            inside = [min(max(v, self.values[0]), self.values[-1]) for v in range(low, high + 1)]
            rows = [row_of.get(v, 0) for v in inside]
            tables.append(values[:, features][rows])
            lows.append(low)
        return Entries(inner[:, heads], list(groups.values()), tables, lows, filled, padding)

    def _of_all_positions(self, number: int, want: Layout, filled: Tensor) -> tuple[Tensor, Tensor | None] | None:
        """The features ``(values, channels)`` of a position, and those of padding; None if positions differ.

        One value of the codes after the other: all features of all of them would be many.
        """
        of_one, padding = [], None
        for row in self.rows(number):
            arranged = want.arrange(row)
            inner, padding = arranged[filled], arranged[~filled]
            if not torch.equal(inner, inner[:1].expand_as(inner)):
                return None
            of_one.append(inner[0].clone())
        return torch.stack(of_one), None if bool(filled.all()) else padding
