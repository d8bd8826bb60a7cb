"""JPEG in front of a network hides its gradient; an attack that goes straight through the codec breaks it."""

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from lossy_lightning.attacks import margin, projected_attack, straight_through
from lossy_lightning.codecs import JPEG

SHAPE, BUDGET = (1, 16, 16), 40


@pytest.fixture(scope="module")
def digits():
    """Digits as 8-bit images of 16x16 and their classes, in random order."""
    data = load_digits()
    images = torch.from_numpy(data.images).float().mul(15).to(torch.uint8).unsqueeze(1)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return images.repeat_interleave(2, 2).repeat_interleave(2, 3)[order], torch.from_numpy(data.target)[order].long()


@pytest.fixture(scope="module")
def net(digits):
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10)
    )
    images, target = digits[0][:1500], digits[1][:1500]
    optimizer = torch.optim.Adam(layers.parameters(), 3e-3)
    for _ in range(8):
        for index in torch.randperm(1500).split(50):
            optimizer.zero_grad()
            F.cross_entropy(layers(images[index] / 255), target[index]).backward()
            optimizer.step()
    return layers.eval().requires_grad_(False)


@pytest.mark.slow
def test_straight_through_gradients_break_jpeg_as_a_defence(digits, net):
    codec = JPEG(quality=20)
    images, target = digits[0][1500:1700], digits[1][1500:1700]

    def through_codec(values):
        return codec.decode(codec.encode(values.round().clamp(0, 255).to(torch.uint8)), SHAPE).float()

    def through_files(moved):
        files = [codec.write(one, SHAPE) for one in codec.encode(moved)]
        return codec.decode(torch.stack([codec.read(data)[0] for data in files]), SHAPE)

    def attacked(forward):
        return projected_attack(
            forward, images, target, BUDGET, [10] * 10 + [3] * 20, 0, 255, loss=margin, momentum=0.9, random_start=False
        )

    def right(moved):
        return 100 * float((net(through_files(moved) / 255).argmax(1) == target).float().mean())

    with pytest.raises(ValueError, match="no gradient reaches"):  # the defence: what an attacker gets of the codec
        attacked(lambda x: net(through_codec(x) / 255))
    past = straight_through(through_codec)
    transferred, adaptive = attacked(lambda x: net(x / 255)), attacked(lambda x: net(past(x) / 255))
    assert (adaptive.int() - images.int()).abs().max() <= BUDGET
    assert right(images) > 90
    assert right(adaptive) < 10
    assert right(adaptive) <= right(transferred)
