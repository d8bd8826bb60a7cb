"""Elementwise arithmetic as steps: what a packed network does with real numbers between its layers."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from lossy_lightning.deploy._graph import Graph
from lossy_lightning.deploy._operations import MOVES, NORMS, STEPS
from lossy_lightning.deploy._recording import Node, Ref


class Link(NamedTuple):
    """An operation with constants.

    Attributes:
        operation: "multiply", "add", "subtract", "divide", "affine", "leaky", "clamp" or "round".
        first: Its constant, of the value's shape.
        second: The other one of "affine" (added) and "clamp" (the upper end).
        number: The value whose places the constants have.
    """

    operation: str
    first: Tensor
    second: Tensor
    number: int


def chain(graph: Graph, number: int) -> list[Link]:
    """The operations from a value's source to the value.

    Raises:
        ValueError: If there is one without a kernel.
    """
    return _behind(graph, number, graph.made[number].source)


def _behind(graph: Graph, number: int, source: int) -> list[Link]:
    if number == source:
        return []
    node = graph.node(number)
    if node.name in MOVES or node.name == "_to_copy":
        if len(node.inputs) > 1:
            raise graph.refuse(number, f"torch's {node.name!r} of values that were computed apart has no kernel")
        return _behind(graph, node.inputs[0], source)
    clamped = _clamp_by_where(graph, node)
    if clamped is not None:
        before, low, high = clamped
        return [*_behind(graph, before, source), _link(graph, number, "clamp", low, high)]
    if node.name in STEPS:
        raise graph.refuse(
            number, "what stands before a sign rises and falls, or it steps between other values than two"
        )
    if len(node.inputs) != 1:
        raise graph.refuse(number, f"torch's {node.name!r} of two functions of one tensor has no kernel")
    return [*_behind(graph, node.inputs[0], source), *_links(graph, number, node)]


def _links(graph: Graph, number: int, node: Node) -> list[Link]:
    infinite, name, args = float("inf"), node.name, [arg for arg in node.args if not isinstance(arg, Ref)]
    reversed_ = not isinstance(node.args[0], Ref)
    if name in NORMS:
        return _norm(graph, number, node)
    if name in ("add", "sub"):
        constant = torch.as_tensor(args[0], dtype=torch.float32) * (1 if reversed_ else node.kwargs.get("alpha", 1))
        if name == "sub" and reversed_:
            return [_link(graph, number, "multiply", -1.0), _link(graph, number, "add", constant)]
        return [_link(graph, number, "add" if name == "add" else "subtract", constant)]
    if name in ("mul", "div") and not (name == "div" and (reversed_ or node.kwargs.get("rounding_mode"))):
        return [_link(graph, number, "multiply" if name == "mul" else "divide", args[0])]
    if name == "rsub":
        return [_link(graph, number, "multiply", -1.0), _link(graph, number, "add", args[0])]
    if name == "neg":
        return [_link(graph, number, "multiply", -1.0)]
    if name == "relu":
        return [_link(graph, number, "leaky", 0.0)]
    if name in ("leaky_relu", "_prelu_kernel"):
        return [_link(graph, number, "leaky", args[0] if args else 0.01)]
    if name == "hardtanh":
        low, high = [*args, -1.0, 1.0][:2] if len(args) != 1 else (args[0], 1.0)
        return [_link(graph, number, "clamp", low, high)]
    if name == "clamp":
        low, high = [*args, None, None][:2]
        low, high = node.kwargs.get("min", low), node.kwargs.get("max", high)
        return [_link(graph, number, "clamp", -infinite if low is None else low, infinite if high is None else high)]
    if name in ("clamp_min", "clamp_max", "maximum", "minimum"):
        lower = name in ("clamp_min", "maximum")
        return [_link(graph, number, "clamp", args[0] if lower else -infinite, infinite if lower else args[0])]
    if name == "round" and not args and not node.kwargs.get("decimals"):
        return [_link(graph, number, "round", 0.0)]
    raise graph.refuse(number, f"there is no kernel for torch's {name!r}")


def _link(graph: Graph, number: int, operation: str, first: Any, second: Any = 0.0) -> Link:
    shape = graph.value(number).shape
    one, other = (torch.as_tensor(each, dtype=torch.float32).expand(shape) for each in (first, second))
    return Link(operation, one, other, number)


def _clamp_by_where(graph: Graph, node: Node) -> tuple[int, Any, Any] | None:
    """``where(x > c, c, x)`` and the like, as quantizers clamp: the value that is clamped, and between what."""
    if node.name != "where" or len(node.args) != 3:
        return None
    condition, one, other = node.args
    if not isinstance(condition, Ref) or not isinstance(other, Ref) or isinstance(one, Ref):
        return None
    test = graph.node(condition.index)
    if test.name not in ("gt", "lt", "ge", "le") or test.args[0] != other:
        return None
    if not torch.equal(torch.as_tensor(test.args[1]).float(), torch.as_tensor(one).float()):
        return None
    infinite = float("inf")
    ends = (-infinite, one) if test.name in ("gt", "ge") else (one, infinite)
    return (other.index, *ends)


def _norm(graph: Graph, number: int, node: Node) -> list[Link]:
    """A batch norm of known statistics: rounded once or twice, whichever gives torch's own numbers."""
    weight, bias, mean, variance = node.args[1:5]
    epsilon = next(arg for arg in reversed(node.args) if isinstance(arg, float))
    weight = torch.ones_like(mean) if weight is None else weight.detach()
    bias = torch.zeros_like(mean) if bias is None else bias.detach()
    # As torch computes them on processors that multiply and add at once.
    scale = (variance + epsilon).rsqrt() * weight
    shift = (bias.double() - mean.double() * scale.double()).float()
    shape = [1, -1, *[1] * (node.value.ndim - 2)]
    scale, shift = scale.view(shape), shift.view(shape)
    once = [_link(graph, number, "affine", scale, shift)]
    twice = [_link(graph, number, "multiply", scale), _link(graph, number, "add", shift)]
    trial = torch.randint(-512, 512, node.value.shape).float()
    exact = node.run({node.inputs[0]: trial})
    return twice if torch.equal(trial * scale + shift, exact) else once
