"""Gradients past rounding and stems, against autograd where it is right and against differences elsewhere."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lossy_lightning.attacks import (
    cross_entropy,
    differentiable,
    projected_attack,
    straight_through,
    through_stem,
)
from lossy_lightning.attacks.surrogates import find_stem
from lossy_lightning.core import CodeSpec
from lossy_lightning.nn import Bits, Embed, LookupLinear, OneHot, Scale

SPEC = CodeSpec.uniform((2, 4, 4), 0, 15, ordinal=True)


class Thermometer(nn.Module):
    def forward(self, code):
        return torch.cat([(code >= t).float() for t in (4, 8, 12)], 1)


class Model(nn.Module):
    def __init__(self, stem, features):
        super().__init__()
        self.stem = stem
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(features, 16), nn.Tanh(), nn.Linear(16, 3))

    def forward(self, code):
        assert not code.is_floating_point(), "this model reads integers only"
        return self.head(self.stem(code))


@pytest.fixture
def code():
    return torch.randint(0, 16, (6, 2, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def target():
    return torch.tensor([0, 1, 2, 0, 1, 2])


def _slope(forward, code, target):
    values = code.float().requires_grad_()
    return torch.autograd.grad(cross_entropy(forward(values), target).sum(), values)[0]


def _single_changes(stem, code, other, feature_gradient):
    """One value at a time, by loops."""
    out = torch.zeros(code.shape)
    for place in torch.cartesian_prod(*map(torch.arange, code.shape)):
        changed = code.clone()
        changed[tuple(place)] = other[tuple(place)]
        out[tuple(place)] = ((stem(changed) - stem(code)) * feature_gradient).sum()
    return out


def test_straight_through_has_the_value_of_one_and_the_gradient_of_the_other():
    x = torch.tensor([0.4, 1.7], requires_grad=True)
    y = straight_through(torch.round, torch.square)(x)
    y.sum().backward()
    assert y.tolist() == [0.0, 2.0]
    assert x.grad.tolist() == pytest.approx([0.8, 3.4])


def test_gradient_through_scale_is_exact(code, target):
    torch.manual_seed(0)
    model = Model(Scale(SPEC), 32)
    naive, adaptive = differentiable(model, code, model, 0, 15, 4)
    assert naive is adaptive
    values = code.float().requires_grad_()
    loss = F.cross_entropy(model.head(model.stem(values)), target, reduction="sum")
    assert torch.equal(_slope(adaptive, code, target), torch.autograd.grad(loss, values)[0])


def test_a_module_that_takes_floats_needs_no_stem(code, target):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(32, 3))
    naive, adaptive = differentiable(lambda x: net(x / 15), code, net, 0, 15, 4)
    assert naive is adaptive
    assert _slope(naive, code, target).abs().min() > 0


@pytest.mark.parametrize(
    ("stem", "features"),
    [
        (Thermometer(), 96),
        (Bits(SPEC), 128),
        (OneHot(SPEC), 512),
        (Embed(SPEC, 3), 96),
        (LookupLinear(SPEC, 24), 24),
    ],
)
def test_dead_gradients_are_replaced_by_secants(stem, features, code, target):
    torch.manual_seed(0)
    model = Model(stem, features)
    naive, adaptive = differentiable(model, code, model, 0, 15, 3)
    assert torch.equal(naive(code.float()), model(code))
    assert torch.equal(adaptive(code.float()), model(code))
    assert _slope(naive, code, target).abs().max() == 0
    read = stem(code).detach().requires_grad_()
    feature_gradient = torch.autograd.grad(cross_entropy(model.head(read), target).sum(), read)[0]
    up, down = (code.int() + 3).clamp(max=15).to(code.dtype), (code.int() - 3).clamp(min=0).to(code.dtype)
    with torch.no_grad():
        rise = _single_changes(stem, code, up, feature_gradient)
        rise = rise - _single_changes(stem, code, down, feature_gradient)
    expected = rise / (up.int() - down.int())
    assert torch.allclose(_slope(adaptive, code, target), expected, atol=1e-6)


def test_adaptive_gradient_fools_where_the_naive_one_does_not(code):
    torch.manual_seed(0)
    model = Model(Thermometer(), 96)
    with torch.no_grad():
        target = model(code).argmax(1)
    naive, adaptive = differentiable(model, code, model, 0, 15, 4)
    accuracy = []
    for forward in (naive, adaptive):
        moved = projected_attack(forward, code, target, 4, [1] * 10, 0, 15, random_start=False)
        with torch.no_grad():
            accuracy.append((model(moved).argmax(1) == target).float().mean().item())
    assert accuracy[0] == 1
    assert accuracy[1] == 0


def test_the_innermost_reader_of_the_code_is_the_stem(code):
    inner = nn.Embedding(16, 2)
    model = nn.Sequential(nn.Sequential(inner, nn.Flatten()), nn.Linear(64, 3))
    assert find_stem(lambda x: model(x.long()), code, model) is inner
    flat = nn.Sequential(nn.Flatten(), nn.Linear(32, 3))
    assert find_stem(lambda x: flat(x.float()), code, flat) is None


def test_hooks_are_removed_even_where_the_model_fails(code):
    model = Model(Bits(SPEC), 7)  # a head that does not fit
    with pytest.raises(RuntimeError):
        differentiable(model, code, model, 0, 15, 4)
    with pytest.raises(RuntimeError):
        through_stem(model, model.stem, code, 0, 15, 4)(code.float())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_model_without_gradient_or_stem_is_an_error(code):
    net = nn.Sequential(nn.Flatten(), nn.Linear(32, 3))
    with pytest.raises(ValueError, match="no gradient reaches the input"):
        differentiable(lambda x: net(x.round().detach().float()), code, net, 0, 15, 4)
