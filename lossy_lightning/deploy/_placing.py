"""Where the values of a tensor lie among those of its source."""

from typing import NamedTuple

import torch
from torch import Tensor

from lossy_lightning.deploy._layout import Layout, same_for_all_positions
from lossy_lightning.deploy._steps import Steps


class Placed(NamedTuple):
    """How to bring values into a layout.

    Attributes:
        layout: In which they are then.
        positions: Position of the source that each position takes, -1 for padding; None: all stay where they are.
        fill: Which channels are greater than 0 in the padding, ``(channels,)``.
    """

    layout: Layout
    positions: Tensor | None
    fill: Tensor


def arranged(places: Tensor, values: Tensor, layout: Layout, default: float) -> Tensor:
    """What belongs to each value of a tensor, where its source's values lie: ``(positions, channels)``.

    Args:
        places: Place of each value in its source, -1 for none.
        values: What belongs to each, of the same shape.
        layout: Of the source.
        default: For values of the source that nobody reads.
    """
    there = places >= 0
    found = torch.full((layout.positions * layout.channels,), default, dtype=values.dtype)
    found[layout.order[places[there]]] = values[there]
    return found.view(layout.positions, layout.channels)


def two_values(places: Tensor, steps: Steps, layout: Layout) -> tuple[Tensor, Tensor, Tensor | None] | None:
    """The values of steps between a number and its negative, None if steps are others.

    Returns:
        The values of each channel ``(channels, 2)``, which entries ``(positions, channels)`` fall from the greater one,
        and the sign of those that never change, 0 for others; None if all change.
    """
    low, high = (arranged(places, each.float(), layout, 0.0) for each in (steps.low, steps.high))
    changing = low != high
    great = torch.maximum(low.abs(), high.abs()).amax(0)
    if not bool(((low == -high) | ~changing).all()) or not bool(((low.abs() == great) | (low == 0)).all()):
        return None
    constant = torch.where(changing, 0, low.sign())
    return torch.stack([-great, great], -1), low > high, constant if bool((constant != 0).any()) else None


def placed(places: Tensor, layout: Layout, values: Tensor, want: Layout) -> Placed | None:
    """How values that lie as their source does come into the layout that is wanted.

    Args:
        places: Place of each value in its source, -1 for padding.
        layout: Of the source.
        values: What the padding is, in its places.
        want: The layout; if it has one position, another that holds the same values will do.

    Returns:
        None if more than positions would have to move.
    """
    nothing = torch.zeros(layout.channels, dtype=torch.bool)
    flat = places.flatten()
    order = torch.where(flat >= 0, layout.order[flat.clamp(min=0)], -1)
    whole = bool((flat >= 0).all()) and len(flat) == len(layout.order)
    if whole and (want.positions == 1 or torch.equal(order, want.order)):
        return Placed(Layout(layout.positions, layout.channels, order), None, nothing)
    if want.channels != layout.channels:
        return None
    found = want.arrange(order)
    positions = torch.where(found >= 0, found // layout.channels, -1)
    own = torch.arange(layout.channels)
    channels = torch.where(found >= 0, found % layout.channels, own)
    if not bool((positions == positions[:, :1]).all() and (channels == own).all()):
        return None
    fill = same_for_all_positions(want.arrange(values)[positions[:, 0] < 0])
    if len(fill) > 1:
        return None
    return Placed(want, positions[:, 0], fill[0] > 0 if len(fill) else nothing)
