import itertools
import random
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lossy_lightning.functional import hooks_of, undisturbed

X = torch.rand(4, 3)


def values(item: Any) -> Any:
    """Something to compare: tensors and arrays by their values, everything else as it is."""
    if isinstance(item, torch.Tensor):
        dense = item.dequantize() if item.is_quantized else item.to_dense() if item.layout != torch.strided else item
        return (type(item), str(item.layout), item.requires_grad, dense.tolist())
    if isinstance(item, np.ndarray):
        return item.tolist()
    if isinstance(item, dict):
        return [(key, values(value)) for key, value in item.items()]
    return [values(one) for one in item] if isinstance(item, (list, tuple, deque)) else item


class Holds(nn.Module):
    """Holds something, and changes it in each forward."""

    def __init__(self, make: Callable[[], Any], change: Callable[["Holds"], Any]) -> None:
        super().__init__()
        self.state = make()
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        self.change(self)
        return x


class Sparse(nn.Module):
    def __init__(self, buffer: Tensor) -> None:
        super().__init__()
        self.register_buffer("state", buffer)

    def forward(self, x: Tensor) -> Tensor:
        self.state.mul_(2)
        return x


@dataclass(frozen=True)
class Frozen:
    hidden: list[Tensor] = field(default_factory=lambda: [torch.zeros(2)])


class Slotted:
    __slots__ = ("count", "hidden")

    def __init__(self) -> None:
        self.count = 0
        self.hidden = torch.zeros(2)


def add(model: Holds) -> None:
    model.state.add_(1)


def rebind(model: Holds) -> None:
    model.state = model.state + 1


def count(model: Holds) -> None:
    model.state.count += 1
    model.state.hidden += 1


def read_sets(model: Holds) -> None:
    model.state |= {2}


KINDS: dict[str, tuple[Callable[[], Any], Callable[[Holds], Any], Callable[[Any], Any]]] = {
    "counter": (lambda: 0, rebind, values),
    "tensor in place": (lambda: torch.zeros(3), add, values),
    "tensor rebound": (lambda: torch.zeros(3), rebind, values),
    "integers of odd size": (lambda: torch.zeros(5, dtype=torch.int8), add, values),
    "NaN": (lambda: torch.full((3,), 2.0), lambda m: m.state.fill_(torch.nan), values),
    "memory that overlaps": (lambda: torch.zeros(1).expand(3), lambda m: m.state[0].add_(1), values),
    "transposed": (lambda: torch.zeros(2, 3).T[1:], add, values),
    "complex, conjugated": (lambda: torch.zeros(3, dtype=torch.complex64).conj(), add, values),
    "data replaced": (lambda: nn.Parameter(torch.zeros(3)), lambda m: setattr(m.state, "data", torch.ones(2)), values),
    "parameter clipped": (lambda: nn.Parameter(torch.ones(3)), lambda m: m.state.data.clamp_(max=0.5), values),
    "gradient made": (
        lambda: nn.Parameter(torch.ones(3)),
        lambda m: setattr(m.state, "grad", torch.ones(3)),
        lambda p: values(p.grad),
    ),
    "frozen by forward": (lambda: nn.Parameter(torch.ones(3)), lambda m: m.state.requires_grad_(False), values),
    "hidden state with history": (lambda: nn.Parameter(torch.ones(3)) * 2, rebind, values),
    "quantized": (
        lambda: torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.qint8),
        lambda m: m.state.copy_(torch.quantize_per_tensor(torch.zeros(4), 0.1, 0, torch.qint8)),
        values,
    ),
    "list": (lambda: [1, [2]], lambda m: m.state[1].append(3), values),
    "dict": (lambda: {"a": torch.zeros(2)}, lambda m: m.state.update(b=1), values),
    "ordered": (lambda: OrderedDict(a=1, b=2), lambda m: m.state.move_to_end("a"), values),
    "set": (lambda: {1}, read_sets, values),
    "queue": (lambda: deque([1], maxlen=2), lambda m: m.state.append(torch.ones(1)), values),
    "array": (lambda: np.zeros(3), lambda m: np.add(m.state, 1, out=m.state), values),
    "frozen dataclass": (Frozen, lambda m: m.state.hidden.append(torch.ones(1)), lambda s: values(s.hidden)),
    "slots": (Slotted, count, lambda s: values((s.count, s.hidden))),
    "generator of torch": (
        torch.Generator,
        lambda m: torch.rand(2, generator=m.state),
        lambda g: values(g.get_state()),
    ),
    "generator of NumPy": (lambda: np.random.default_rng(0), lambda m: m.state.random(), lambda g: g.random()),
    "old generator of NumPy": (lambda: np.random.RandomState(0), lambda m: m.state.rand(), lambda g: g.rand()),
    "generator of Python": (lambda: random.Random(0), lambda m: m.state.random(), lambda g: g.random()),
    "iterator": (lambda: itertools.count(), lambda m: next(m.state), lambda it: [next(it), next(it)]),
    "generator function": (lambda: (n for n in range(5)), lambda m: next(m.state), lambda it: [next(it), next(it)]),
    "partial": (lambda: partial(sorted, [1]), lambda m: m.state.args[0].append(2), lambda p: values(p.args)),
    "renormalised table": (
        lambda: nn.Embedding(3, 2, max_norm=0.1),
        lambda m: m.state(torch.arange(3)),
        lambda table: values(table.weight),
    ),
    "a mode": (lambda: nn.Dropout(), lambda m: m.state.train(), lambda d: d.training),
    "a hook": (
        lambda: nn.Linear(3, 3),
        lambda m: m.state.register_forward_hook(print),
        lambda layer: len(layer._forward_hooks),
    ),
    "a new layer": (lambda: nn.ModuleList(), lambda m: m.state.append(nn.Linear(2, 2)), len),
}


