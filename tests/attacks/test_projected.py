"""The attacks against formulas written by hand, against torchattacks, and against their own promises."""

import importlib.util

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from lossy_lightning.attacks import (
    at_temperature,
    cross_entropy,
    margin,
    projected_attack,
    quantized_gradient_step,
    signal_budget,
    worst_case,
)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 6 * 6, 5)).eval()


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (24, 3, 8, 8), dtype=torch.uint8, generator=generator)


@pytest.fixture
def labels(net, images):
    with torch.no_grad():
        return net(images / 255).argmax(1)  # all right at first, so that an attack has something to do


def _forward(net):
    return lambda values: net(values / 255)


def _gradient(net, images, labels):
    x = (images / 255).requires_grad_()
    F.cross_entropy(net(x), labels).backward()
    return x.grad


def _fgsm(net, images, labels, step):
    """Goodfellow's step in [0, 1], then rounded to 8 bits."""
    x = (images / 255 + step / 255 * _gradient(net, images, labels).sign()).clamp(0, 1)
    return (x * 255).round().to(torch.uint8)


def _pgd(net, images, labels, budget, step, iterations):
    """Madry's iteration from the image itself, in [0, 1], then rounded to 8 bits."""
    clean, x = images / 255, images / 255
    for _ in range(iterations):
        x = x.detach().requires_grad_()
        F.cross_entropy(net(x), labels).backward()
        x = x.detach() + step / 255 * x.grad.sign()
        x = (clean + (x - clean).clamp(-budget / 255, budget / 255)).clamp(0, 1)
    return (x * 255).round().to(torch.uint8)


def _accuracy(net, images, labels):
    with torch.no_grad():
        return 100 * (net(images / 255).argmax(1) == labels).float().mean().item()


@pytest.mark.parametrize("step", [1, 4, 300])
def test_sign_step_equals_fgsm_rounded_to_8_bits(net, images, labels, step):
    got = quantized_gradient_step(images, _gradient(net, images, labels), step, 0, 255)
    assert torch.equal(got, _fgsm(net, images, labels, step))


def test_projected_form_is_no_weaker_than_pgd_rounded_to_8_bits(net, images, labels):
    ours = projected_attack(_forward(net), images, labels, 4, [1] * 10, 0, 255, random_start=False)
    theirs = _pgd(net, images, labels, 4, 1, 10)
    assert (ours.int() - images.int()).abs().max() <= 4
    assert _accuracy(net, ours, labels) <= _accuracy(net, theirs, labels)
    # Where the model still holds, best and last iterate may differ; elsewhere both fool it.
    assert _accuracy(net, ours, labels) < 60


def test_one_iteration_without_random_start_is_the_sign_step(net, images, labels):
    ours = projected_attack(_forward(net), images, labels, 4, [4], 0, 255, random_start=False)
    assert torch.equal(ours, _fgsm(net, images, labels, 4))


@pytest.mark.skipif(importlib.util.find_spec("torchattacks") is None, reason="torchattacks is not installed")
def test_accuracy_is_that_of_torchattacks(net, images, labels):
    torchattacks = pytest.importorskip("torchattacks")
    for budget in (1, 2, 4):
        theirs = torchattacks.PGD(net, budget / 255, 1 / 255, 10, random_start=False)(images / 255, labels)
        theirs = (theirs * 255).round().to(torch.uint8)
        ours = projected_attack(_forward(net), images, labels, budget, [1] * 10, 0, 255, random_start=False)
        assert _accuracy(net, ours, labels) <= _accuracy(net, theirs, labels) + 0.5


def test_targeted_attack_reaches_its_target(net, images, labels):
    wanted = (labels + 1) % 5
    moved = projected_attack(_forward(net), images, wanted, 40, [4] * 20, 0, 255, targeted=True)
    with torch.no_grad():
        reached = net(moved / 255).argmax(1) == wanted
    assert reached.float().mean() > 0.9


@pytest.mark.parametrize("offset", [0, 5])
def test_the_best_iterate_is_kept(offset):
    """The second step overshoots; the first fools the model, or with the offset comes nearest to it."""

    def forward(values):
        x = values.flatten(1)
        return torch.cat([offset + 2 * (x - 1.3).square(), torch.ones_like(x)], 1)

    code = torch.zeros(1, 1, 1, dtype=torch.int16)
    target = torch.zeros(1, dtype=torch.int64)
    moved = projected_attack(forward, code, target, 9, [1, 5], -9, 9, random_start=False)
    assert moved.item() == 1


