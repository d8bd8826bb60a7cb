"""The black-box attack: promises it keeps, and that it needs no gradient."""

import pytest
import torch
from torch import nn

from lossy_lightning.attacks import square_attack


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 6 * 6, 5)).eval()


@pytest.fixture
def images():
    return torch.randint(0, 256, (24, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def _attack(forward, images, labels, queries, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return square_attack(forward, images, labels, 6, 0, 255, queries=queries, generator=generator)


def test_it_fools_a_model_that_has_no_gradient_at_all(net, images):
    def forward(code):
        assert not code.is_floating_point()
        with torch.no_grad():
            return net(code / 255)

    labels = forward(images).argmax(1)
    accuracies = []
    for queries in (1, 30, 300):
        moved = _attack(forward, images, labels, queries)
        assert (moved.int() - images.int()).abs().max() <= 6
        assert moved.dtype == torch.uint8
        accuracies.append((forward(moved).argmax(1) == labels).float().mean().item())
    assert accuracies == sorted(accuracies, reverse=True)
    assert accuracies[-1] < 0.6 * accuracies[0]


def test_same_seed_same_codes(net, images):
    labels = torch.zeros(24, dtype=torch.int64)
    forward = lambda code: net(code / 255)  # noqa: E731
    assert torch.equal(_attack(forward, images, labels, 20), _attack(forward, images, labels, 20))


def test_any_number_of_grid_axes():
    for grid in ((9,), (5, 4), (3, 4, 5)):
        code = torch.full((4, 2, *grid), 5, dtype=torch.int16)
        moved = square_attack(lambda x: x.float().flatten(1)[:, :3], code, torch.zeros(4).long(), 2, 0, 9, queries=9)
        assert moved.shape == code.shape
        assert set(moved.unique().tolist()) <= {3, 5, 7}


def test_unfit_input_is_one_sentence():
    with pytest.raises(ValueError, match=r"a code \(N, C, \*grid\)"):
        square_attack(lambda x: x.float(), torch.zeros(2, 3, dtype=torch.uint8), torch.zeros(2).long(), 1, 0, 9)
