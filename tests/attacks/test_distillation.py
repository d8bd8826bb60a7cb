"""A student of the model, asked few enough times, finds what hidden gradients hide; draws average what is random."""

import pytest
import torch
from torch import nn

from lossy_lightning.attacks import (
    MASKING_THRESHOLD,
    Attacks,
    compare_attacks,
    cross_entropy,
    distilled_attack,
    margin,
    ordinal_attacks,
    projected_attack,
    square_attack,
    uphill,
)
from lossy_lightning.attacks._student import Student


class Answers(nn.Module):
    """A smooth network of codes of any grid, behind a rounding without a gradient; it counts what it is asked."""

    def __init__(self, shape, classes=3):
        super().__init__()
        torch.manual_seed(0)
        size = torch.Size(shape).numel()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(size, 16), nn.Tanh(), nn.Linear(16, classes))
        self.asked = torch.zeros(0, dtype=torch.long)

    def forward(self, code):
        self.asked = torch.cat([self.asked, torch.tensor([len(code)])])
        return self.net((code.detach().float() / 4 - 8).round() / 8)


def _batch(shape, count=20):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 64, (count, *shape), dtype=torch.uint8, generator=generator)


@torch.no_grad()
def _accuracy(model, code, target):
    return (model(code).argmax(1) == target).float().mean().item()


@pytest.mark.parametrize("shape", [(30,), (2, 24), (1, 8, 8), (2, 4, 4, 4)])
def test_a_student_breaks_what_has_no_gradient_within_its_queries(shape):
    model, code = Answers(shape).eval(), _batch(shape)
    with torch.no_grad():
        target = model(code).argmax(1)
    model.asked = model.asked[:0]
    state = torch.get_rng_state()
    moved = distilled_attack(model, code, target, 8, 0, 63, queries=600)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.asked.sum() <= 600
    assert moved.dtype == code.dtype
    assert (moved.int() - code.int()).abs().max() <= 8
    random = torch.where(torch.rand(code.shape, generator=torch.Generator().manual_seed(2)) < 0.5, -8, 8)
    aside = (code.int() + random).clamp(0, 63).to(code.dtype)
    assert _accuracy(model, moved, target) < _accuracy(model, aside, target) - 0.25
    assert torch.equal(moved, distilled_attack(model, code, target, 8, 0, 63, queries=600))


def test_what_is_fixed_stays_and_few_queries_do():
    model, code = Answers((2, 6, 6)), _batch((2, 6, 6), 5)
    with torch.no_grad():
        target = model(code).argmax(1)

    def fixed(code):
        stays = torch.zeros_like(code, dtype=torch.bool)
        stays[:, 0] = True
        return stays

    for queries in (1, 5, 17):
        model.asked = model.asked[:0]
        moved = distilled_attack(model, code, target, 8, 0, 63, queries=queries, fixed=fixed)
        assert model.asked.sum() <= queries
        assert torch.equal(moved[:, 0], code[:, 0])
    with pytest.raises(ValueError, match="takes 1 query or more"):
        distilled_attack(model, code, target, 8, 0, 63, queries=0)
    with pytest.raises(ValueError, match="up to 3 axes"):
        distilled_attack(model, torch.zeros(1, 1, 2, 2, 2, 2, dtype=torch.uint8), target[:1], 8, 0, 63)


@pytest.mark.parametrize("shape", [(5,), (3, 1), (2, 3, 40), (1, 2, 4, 9)])
def test_a_student_takes_any_grid(shape):
    code = _batch(shape, 4)
    assert Student(code, 3, 7, 0)(code.float()).shape == (4, 7)


def test_squares_ask_no_more_about_what_is_broken_and_go_on_from_another_attack():
    model, code = Answers((1, 8, 8)), _batch((1, 8, 8))
    with torch.no_grad():
        target = model(code).argmax(1)
    model.asked = model.asked[:0]
    moved = square_attack(model, code, target, 5, 0, 63, queries=60, generator=torch.Generator().manual_seed(0))
    assert (model.asked.diff() <= 0).all()
    assert model.asked[0] == 20
    broken = 1 - _accuracy(model, moved, target)
    assert broken > 0.3
    model.asked = model.asked[:0]
    again = square_attack(
        model, code, target, 5, 0, 63, queries=60, start=moved, generator=torch.Generator().manual_seed(1)
    )
    assert model.asked[1] == round(20 * (1 - broken))
    assert 1 - _accuracy(model, again, target) >= broken


