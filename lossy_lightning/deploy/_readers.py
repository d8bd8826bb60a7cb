"""Products and poolings of a recorded forward, whatever operation of torch they are."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lossy_lightning.deploy._graph import Graph
from lossy_lightning.deploy._layout import Layout, by_axis
from lossy_lightning.deploy._recording import Ref
from lossy_lightning.deploy._values import Geometry, Pool


class Product(NamedTuple):
    """A convolution or linear layer.

    Attributes:
        input: Number of the value that is multiplied.
        before: How its values lie by position.
        after: How those of the output lie.
        geometry: What an output position sees.
        groups: Groups of channels.
        weights: ``(outputs, taps, channels of a group)``.
        bias: ``(outputs,)`` or None.
    """

    input: int
    before: Layout
    after: Layout
    geometry: Geometry
    groups: int
    weights: Tensor
    bias: Tensor | None


def read_product(graph: Graph, number: int) -> Product:
    """The product that made a value.

    Raises:
        ValueError: If it multiplies features with features, or is transposed.
    """
    node = graph.node(number)
    if node.name == "convolution":
        return _convolution(graph, number)
    args = list(node.args)
    bias = args.pop(0) if node.name == "addmm" else args.pop() if node.name == "linear" and len(args) > 2 else None
    features, weights = args[:2]
    if not isinstance(features, Ref) or isinstance(weights, Ref) or isinstance(bias, Ref) or node.kwargs:
        raise graph.refuse(number, "it multiplies features with each other")
    if node.name == "bmm":
        if not torch.equal(weights, weights[:1].expand_as(weights)):
            raise graph.refuse(number, "it multiplies with other weights at each position")
        weights = weights[0]
    weights = weights if node.name == "linear" else weights.t()
    shape = graph.value(features.index).shape
    before = by_axis(shape, [len(shape) - 1])
    after = by_axis(node.value.shape, [node.value.ndim - 1])
    one = (1,)
    geometry = Geometry((before.positions,), one, one, (0,), one)
    return Product(features.index, before, after, geometry, 1, weights.unsqueeze(1).detach(), bias)


def _convolution(graph: Graph, number: int) -> Product:
    node = graph.node(number)
    features, weights, bias, stride, padding, dilation, transposed, _, groups = node.args
    if not isinstance(features, Ref) or isinstance(weights, Ref) or transposed:
        raise graph.refuse(number, "it is a transposed convolution, or convolves with features")
    shape = graph.value(features.index).shape
    axes = len(shape) - 2
    sizes = [tuple(each) * (axes if len(each) == 1 else 1) for each in (stride, padding, dilation)]
    geometry = Geometry(tuple(shape[2:]), tuple(weights.shape[2:]), *sizes)
    before, after = by_axis(shape, [1]), by_axis(node.value.shape, [1])
    return Product(features.index, before, after, geometry, groups, weights.detach().flatten(2).movedim(1, 2), bias)


def read_pool(graph: Graph, number: int) -> Pool:
    """The pooling that made a value.

    Raises:
        ValueError: If it is none that can be packed.
    """
    node = graph.node(number)
    source = node.inputs[0]
    shape, made = graph.value(source).shape, node.value.shape
    if node.name == "mean" or node.name == "_adaptive_avg_pool2d":
        return _mean(graph, number)
    axes = 1 if node.name.endswith("1d") else 2
    args: list[Any] = list(node.args[1:])
    kernel = _each(args[0], axes)
    stride = _each(args[1], axes) if len(args) > 1 and args[1] else kernel
    padding = _each(args[2], axes) if len(args) > 2 else (0,) * axes
    if node.name.startswith("max"):
        dilation, ceil = _each(args[3], axes) if len(args) > 3 else (1,) * axes, len(args) > 4 and args[4]
        divisor = 0.0
    else:
        dilation, ceil = (1,) * axes, len(args) > 3 and args[3]
        counted = len(args) < 5 or args[4]
        if any(padding) and not counted:
            raise graph.refuse(number, "a mean that leaves out its padding has no kernel")
        divisor = float(args[5] if len(args) > 5 and args[5] else torch.tensor(kernel).prod())
    if ceil:
        raise graph.refuse(number, "a pooling whose last positions are cut off (ceil_mode) has no kernel")
    geometry = Geometry(tuple(shape[-axes:]), kernel, stride, padding, dilation)
    channels = list(range(len(shape) - axes))
    return Pool(source, by_axis(shape, channels), by_axis(made, channels), geometry, divisor)


def _mean(graph: Graph, number: int) -> Pool:
    """A mean over all positions."""
    node = graph.node(number)
    source = node.inputs[0]
    shape = graph.value(source).shape
    if node.name == "mean":
        axes = [axis % len(shape) for axis in (node.args[1] or range(len(shape)))]
    else:
        axes = [len(shape) - 2, len(shape) - 1]
        if list(node.args[1]) != [1, 1]:
            raise graph.refuse(number, "an adaptive pooling to more than one position has no kernel")
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    before = by_axis(shape, kept)
    one = (1,)
    geometry = Geometry((before.positions,), (before.positions,), one, (0,), one)
    after = Layout(1, before.channels, torch.arange(before.channels))
    return Pool(source, before, after, geometry, float(before.positions))


def _each(size: int | Sequence[int], axes: int) -> tuple[int, ...]:
    sizes = (size,) if isinstance(size, int) else tuple(size)
    return sizes * axes if len(sizes) == 1 else sizes
