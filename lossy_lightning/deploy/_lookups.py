"""Look-ups of a recorded forward: rows of a table, by codes."""

from typing import NamedTuple

import torch
from torch import Tensor

from lossy_lightning.deploy._codes import CodeTable
from lossy_lightning.deploy._graph import Graph
from lossy_lightning.deploy._recording import Ref
from lossy_lightning.deploy._weights import Weights, read_weights


class Lookup(NamedTuple):
    """Rows of a table that are added up at each position.

    Attributes:
        places: Places of the codes ``(positions, taps)``; -1 for none.
        starts: What is added to each code to give its row, likewise.
        table: The rows ``(rows, dim)``.
        numbers: Least and greatest code, and the one that says "not there" or None.
    """

    places: Tensor
    starts: Tensor
    table: Weights
    numbers: tuple[int, int, int | None]


def read_lookup(graph: Graph, codes: CodeTable, number: int) -> Lookup:
    """The look-up that made a value.

    Raises:
        ValueError: If its indices are no codes plus a constant.
    """
    node = graph.node(number)
    weights, indices = node.args[0], node.args[1]
    bag = node.name != "embedding"
    padding = node.args[8] if bag and len(node.args) > 8 else -1
    added = not bag or len(node.args) < 5 or node.args[4] == 0
    if isinstance(weights, Ref) or not isinstance(indices, Ref) or not added or graph.made[indices.index].source:
        raise graph.refuse(number, "its rows are not those of codes, added up")
    rows = weights.detach()[:padding] if padding == len(weights) - 1 else weights.detach()
    places = graph.made[indices.index].places.reshape(node.value.numel() // weights.shape[1], -1)
    there = places >= 0
    channels = torch.unique(codes.channel[places[there]])
    lows, highs = ({int(v) for v in ends[channels]} for ends in (codes.low, codes.high))
    absents = {codes.absent[channel] for channel in channels.tolist()}
    if len(lows) > 1 or len(highs) > 1 or len(absents) > 1:
        raise graph.refuse(number, "it looks up codes whose channels have different ranges")
    low, high, absent = lows.pop(), highs.pop(), absents.pop()
    table = torch.stack([*codes.rows(indices.index)]).view(len(codes.values), *places.shape)
    inside = torch.tensor([low <= value <= high for value in codes.values])
    values = torch.tensor(codes.values).view(-1, 1, 1)
    starts = (table - values)[inside]
    known = torch.equal(starts[:, there], starts[:1, there].expand(len(starts), -1))
    lost = torch.tensor([value == absent for value in codes.values])
    gone = torch.cat([table[lost][:, there].flatten(), table[:, ~there].flatten()])
    if not known or bool((gone != padding).any()) or (len(gone) and padding < 0):
        raise graph.refuse(number, "its rows are not numbered by codes plus a constant")
    return Lookup(places, torch.where(there, starts[0], 0), read_weights(rows), (low, high, absent))