class Wavy(nn.Module):
    """A linear network behind a wave, whose slope is steeper than the code's and turns its sign."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))

    def forward(self, code):
        x = code.float()
        return self.net((x + 1.5 * torch.sin(2.3 * x)) / 16)


def test_averaged_gradients_see_through_a_wave():
    model, code = Wavy(), _batch((1, 8, 8))
    with torch.no_grad():
        target = model(code).argmax(1)
    plain, averaged = (
        projected_attack(
            model, code, target, 6, [2] * 10, 0, 63, random_start=False, loss=margin, draws=draws, spread=spread,
            generator=torch.Generator().manual_seed(0),
        )
        for draws, spread in ((1, 0), (8, 3))
    )  # fmt: skip
    assert _accuracy(model, averaged, target) < _accuracy(model, plain, target) - 0.3
    with pytest.raises(ValueError, match="averaged over 1 draw or more"):
        projected_attack(model, code, target, 6, [2], 0, 63, draws=0)


class Noisy(nn.Module):
    """Answers at random as often as not."""

    def forward(self, code):
        right = nn.functional.one_hot(torch.zeros(len(code), dtype=torch.long), 2).float()
        return torch.where(torch.rand(len(code), 1) < 0.5, right, right.flip(1)) + 0 * code.float().mean((1, 2)).view(
            -1, 1
        )


def test_a_lucky_draw_breaks_no_random_model():
    """Half of all answers are wrong by chance, however many codes are tried."""
    code, target = _batch((1, 8), 60)[:, :, :4], torch.zeros(60, dtype=torch.long)
    torch.manual_seed(0)
    attacks = Attacks(lambda code, target: code, lambda code, target: code, (lambda code, target: code,) * 20)
    compared = compare_attacks(Noisy(), code, target, attacks)
    assert compared.accuracy == pytest.approx(0.5, abs=0.06)
    assert compared.strongest_accuracy == pytest.approx(0.5, abs=0.06)


def test_the_loss_rises_along_a_gradient_that_can_be_trusted():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    code = _batch((1, 8, 8), 100)

    def plain(code):
        return net(code.float() / 32)

    class Random(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, slope):
            return torch.randn_like(slope)

    with torch.no_grad():
        target = plain(code).argmax(1)
    ways = {"own": plain, "random": lambda code: plain(Random.apply(code)), "dead": None}
    got = {name: uphill(plain, own, code, target, 4, 0, 63, loss=cross_entropy) for name, own in ways.items()}
    assert got["own"] > 0.95
    assert 0.35 < got["random"] < 0.65
    assert got["dead"] == 0
    assert uphill(plain, lambda code: plain(code) * 0, code, target, 4, 0, 63, loss=cross_entropy) == 0


def test_the_self_check_finds_a_rounding_and_trusts_its_twin():
    model, code = Answers((1, 8, 8)).eval(), _batch((1, 8, 8))
    with torch.no_grad():
        target = model(code).argmax(1)
    hidden = compare_attacks(
        model, code, target, ordinal_attacks(model, model, code, 12, 0, 63, queries=50, student_queries=600)
    )
    assert hidden.naive_accuracy == hidden.accuracy == 1  # no gradient flows at all
    assert hidden.masked
    assert hidden.masking_index > 0.5

    def twin(code):
        return model.net((code.float() - 32) / 32)

    with torch.no_grad():
        target = twin(code).argmax(1)
    open_ = compare_attacks(
        twin, code, target, ordinal_attacks(twin, model, code, 12, 0, 63, queries=50, student_queries=600)
    )
    assert not open_.masked
    assert open_.masking_index < MASKING_THRESHOLD