def test_momentum_goes_on_where_the_gradient_turns():
    """A slope of 2 then of -1: alone the second step goes back, with momentum the sum of both does not."""

    def forward(values):
        x = values.flatten(1)
        return torch.cat([torch.zeros_like(x), torch.where(x < 1, 2 * x, 3 - x), -9 + 0 * x], 1)

    def attacked(momentum):
        code, target = torch.zeros(1, 1, 1, dtype=torch.int16), torch.zeros(1, dtype=torch.int64)
        seen = []

        def watched(values):
            seen.append(int(values))
            return forward(values)

        projected_attack(watched, code, target, 9, [1, 1], -9, 9, momentum=momentum, random_start=False)
        return seen

    assert attacked(0.0) == [0, 1, 0]
    assert attacked(1.0) == [0, 1, 1]  # both of unit size, so they cancel
    with pytest.raises(ValueError, match="share of the direction before"):
        attacked(1.5)


def test_restarts_never_do_worse_and_random_starts_are_reproducible(net, images, labels):
    def attack(restarts):
        generator = torch.Generator().manual_seed(3)
        return projected_attack(
            _forward(net), images, labels, 2, [1, 1], 0, 255, restarts=restarts, generator=generator
        )

    assert torch.equal(attack(1), attack(1))
    assert _accuracy(net, attack(4), labels) <= _accuracy(net, attack(1), labels)


def test_parameters_and_their_gradients_are_left_alone(net, images, labels):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    projected_attack(_forward(net), images, labels, 2, [1, 1], 0, 255)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_signal_budget_holds_and_leaves_something_to_do(net, images, labels):
    """A code of differences between neighbours: one code value moves the whole rest of the row."""

    def decode(code):
        return code.to(torch.int32).cumsum(-1)

    code = images.int().diff(dim=-1, prepend=torch.zeros(24, 3, 8, 1, dtype=torch.int32)).to(torch.int16)
    moved = projected_attack(
        lambda values: net(values.cumsum(-1) / 255),
        code,
        labels,
        8,
        [2] * 10,
        -255,
        255,
        within=signal_budget(decode, 4),
    )
    change = (decode(moved) - decode(code)).abs()
    assert 0 < change.max() <= 4
    assert _accuracy(net, decode(moved), labels) < 95


def test_worst_case_takes_each_attack_that_fools(net, images, labels):
    def harmless(code, target):
        return code

    def sign(code, target):
        return quantized_gradient_step(code, _gradient(net, code, target), 8, 0, 255)

    forward = _forward(net)
    both = worst_case(forward, images, labels, [harmless, sign])
    assert _accuracy(net, both, labels) == _accuracy(net, sign(images, labels), labels)


def test_quantized_step_follows_the_documents():
    """Scaled by the greatest magnitude, rounded to the data's bits, in proportion to it."""
    code = torch.full((1, 1, 6), 100, dtype=torch.uint8)
    gradient = torch.tensor([[[8.0, -8.0, 4.0, 2.1, 1.0, 0.0]]])
    eight = quantized_gradient_step(code, gradient, 8, 0, 255, bits=8)
    assert (eight.int() - 100).tolist() == [[[8, -8, 4, 2, 1, 0]]]
    two = quantized_gradient_step(code, gradient, 8, 0, 255, bits=2)  # -1, 0 and 1 only; a half is rounded to even
    assert (two.int() - 100).tolist() == [[[8, -8, 0, 0, 0, 0]]]


def test_top_k_moves_the_k_greatest_only():
    code = torch.zeros(2, 1, 4, dtype=torch.int16)
    gradient = torch.tensor([[[0.1, -3.0, 2.0, 0.0]], [[1.0, 0.5, 0.2, -4.0]]])
    moved = quantized_gradient_step(code, gradient, 5, -9, 9, k=2)
    assert moved.tolist() == [[[0, -5, 5, 0]], [[5, 0, 0, -5]]]