@pytest.mark.parametrize("kind", KINDS)
def test_state_is_put_back(kind: str) -> None:
    make, change, look = KINDS[kind]
    torch.manual_seed(0)
    twin = Holds(make, change)
    torch.manual_seed(0)
    model = Holds(make, change)
    held = model.state
    with undisturbed(model, X):
        model(X)
        model(X)
    if kind not in ("iterator", "generator function"):
        assert model.state is held
    assert look(model.state) == look(twin.state)


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "coo": Tensor.to_sparse, "csr": Tensor.to_sparse_csr, "csc": Tensor.to_sparse_csc,
    "bsr": lambda x: x.to_sparse_bsr((1, 1)), "bsc": lambda x: x.to_sparse_bsc((1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.filterwarnings("ignore:Sparse .* support is in beta")
def test_sparse_buffers_are_put_back(layout: str) -> None:
    model = Sparse(LAYOUTS[layout](torch.eye(3)))
    with undisturbed(model, X):
        model(X)
        assert model.state.to_dense().sum() == 6
        if layout == "coo":
            model.state.add_(torch.ones(3, 3).to_sparse())  # more values than before
    assert torch.equal(model.state.to_dense(), torch.eye(3))


@pytest.mark.parametrize("where", [torch.no_grad, torch.inference_mode])
def test_tensors_of_inference_mode_are_put_back(where: Callable[[], Any]) -> None:
    with torch.inference_mode():
        state = torch.zeros(3)
    model = Holds(lambda: state, lambda m: m.state.add_(1))
    with where(), undisturbed(model), torch.inference_mode():
        model(X)
    assert state.tolist() == [0, 0, 0]


def test_jagged_tensors_are_put_back() -> None:
    jagged = torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)], layout=torch.jagged)
    model = Holds(lambda: jagged, lambda m: m.state.values().add_(1))
    with undisturbed(model):
        model(X)
    assert jagged.values().tolist() == [0] * 5


def test_what_a_function_holds_is_put_back() -> None:
    calls, hidden = 0, nn.Linear(3, 3)

    def change(model: Holds) -> None:
        nonlocal calls
        calls += 1
        hidden.weight.data.zero_()

    weight = hidden.weight.tolist()
    model = Holds(lambda: None, change)
    with undisturbed(model):
        model(X)
        assert calls == 1
    assert (calls, hidden.weight.tolist()) == (0, weight)


def test_inputs_and_random_states_are_put_back() -> None:
    batch = {"x": torch.zeros(3), "seen": [torch.zeros(1)]}
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    with undisturbed(nn.Identity(), batch):
        batch["x"].add_(random.random() + np.random.rand() + torch.rand(1))
        batch["seen"].pop()
        batch["y"] = 1
    assert values(batch) == [("x", values(torch.zeros(3))), ("seen", [values(torch.zeros(1))])]
    assert states == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())


class Scripted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.count = 0
        self.register_buffer("total", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        self.total = self.total + x.sum()
        return self.norm(x)


def test_compiled_modules_are_put_back() -> None:
    model = nn.Sequential(torch.jit.script(Scripted()))
    with undisturbed(model):
        assert not model[0].norm.training
        model(X)
        assert model[0].count == 1
    assert (model[0].count, model[0].total.item(), model[0].norm.training) == (0, 0, True)
    with undisturbed(torch.jit.freeze(torch.jit.script(nn.Linear(3, 3).eval()))):
        pass


def test_autograd_sees_no_change() -> None:
    layer, x = nn.Linear(3, 3), X.clone().requires_grad_()
    output = layer(x).square().sum()
    with undisturbed(layer, x):
        layer.weight.data.zero_()
        x.data.zero_()
    output.backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("given", [True, False])
def test_what_hooks_hold_is_theirs(given: bool) -> None:
    calls: list[int] = []
    layer = nn.Linear(3, 3)
    layer.register_forward_hook(lambda module, args, output: calls.append(1))
    with undisturbed(layer, hooks_of(layer) if given else None):
        layer(X)
        layer.register_forward_pre_hook(print)
    assert (len(calls), len(layer._forward_pre_hooks)) == (1 - given, 0)


class Surroundings:
    """Other threads work on it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.done = 0


def test_surroundings_are_left_alone() -> None:
    class Loader(torch.utils.data.Dataset[Any]):
        done = 0

    for thing in (Surroundings(), Loader()):
        model = Holds(lambda thing=thing: thing, lambda m: None)  # type: ignore[misc]
        with undisturbed(model):
            thing.done = 5
        assert thing.done == 5


def test_what_cannot_be_put_back_is_named_and_untouched() -> None:
    model = Holds(lambda: ([iter([1, 2])], torch.Generator()), lambda m: None)
    with pytest.raises(ValueError, match=r"Holds\.state\.0\.0 is an iterator \(list_iterator\) whose position"):
        undisturbed(model).__enter__()
    assert next(model.state[0][0]) == 1
    assert model.training


@pytest.mark.parametrize("mode", [True, False])
def test_modes_are_put_back_after_an_error(mode: bool) -> None:
    model = nn.Sequential(nn.Dropout().train(mode), nn.Dropout())

    def fail() -> None:
        with undisturbed(model):
            assert not any(module.training for module in model.modules())
            raise KeyError("planted")

    with pytest.raises(KeyError, match="planted"):
        fail()
    assert [module.training for module in model] == [mode, True]
