"""Which values of a recorded forward are functions of single values, and of which."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from lossy_lightning.core import InputError
from lossy_lightning.deploy._operations import LOOKUPS, MOVES, POOLINGS, PRODUCTS, is_pointwise
from lossy_lightning.deploy._recording import Node, Ref


class Origin(NamedTuple):
    """Where the values of a tensor come from.

    Attributes:
        source: Number of the value whose values they are functions of, one of one.
        places: Place in that value, flattened, of each; -1 for a constant, such as padding.
    """

    source: int
    places: Tensor


class Graph:
    """A recorded forward, of which some values are *sources*: what is made of more than one value.

    Sources are the code, products, look-ups, poolings, tensors joined, and what repeats values; also what is cut.
    Every other value is a function of single values of one source: moves and pointwise operations lie between.

    Args:
        nodes: The values, first the code (None).
        output: Number of the one that the network returns.
        code: The code.
        cuts: Numbers of values that are sources, too.
    """

    def __init__(self, nodes: list[Node | None], output: int, code: Tensor, cuts: frozenset[int] = frozenset()) -> None:
        self.nodes = nodes
        self.output = output
        self.code = code
        self.needed = self._needed()
        self.origins: dict[int, Origin] = {0: self._own(0)}  # as those that read a value see it
        self.made: dict[int, Origin] = {0: self._own(0)}  # as it is made; differs for what is cut
        self.cuts = cuts
        self.sources: list[int] = []
        for number in self.needed:
            if number > 0:
                origin = self._origin(number)
                self.made[number] = self._own(number) if origin is None else origin
                if origin is None or number in cuts:
                    self.sources.append(number)
                    origin = None
                self.origins[number] = self._own(number) if origin is None else origin

    def node(self, number: int) -> Node:
        """The operation that made a value."""
        node = self.nodes[number]
        assert node is not None
        return node

    def value(self, number: int) -> Tensor:
        """A value as it was recorded."""
        return self.code if number == 0 else self.node(number).value

    def region(self, number: int) -> list[int]:
        """The operations from a value's source to the value, in order."""
        source, found, waiting = self.made[number].source, set[int](), [number]
        while waiting:
            one = waiting.pop()
            if one != source and one not in found:
                found.add(one)
                waiting += self.node(one).inputs
        return sorted(found)

    def function(self, number: int) -> Callable[[Tensor], Tensor]:
        """What makes a value of its source's: the operations themselves, run anew."""
        source = self.made[number].source
        region = self.region(number)

        def run(given: Tensor) -> Tensor:
            values = {source: given}
            with torch.no_grad():
                for one in region:
                    values[one] = self.node(one).run(values)
            return values[number]

        return run

    def of_source(self, number: int) -> Callable[[Tensor], Tensor]:
        """What makes a value of the source's values that lie where it takes them from, each given in its own place."""
        origin, function = self.made[number], self.function(number)
        there, whole = origin.places >= 0, self.value(origin.source)

        def run(given: Tensor) -> Tensor:
            values = torch.zeros(whole.numel(), dtype=whole.dtype)
            values[origin.places[there]] = given[there].to(whole.dtype)
            return function(values.view(whole.shape))

        return run

    def refuse(self, number: int, why: str) -> InputError:
        """The error that a layer cannot be packed."""
        node = self.node(number)
        where = f"layer {node.layer!r}" if node.layer else "the network"
        return InputError(f"{where} cannot be packed: {why}")

    def _needed(self) -> list[int]:
        found, waiting = set[int](), [self.output]
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += [] if one == 0 else self.node(one).inputs
        return sorted(found)

    def _own(self, number: int) -> Origin:
        value = self.value(number)
        return Origin(number, torch.arange(value.numel()).view(value.shape))

    def _origin(self, number: int) -> Origin | None:
        """Where a value comes from, None if it is a source."""
        node = self.node(number)
        if node.name in PRODUCTS | LOOKUPS | POOLINGS:
            return None
        before = [self.origins[one] for one in node.inputs]
        if len({origin.source for origin in before}) > 1:
            return None
        source = before[0].source
        if node.name in MOVES:
            places = self._moved(number, node)
            kept = places[places >= 0]
            # Functions of the code are evaluated for all its values at once, so that these may be read several times.
            return Origin(source, places) if source == 0 or len({*kept.tolist()}) == len(kept) else None
        if not is_pointwise(node.function, node.name):
            raise self.refuse(number, f"there is no kernel for torch's {node.name!r}")
        shape = node.value.shape
        if source != 0 and any(origin.places.shape != shape for origin in before):
            raise self.refuse(number, f"torch's {node.name!r} of tensors of different shape has no kernel")
        first, *others = [origin.places.expand(shape) for origin in before]
        same = all(torch.equal(first, other) for other in others)
        return Origin(source, first) if same else None

    def _moved(self, number: int, node: Node) -> Tensor:
        """The places of the values that an operation moves."""
        if node.name in ("index", "index_select") and any(isinstance(arg, Ref) for arg in tree_leaves(node.args[1:])):
            raise self.refuse(number, "it picks values by other values")
        places = {one: self.origins[one].places for one in node.inputs}
        if node.name != "constant_pad_nd":
            return node.run(places)
        sides: list[int] = node.args[1]
        return torch.nn.functional.pad(places[node.inputs[0]], sides, value=-1)