def test_top_k_does_not_choose_what_is_at_its_bound():
    code = torch.tensor([[[0, 9, -9, 9]]])
    gradient = torch.tensor([[[1.0, 4.0, -3.0, -2.0]]])
    assert quantized_gradient_step(code, gradient, 5, -9, 9, k=2).tolist() == [[[5, 9, -9, 4]]]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    steps=st.integers(1, 500),
    bits=st.sampled_from([None, 2, 5, (8, 3)]),
    k=st.sampled_from([None, 1, 7]),
    dtype=st.sampled_from([torch.uint8, torch.int16]),
)
def test_steps_end_in_valid_codes(seed, steps, bits, k, dtype):
    generator = torch.Generator().manual_seed(seed)
    low, high = (3, 0), (5, 255)
    code = torch.stack([torch.randint(a, b + 1, (4, 5), generator=generator) for a, b in zip(low, high, strict=True)])
    code = code.movedim(0, 1).to(dtype)
    gradient = torch.randn(code.shape, generator=generator)
    moved = quantized_gradient_step(code, gradient, steps, low, torch.tensor(high), bits, k)
    assert moved.dtype == dtype
    assert moved.shape == code.shape
    for channel in range(2):
        assert low[channel] <= moved[:, channel].min()
        assert moved[:, channel].max() <= high[channel]
    assert (moved.int() - code.int()).abs().max() <= steps
    against = (moved.int() - code.int()) * gradient
    assert against.min() >= 0
    if k is not None:
        assert (moved != code).flatten(1).sum(1).max() <= k


def test_losses_are_the_formulas():
    logits = torch.tensor([[3.0, 1.0, 2.5], [0.0, 4.0, 1.0]])
    target = torch.tensor([0, 2])
    assert margin(logits, target).tolist() == [-0.5, 3.0]
    assert torch.allclose(cross_entropy(logits, target), F.cross_entropy(logits, target, reduction="none"))
    assert at_temperature(margin, 10.0)(logits, target).tolist() == pytest.approx([-0.05, 0.3])


def test_unfit_input_is_one_sentence(images):
    gradient = torch.ones(images.shape)
    step = quantized_gradient_step
    with pytest.raises(ValueError, match="moves integer codes"):
        step(images.float(), gradient, 1, 0, 255)
    with pytest.raises(ValueError, match="range of the code is not known"):
        step(images, gradient, 1, None, None)
    with pytest.raises(ValueError, match="outside low=0 to high=15"):
        step(images, gradient, 1, 0, 15)
    with pytest.raises(ValueError, match="has the code's shape"):
        step(images, gradient[:1], 1, 0, 255)
    with pytest.raises(ValueError, match="no NaN"):
        step(images, gradient * torch.nan, 1, 0, 255)
    with pytest.raises(ValueError, match="at least 1; got 0"):
        step(images, gradient, 0, 0, 255)
    with pytest.raises(ValueError, match="one for each of 3 channels; got 2"):
        step(images, gradient, 1, (0, 0), 255)
    with pytest.raises(ValueError, match="2 bits or more"):
        step(images, gradient, 1, 0, 255, bits=1)
    with pytest.raises(ValueError, match="1 to 192 here; got 200"):
        step(images, gradient, 1, 0, 255, k=200)
    target = torch.zeros(24, dtype=torch.int64)
    with pytest.raises(ValueError, match="no gradient reaches the input"):
        projected_attack(lambda x: torch.zeros(len(x), 5), images, target, 1, [1], 0, 255)
    with pytest.raises(ValueError, match="temperature is positive"):
        at_temperature(margin, 0)


def test_cost_says_which_moves_a_further_budget_keeps():
    weights = torch.tensor([4.0, 2.0, 1.0])

    def forward(values):
        gain = (values * weights.view(1, 3, 1)).sum((1, 2))
        return torch.stack([-gain, gain], 1)

    code, target = torch.zeros(1, 3, 1, dtype=torch.int16), torch.tensor([0])
    kept = []
    for cost in (None, torch.tensor([8.0, 1.0, 1.0]).view(3, 1)):
        moved = projected_attack(
            forward, code, target, 1, [1], -5, 5, random_start=False, cost=cost,
            within=lambda clean, moved: (moved != clean).flatten(1).sum(1) <= 1,
        )  # fmt: skip
        kept.append(moved.flatten().tolist())
    assert kept == [[1, 0, 0], [0, 1, 0]]
