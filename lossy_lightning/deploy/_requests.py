"""How a value is made of its source: as bits, by thresholds, or as numbers, by arithmetic."""

from collections.abc import Callable

import torch
from torch import Tensor

from lossy_lightning.deploy._chains import Link, chain
from lossy_lightning.deploy._codes import CodeTable
from lossy_lightning.deploy._graph import Graph
from lossy_lightning.deploy._layout import Layout, by_axis, same_for_all_positions
from lossy_lightning.deploy._operations import STEPS
from lossy_lightning.deploy._placing import arranged, placed, two_values
from lossy_lightning.deploy._program import Program
from lossy_lightning.deploy._steps import Steps, integer_steps, real_steps
from lossy_lightning.deploy._values import Geometry, Reals, Signs, Source, Sums
from lossy_lightning.deploy._writing import (
    write_bit_pool,
    write_bit_product,
    write_code_numbers,
    write_code_reals,
    write_code_signs,
    write_elementwise,
    write_gathered_bits,
    write_gathered_reals,
    write_pool,
    write_read_bits,
    write_sums,
    write_thresholds,
)

_MAX_TABLE = 8192


class Requests:
    """Makes values, each once, of sources that are made already.

    Args:
        graph: What is packed.
        codes: Evaluates functions of its codes.
    """

    def __init__(self, graph: Graph, codes: CodeTable) -> None:
        self.graph = graph
        self.program = Program()
        self.sources: dict[int, Source] = {}
        self.codes = codes
        self._reals: dict[int, Reals] = {}
        self._stored: dict[int, Reals] = {}

    def two_valued(self, number: int) -> bool:
        """Whether each entry of a value is one of two numbers, whatever its source."""
        graph = self.graph
        source = graph.made[number].source
        if source == 0:
            return self.codes.magnitude(number) is not None
        made_by = graph.node(source)
        if made_by.name.startswith("max_pool") and source not in graph.cuts and self.two_valued(made_by.inputs[0]):
            return True
        if not any(graph.node(one).name in STEPS for one in graph.region(number)):
            return False
        return real_steps(graph.of_source(number), graph.value(number).shape) is not None

    def signs(self, number: int, want: Layout) -> Signs | None:
        """A value as bits, None if it takes other values than two.

        Args:
            number: Which one.
            want: How its values lie by position; a layout with other positions comes if that needs no moving.
        """
        source = self.graph.made[number].source
        if source == 0:
            return self._signs_of_codes(number, want)
        given = self.sources[source]
        if isinstance(given, Signs):
            return self._signs_of_signs(number, given, want)
        found = self._signs_of_sums(number, given, want) if isinstance(given, Sums) else None
        return self._signs_of_reals(number, want) if found is None else found

    def reals(self, number: int, want: Layout | None = None) -> Reals:
        """A value as numbers.

        Args:
            number: Which one.
            want: How its values shall lie; None: as they come.
        """
        if number not in self._reals:
            self._reals[number] = self._make_reals(number)
        made = self._reals[number]
        if want is None or torch.equal(made.layout.order, want.order):
            return made if want is None else Reals(made.register, want)
        places = want.arrange(made.layout.order)
        return write_gathered_reals(self.program, made.register, places, torch.zeros_like(places), want)

    # Bits.

    def _signs_of_codes(self, number: int, want: Layout) -> Signs | None:
        great = self.codes.magnitude(number)
        if great is None:
            return None
        entries = self.codes.entries(number, want)
        if entries is None or max(map(len, entries.features)) > 64:
            return None
        register = write_code_signs(self.program, entries, want.channels)
        if entries.padding is not None:
            if not bool((entries.padding == entries.padding[:1]).all()):
                return None
            places = torch.where(entries.filled, entries.filled.cumsum(0) - 1, -1)
            register = write_gathered_bits(self.program, register, places, entries.padding[0] > 0)
        return Signs(register, want, torch.tensor([-great, great]).expand(want.channels, 2))

    def _signs_of_signs(self, number: int, given: Signs, want: Layout) -> Signs | None:
        graph, origin = self.graph, self.graph.made[number]
        function = graph.function(number)
        whole = graph.value(origin.source)
        ends = [given.values[:, i][given.layout.order % given.layout.channels].view(whole.shape) for i in (0, 1)]
        low, high = (function(each.to(whole.dtype)) for each in ends)
        steps = Steps(torch.zeros_like(low), low, high)
        found = two_values(self._places(number), steps, given.layout)
        if found is None:
            return None
        values, falling, constant = found
        if constant is not None:
            return None
        register = given.register
        falling = same_for_all_positions(falling)
        if len(falling) > 1:
            return None
        if bool(falling.any()):
            one = Geometry((given.layout.positions,), (1,), (1,), (0,), (1,))
            register = write_bit_pool(self.program, register, one, falling[0], given.layout.positions)
        return self._placed(number, Signs(register, given.layout, values), steps, want)

    def _signs_of_sums(self, number: int, given: Sums, want: Layout) -> Signs | None:
        product, layout = given.product, given.layout
        whole = self.graph.value(self.graph.made[number].source)
        channel = layout.order % layout.channels
        scale = product.scale[channel].view(whole.shape)
        bias = 0 if product.bias is None else product.bias[channel].view(whole.shape)
        function = self.graph.of_source(number)
        places = self.graph.made[number].places
        there = places.clamp(min=0)
        scales = scale.flatten()[there]
        biases = bias if isinstance(bias, int) else bias.flatten()[there]
        steps = integer_steps(lambda sums: function(sums * scales + biases), product.limit, places.shape)
        found = None if steps is None else two_values(self._places(number), steps, layout)
        if steps is None or found is None:
            return None
        values, falling, constant = found
        self._check(number, steps, lambda sums: function(sums * scales + biases), product.limit)
        thresholds = arranged(self._places(number), steps.threshold, layout, product.limit + 1)
        if constant is not None:  # never or always
            always = (constant > 0) != falling
            thresholds = torch.where(constant == 0, thresholds, torch.where(always, -product.limit, product.limit + 1))
        both = same_for_all_positions(torch.stack([thresholds, falling.long()], -1))
        thresholds, falling = both[..., 0], both[..., 1] > 0
        if len(falling) > 1 and not bool((falling == falling[:1]).all()):
            return None
        if given.pool is None:
            register = write_bit_product(self.program, product, thresholds, falling[0], layout.positions)
        elif len(thresholds) > 1:
            return None
        else:
            rising = torch.zeros_like(falling[0])
            register = write_bit_product(self.program, product, thresholds, rising, given.pool.before.positions)
            register = write_bit_pool(self.program, register, given.pool.geometry, falling[0], layout.positions)
        return self._placed(number, Signs(register, layout, values), steps, want)

    def _signs_of_reals(self, number: int, want: Layout) -> Signs | None:
        function = self.graph.of_source(number)
        steps = real_steps(function, self.graph.value(number).shape)
        given = self.stored(self.graph.made[number].source)
        found = None if steps is None else two_values(self._places(number), steps, given.layout)
        if steps is None or found is None:
            return None
        values, falling, constant = found
        self._check(number, steps, function, None)
        thresholds = arranged(self._places(number), steps.threshold, given.layout, torch.inf)
        if constant is not None:
            always = (constant > 0) != falling
            thresholds = torch.where(constant == 0, thresholds, torch.where(always, -torch.inf, torch.inf))
        register = write_thresholds(self.program, given.register, thresholds, falling)
        return self._placed(number, Signs(register, given.layout, values), steps, want)

    def _placed(self, number: int, signs: Signs, steps: Steps, want: Layout) -> Signs | None:
        """Bits that lie as their source does, in the layout that is wanted."""
        found = placed(self._places(number), signs.layout, steps.high, want)
        if found is None or found.positions is None:
            return None if found is None else Signs(signs.register, found.layout, signs.values)
        register = write_gathered_bits(self.program, signs.register, found.positions, found.fill)
        return Signs(register, want, signs.values)

    def _places(self, number: int) -> Tensor:
        return self.graph.made[number].places

    def _check(self, number: int, steps: Steps, function: Callable[[Tensor], Tensor], limit: int | None) -> None:
        """Check at random arguments that a function has no more than the one step that was found."""
        generator = torch.Generator().manual_seed(0)
        shape = steps.threshold.shape
        for _ in range(8):
            if limit is None:
                given = torch.randn(shape, generator=generator) * 3
            else:
                given = torch.randint(-limit, limit + 1, shape, generator=generator)
            expected = torch.where(given >= steps.threshold, steps.high, steps.low)
            if not torch.equal(function(given), expected):
                raise self.graph.refuse(number, "what stands before a sign rises and falls")

    # Numbers.

    def stored(self, source: int) -> Reals:
        """A source as numbers."""
        if source not in self._stored:
            self._stored[source] = self._store(source)
        return self._stored[source]

    def _store(self, source: int) -> Reals:
        if source == 0:
            layout = by_axis(self.graph.code.shape, [1])
            ends = torch.tensor([self.codes.range_of(c) for c in range(layout.channels)])
            return Reals(write_code_numbers(self.program, layout, ends[:, 0], ends[:, 1]), layout)
        given = self.sources[source]
        if isinstance(given, Reals):
            return given
        if isinstance(given, Signs):
            return Reals(write_read_bits(self.program, given), given.layout)
        if given.pool is None:
            return Reals(write_sums(self.program, given.product, given.layout.positions), given.layout)
        register = write_sums(self.program, given.product, given.pool.before.positions)
        return Reals(write_pool(self.program, register, given.pool), given.layout)

    def _make_reals(self, number: int) -> Reals:
        graph, origin = self.graph, self.graph.made[number]
        if number == origin.source:
            return self.stored(number)
        shape = graph.value(number).shape
        if origin.source != 0 and self.two_valued(number):
            signs = self.signs(number, by_axis(shape, [1]))
            if signs is not None:
                return Reals(write_read_bits(self.program, signs), signs.layout)
        if origin.source == 0:
            table = self._reals_of_codes(number)
            if table is not None:
                return table
        given = self.stored(origin.source)
        register, layout = given.register, given.layout
        for link in chain(graph, number):
            register = self._linked(register, layout, link)
        places = origin.places.flatten()
        if bool((places >= 0).all()) and len(places) == len(layout.order):
            return Reals(register, Layout(layout.positions, layout.channels, layout.order[places]))
        want = by_axis(shape, [1])
        order = torch.where(places >= 0, layout.order[places.clamp(min=0)], -1)
        fill = graph.function(number)(torch.zeros_like(graph.value(origin.source)))
        return write_gathered_reals(self.program, register, want.arrange(order), want.arrange(fill), want)

    def _linked(self, register: int, layout: Layout, link: Link) -> int:
        places = self._places(link.number)
        first, second = (arranged(places, constant, layout, 0.0) for constant in (link.first, link.second))
        if link.operation in ("multiply", "divide") and bool((link.first == 1).all()):
            return register
        two = second if link.operation in ("affine", "clamp") else None
        return write_elementwise(self.program, register, link.operation, first, two)

    def _reals_of_codes(self, number: int) -> Reals | None:
        want = by_axis(self.graph.value(number).shape, [1])
        levels = len(self.codes.values)
        if levels * want.channels > 64 * _MAX_TABLE:
            return None
        entries = self.codes.entries(number, want)
        if entries is None or sum(t.numel() for t in entries.tables) > _MAX_TABLE:
            return None
        register = write_code_reals(self.program, entries, want.channels)
        order = torch.tensor([feature for features in entries.features for feature in features])
        if entries.padding is None and torch.equal(order, torch.arange(want.channels)):
            return Reals(register, want)
        rows = torch.arange(len(entries.places)).unsqueeze(1) * want.channels
        places, fill = torch.full((want.positions, want.channels), -1), torch.zeros(want.positions, want.channels)
        places[entries.filled] = rows + torch.argsort(order)
        if entries.padding is not None:
            fill[~entries.filled] = entries.padding.float()
        return write_gathered_reals(self.program, register, places, fill, want)
