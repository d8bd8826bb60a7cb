"""Whether a gradient is alive: judged over a batch and by cause; odd gradients stop no attack."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from lossy_lightning.attacks import cross_entropy, differentiable, fixed_values, projected_attack, substitution_attack
from lossy_lightning.attacks._gradients import reached_channels
from lossy_lightning.core import CodeSpec, Field
from lossy_lightning.nn import Bits, Concat, Scale

SPEC = CodeSpec.uniform((2, 4, 4), 0, 15, ordinal=True)


@pytest.fixture
def code():
    return torch.randint(0, 16, (6, 2, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def head():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(32, 3))


def _right(model, code):
    with torch.no_grad():
        return model(code).argmax(1)


class Stretched(nn.Module):
    """A contrast stretch, flat where it is full."""

    def forward(self, code):
        return (code.float() - 4).clamp(0, 8) / 8


def test_a_blank_first_example_does_not_kill_a_gradient(code, head):
    code[0] = 0
    model = nn.Sequential(Stretched(), head)
    naive, adaptive = differentiable(model, code, model, 0, 15, 2)
    assert naive is adaptive
    target = _right(model, code)
    moved = projected_attack(naive, code, target, 4, [1] * 8, 0, 15, random_start=False)
    assert (_right(model, moved) != target).any()


def test_a_gradient_that_vanishes_still_flows(code, head):
    def saturated(code):
        return (1e4 * head(code.float() / 15)).softmax(1)

    assert reached_channels(saturated, code).tolist() == [False, False]
    naive, adaptive = differentiable(saturated, code, head, 0, 15, 2)
    assert naive is adaptive
    assert reached_channels(lambda code: head(code.float().detach()), code) is None


def test_an_error_of_the_backward_pass_is_not_taken_for_a_dead_gradient(code, head):
    with torch.inference_mode():
        table = torch.rand(4)
    model = nn.Sequential(Stretched(), head)
    with pytest.raises(RuntimeError, match=r"[Ii]nference tensors"):
        differentiable(lambda code: head(code.float() * table), code, model[1], 0, 15, 2)


TWO = CodeSpec([Field("mean", (0,), (15,), ordinal=True), Field("rest", (0,), (15,), ordinal=True)], (4, 4))


class HalfAlive(nn.Module):
    """One channel as it is, and the other rounded: its own gradient is zero."""

    def forward(self, code):
        values = code.float()
        return torch.cat([values[:, :1] / 15, (values[:, 1:] / 4).round() / 4], 1)


@pytest.mark.parametrize(
    "stem",
    [
        HalfAlive(),
        Concat(TWO, [partial(Scale, fields=["mean"]), partial(Bits, fields=["rest"])]),
    ],
)
def test_a_dead_field_beside_a_live_one_gets_a_slope(stem, code):
    torch.manual_seed(0)
    model = nn.Sequential(stem, nn.Flatten(), nn.Linear(stem(code).flatten(1).shape[1], 3))
    target = _right(model, code)
    for fixed in (None, fixed_values(TWO, ["rest"])):
        naive, adaptive = differentiable(model, code, model, 0, 15, 3, fixed)
        assert naive is not adaptive
        slopes = []
        for forward in (naive, adaptive):
            values = code.float().requires_grad_()
            slopes.append(torch.autograd.grad(cross_entropy(forward(values), target).sum(), values)[0])
        assert not slopes[0][:, 1].any()
        assert (slopes[1][:, 1] != 0).float().mean() > 0.5
        assert (slopes[1][:, 0] != 0).all()
    if isinstance(stem, HalfAlive):
        naive, adaptive = differentiable(model, code, model, 0, 15, 3, fixed_values(TWO, ["mean"]))
        assert naive is adaptive


def test_a_channel_that_a_stem_does_not_read_is_not_dead(code, head):
    class First(nn.Module):
        def forward(self, code):
            return code[:, :1].float().expand(-1, 2, -1, -1)

    model = nn.Sequential(First(), head)
    naive, adaptive = differentiable(model, code, model, 0, 15, 2)
    assert naive is adaptive


def test_values_whose_gradient_is_nan_stay(code, head):
    """The root of a square: at zero an infinite slope times zero."""
    code[:, :, 0] = 0

    def forward(code):
        return head(code.float().square().sqrt() / 15)

    target = _right(forward, code)
    for momentum in (0.0, 0.9):
        moved = projected_attack(forward, code, target, 6, [1] * 8, 0, 15, momentum=momentum, random_start=False)
        assert torch.equal(moved[:, :, 0], code[:, :, 0])
        assert (moved != code).any()


class Saving(nn.Module):
    """A network that computes its activations again in the backward pass."""

    def __init__(self, stem, head):
        super().__init__()
        self.stem, self.head = stem, head

    def forward(self, code):
        return checkpoint(self.head, self.stem(code), use_reentrant=True)


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")  # torch, of checkpoints without gradient
def test_reentrant_checkpoints_are_differentiated(code, head):
    head.requires_grad_(False)
    plain, saving = (kind(Scale(SPEC), head) for kind in (nn.Sequential, Saving))
    target = _right(plain, code)
    expected, got = (
        projected_attack(
            differentiable(model, code, model, 0, 15, 4)[1], code, target, 4, [1] * 4, 0, 15, random_start=False
        )
        for model in (plain, saving)
    )
    assert torch.equal(got, expected)
    expected, got = (
        substitution_attack(model, model[0] if model is plain else model.stem, code, target, 2, 0, 15)
        for model in (plain, saving)
    )
    assert torch.equal(got, expected)


def test_values_to_regress_are_attacked_by_their_loss(code):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(32, 1))

    def forward(code):
        return model(code.float() / 15)

    def loss(output, target):
        return (output - target).square().flatten(1).mean(1)

    with torch.no_grad():
        target = forward(code) + 0.1
        moved = projected_attack(forward, code, target, 4, [2] * 3, 0, 15, loss=loss, random_start=False)
        assert (loss(forward(moved), target) > 4 * loss(forward(code), target)).all()
    assert torch.isfinite(F.mse_loss(forward(moved), target))
