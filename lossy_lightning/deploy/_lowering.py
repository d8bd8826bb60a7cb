"""From a recorded forward to the steps of a packed network."""

import torch
from torch import Tensor

from lossy_lightning.core import CodeSpec
from lossy_lightning.deploy._codes import CodeTable
from lossy_lightning.deploy._graph import Graph
from lossy_lightning.deploy._layout import Layout, by_axis
from lossy_lightning.deploy._lookups import read_lookup
from lossy_lightning.deploy._operations import JOINS, LOOKUPS, POOLINGS, PRODUCTS
from lossy_lightning.deploy._program import Program
from lossy_lightning.deploy._readers import Product, read_pool, read_product
from lossy_lightning.deploy._recording import Node
from lossy_lightning.deploy._requests import Requests
from lossy_lightning.deploy._values import BitProduct, Geometry, Reals, Signs, Source, Sums
from lossy_lightning.deploy._weights import read_weights
from lossy_lightning.deploy._writing import (
    write_bit_pool,
    write_gathered_reals,
    write_join,
    write_lookup,
    write_pool,
    write_real_product,
)


def lower(nodes: list[Node | None], output: int, code: Tensor, spec: CodeSpec) -> Program:
    """The program of a recorded forward.

    Raises:
        ValueError: If a layer cannot be packed.
    """
    plain = Graph(nodes, output, code)
    codes = CodeTable(plain, spec)
    graph = Graph(nodes, output, code, _cuts(plain, Requests(plain, codes)))
    lowering = _Lowering(Requests(graph, codes))
    for number in graph.sources:
        lowering.requests.sources[number] = lowering.source(number)
    logits = lowering.requests.reals(output, by_axis(graph.value(output).shape, [1]))
    program = lowering.requests.program
    program.steps.append({"kind": "output", "inputs": [logits.register], "tensors": {}})
    return program


def _cuts(graph: Graph, requests: Requests) -> frozenset[int]:
    """Values that are stored as numbers whatever else, so that what follows may start from them."""
    found = set()
    for source in graph.sources:
        for number in graph.node(source).inputs:
            origin = graph.made[number].source
            if number in graph.sources or origin == 0 or graph.node(source).name in LOOKUPS:
                continue
            if not requests.two_valued(number):
                found.add(number)
    return frozenset(found)


class _Lowering:
    """Makes the sources of a graph, one after the other."""

    def __init__(self, requests: Requests) -> None:
        self.requests = requests
        self.graph = requests.graph
        self.program = requests.program

    def source(self, number: int) -> Source:
        """What a source becomes."""
        node = self.graph.node(number)
        if number in self.graph.cuts and self.graph.made[number].source != number:
            return self.requests.reals(number)
        if node.name in PRODUCTS:
            return self._product(number)
        if node.name in LOOKUPS:
            lookup = read_lookup(self.graph, self.requests.codes, number)
            register = write_lookup(self.program, lookup.places, lookup.starts, lookup.table, lookup.numbers)
            return Reals(register, by_axis(node.value.shape, [node.value.ndim - 1]))
        if node.name in POOLINGS:
            return self._pool(number)
        if node.name in JOINS and len(node.inputs) == 2:
            return self._join(number)
        if len(node.inputs) == 1:
            return self._repeat(number)
        raise self.graph.refuse(number, f"there is no kernel for torch's {node.name!r} of several tensors")

    def _product(self, number: int) -> Source:
        product = read_product(self.graph, number)
        weights = read_weights(product.weights)
        if weights.bit_width == 1 and self.requests.two_valued(product.input):
            signs = self.requests.signs(product.input, product.before)
            scale = None if signs is None else signs.values[:, 1]
            if signs is not None and scale is not None and bool((scale == scale[0]).all()):
                geometry, numbers = self._fitted(product, weights.numbers, signs.layout)
                scales = weights.scale * scale[0]
                made = BitProduct(signs.register, geometry, product.groups, numbers, scales, product.bias)
                return Sums(made, None, product.after)
        reals = self.requests.reals(product.input)
        if not torch.equal(reals.layout.order, product.before.order) and product.before.positions > 1:
            reals = self.requests.reals(product.input, product.before)
        geometry, numbers = self._fitted(product, weights.numbers, reals.layout)
        register = write_real_product(
            self.program,
            reals.register,
            geometry,
            product.groups,
            weights._replace(numbers=numbers),
            product.bias,
            product.after.positions,
        )
        return Reals(register, product.after)

    @staticmethod
    def _fitted(product: Product, numbers: Tensor, layout: Layout) -> tuple[Geometry, Tensor]:
        """A product of features that lie in other positions than it expects, which it sees all."""
        if torch.equal(layout.order, product.before.order) and layout.positions == product.before.positions:
            return product.geometry, numbers
        moved = torch.empty_like(numbers).flatten(1)
        moved[:, layout.order] = numbers.flatten(1)
        whole = (layout.positions,)
        geometry = Geometry(whole, whole, (1,), (0,), (1,))
        return geometry, moved.view(len(numbers), layout.positions, layout.channels)

    def _pool(self, number: int) -> Source:
        pool = read_pool(self.graph, number)
        maximum = pool.divisor == 0
        given = self.requests.sources.get(pool.input)
        if maximum and isinstance(given, Sums) and given.pool is None and bool((given.product.scale > 0).all()):
            assert torch.equal(given.layout.order, pool.before.order)  # both are of the same convolution
            return Sums(given.product, pool, pool.after)
        if maximum and self.requests.two_valued(pool.input):
            signs = self.requests.signs(pool.input, pool.before)
            if signs is not None:
                rising = torch.zeros(signs.layout.channels, dtype=torch.bool)
                register = write_bit_pool(self.program, signs.register, pool.geometry, rising, pool.after.positions)
                return Signs(register, pool.after, signs.values)
        reals = self.requests.reals(pool.input, pool.before)
        return Reals(write_pool(self.program, reals.register, pool), pool.after)

    def _join(self, number: int) -> Source:
        node = self.graph.node(number)
        one, other = (arg.index for arg in node.args[:2])
        if node.kwargs or any(self.graph.value(each).shape != node.value.shape for each in (one, other)):
            raise self.graph.refuse(number, f"torch's {node.name!r} of tensors of different shape has no kernel")
        first = self.requests.reals(one)
        second = self.requests.reals(other, first.layout)
        operation = {"add": "add", "sub": "subtract", "mul": "multiply"}[node.name]
        return Reals(write_join(self.program, first, second, operation), first.layout)

    def _repeat(self, number: int) -> Source:
        """Values that appear several times, such as repeated channels."""
        node = self.graph.node(number)
        reals = self.requests.reals(node.inputs[0])
        given = self.graph.value(node.inputs[0])
        places = node.run({node.inputs[0]: torch.arange(given.numel()).view(given.shape)})
        layout = by_axis(node.value.shape, [1])
        arranged = layout.arrange(reals.layout.order[places])
        return write_gathered_reals(self.program, reals.register, arranged, torch.zeros_like(arranged), layout)
