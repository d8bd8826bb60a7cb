"""Substitutions against trying each of them."""

import pytest
import torch
from torch import nn

from lossy_lightning.attacks import cross_entropy, substitution_attack, substitution_scores
from lossy_lightning.core import CodeSpec, Field
from lossy_lightning.nn import Bits, Embed, LookupLinear, OneHot

SPEC = CodeSpec.uniform((1, 3, 3), 0, 7, ordinal=False)
torch.manual_seed(0)
STEMS = [(Embed(SPEC, 4), 36), (LookupLinear(SPEC, 12), 12), (OneHot(SPEC), 72), (Bits(SPEC), 27)]


@pytest.fixture
def code():
    return torch.randint(0, 8, (16, 1, 3, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def _model(stem, features, linear):
    torch.manual_seed(1)
    head = [nn.Linear(features, 4)] if linear else [nn.Linear(features, 16), nn.Tanh(), nn.Linear(16, 4)]
    return nn.Sequential(stem, nn.Flatten(), *head).eval()


def _every_single_change(model, code, target, value):
    """Loss with each place of each example set to the value, by loops: ``(N, 9)``."""
    losses = []
    for place in range(9):
        changed = code.flatten(1).clone()
        changed[:, place] = value
        losses.append(cross_entropy(model(changed.view_as(code)), target))
    return torch.stack(losses, 1)


@pytest.mark.parametrize(("stem", "features"), STEMS)
def test_scores_are_exact_where_the_rest_is_linear(stem, features, code):
    model = _model(stem, features, linear=True)
    weight = torch.randn(4, generator=torch.Generator().manual_seed(2))

    def loss(x):
        return model(x) @ weight

    read = stem(code).detach().requires_grad_()
    (gradient,) = torch.autograd.grad((model[1:](read) @ weight).sum(), read)
    with torch.no_grad():
        scores, values = substitution_scores(stem, code, gradient, 0, 7)
        for level, value in enumerate(values):
            for place in range(9):
                changed = code.flatten(1).clone()
                changed[:, place] = value
                got = scores[:, level].flatten(1)[:, place]
                same = code.flatten(1)[:, place] == value
                change = loss(changed.view_as(code)) - loss(code)
                assert torch.allclose(got[~same], change[~same], atol=1e-5)
                assert (got[same] == -torch.inf).all()


@pytest.mark.parametrize(("stem", "features"), STEMS)
def test_one_substitution_is_nearly_the_best_of_all(stem, features, code):
    model = _model(stem, features, linear=False)
    with torch.no_grad():
        target = model(code).argmax(1)
        losses = torch.cat([_every_single_change(model, code, target, value) for value in range(8)], 1)
        moved = substitution_attack(model, stem, code, target, 1, 0, 7, candidates=16)
        got = cross_entropy(model(moved), target)
    assert (moved != code).flatten(1).sum(1).max() <= 1
    # A step that fools the model is preferred to one of greater loss, so the loss is compared where none does.
    held = (model(moved).argmax(1) == target) & torch.ones(len(code), dtype=torch.bool)
    assert (losses.amax(1) - got)[held].max() < 0.1


def test_budget_holds_and_more_substitutions_fool_more(code):
    stem, features = Embed(SPEC, 4), 36
    model = _model(stem, features, linear=False)
    with torch.no_grad():
        target = model(code).argmax(1)
    accuracies = []
    for budget in (1, 2, 4, 8):
        moved = substitution_attack(model, stem, code, target, budget, 0, 7)
        assert moved.dtype == code.dtype
        assert moved.max() <= 7
        assert (moved != code).flatten(1).sum(1).max() <= budget
        with torch.no_grad():
            accuracies.append((model(moved).argmax(1) == target).float().mean().item())
    assert accuracies == sorted(accuracies, reverse=True)
    assert accuracies[-1] < 0.2


def test_targeted_substitutions_reach_their_target(code):
    stem, features = LookupLinear(SPEC, 12), 12
    model = _model(stem, features, linear=True)
    with torch.no_grad():
        target = (model(code).argmax(1) + 1) % 4
        moved = substitution_attack(model, stem, code, target, 9, 0, 7, targeted=True)
        assert (model(moved).argmax(1) == target).float().mean() > 0.9


def test_channels_of_unequal_range_stay_in_theirs():
    spec = CodeSpec([Field("code", (0, 0), (1, 5), ordinal=False)], (4,))
    stem = OneHot(spec)
    torch.manual_seed(0)
    model = nn.Sequential(stem, nn.Flatten(), nn.Linear(32, 3))
    code = torch.zeros(5, 2, 4, dtype=torch.uint8)
    moved = substitution_attack(model, stem, code, torch.tensor([0, 1, 2, 0, 1]), 8, spec.low, spec.high)
    spec.check(moved)


def test_unfit_numbers_are_one_sentence(code):
    with pytest.raises(ValueError, match="at least 1"):
        substitution_attack(nn.Identity(), nn.Identity(), code, torch.zeros(16).long(), 0, 0, 7)


def test_the_best_substitution_is_found_through_a_stem_that_reads_neighbours():
    """Of two classes and a linear rest, the score orders all substitutions as the loss does."""
    torch.manual_seed(0)

    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(24, 6, 3, padding=1)

        def forward(self, code):
            return self.conv(nn.functional.one_hot(code, 8).float().movedim(-1, 2).flatten(1, 2))

    stem = Wide()
    model, code = nn.Sequential(stem, nn.Flatten(), nn.Linear(24, 2)).eval(), torch.randint(8, (40, 3, 4))
    with torch.no_grad():
        target = model(code).argmax(1)
        broken = torch.zeros(40, dtype=torch.bool)
        for place in range(12):
            for value in range(8):
                changed = code.flatten(1).clone()
                changed[:, place] = value
                broken |= model(changed.view_as(code)).argmax(1) != target
        moved = substitution_attack(model, stem, code, target, 1, 0, 7)
        assert torch.equal(model(moved).argmax(1) != target, broken)
    assert 5 < int(broken.sum()) < 40
