"""How the values of a tensor lie in a packed network: positions first, channels last."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor


class Layout(NamedTuple):
    """An order of a tensor's values.

    Attributes:
        positions: Number of positions.
        channels: Channels of each.
        order: Place of each value, flattened, ``position * channels + channel``.
    """

    positions: int
    channels: int
    order: Tensor

    def arrange(self, values: Tensor) -> Tensor:
        """Values in the tensor's own order to ``(positions, channels)``."""
        arranged = torch.empty(self.positions * self.channels, dtype=values.dtype)
        arranged[self.order] = values.flatten()
        return arranged.view(self.positions, self.channels)


def by_axis(shape: Sequence[int], axes: Sequence[int]) -> Layout:
    """The layout of a tensor whose channels run along some axes; positions run along the others."""
    own = [axis for axis in range(len(shape)) if axis in axes]
    others = [axis for axis in range(len(shape)) if axis not in axes]
    numbers = torch.arange(prod(shape)).view(tuple(shape)).permute(*others, *own).flatten()
    order = torch.empty_like(numbers)
    order[numbers] = torch.arange(len(numbers))
    return Layout(prod(shape[axis] for axis in others), prod(shape[axis] for axis in own), order)


def same_for_all_positions(arranged: Tensor) -> Tensor:
    """One row of ``(positions, ...)`` if all are equal, else all of it."""
    return arranged[:1] if bool((arranged == arranged[:1]).all()) else arranged
