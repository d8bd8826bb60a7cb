"""Defences that only hide their gradient, on small networks for CIFAR-10 at 8/255: each is seen through."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from lossy_lightning.attacks import (
    at_temperature,
    cross_entropy,
    differentiable,
    margin,
    projected_attack,
    straight_through,
)
from lossy_lightning.core import CodeSpec
from lossy_lightning.nn import ConvNet, Scale

DATA = Path(os.environ.get("LOSSY_DATA", "data")) / "cifar10"
SPEC = CodeSpec.uniform((3, 32, 32), 0, 255, ordinal=True)
BUDGET = 8
STEPS = [2] * 20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.exists(), reason="needs CIFAR-10 under $LOSSY_DATA/cifar10"),
]


class Thermometer(nn.Module):
    """Each channel as 16 bits, of which as many are 1 as the value has passed thresholds (Buckman et al., 2018)."""

    def forward(self, code):
        thresholds = torch.arange(0, 256, 16).view(1, 1, -1, 1, 1)
        return (code.unsqueeze(2) >= thresholds).float().flatten(1, 2)


def _net(channels):
    def block(width, out):
        return [nn.Conv2d(width, out, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]

    return nn.Sequential(*block(channels, 32), *block(32, 64), *block(64, 128), nn.Flatten(), nn.Linear(2048, 10))


def _images(split, count=None):
    """Images ``(N, 3, 32, 32)`` uint8 and classes, in a fixed random order."""
    folders = sorted((DATA / split).glob("[!.]*"))
    files = [(file, label) for label, folder in enumerate(folders) for file in sorted(folder.glob("*.png"))]
    chosen = [files[i] for i in np.random.default_rng(0).permutation(len(files))[:count]]
    images = np.stack([np.asarray(Image.open(file).convert("RGB")) for file, _ in chosen])
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.tensor([label for _, label in chosen])


@pytest.fixture(scope="module")
def train():
    return _images("train")


@pytest.fixture(scope="module")
def test():
    return _images("test", 200)


def _trained(model, train, epochs):
    images, labels = train
    optimizer = torch.optim.Adam(model.parameters())
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, epochs=epochs, steps_per_epoch=len(images) // 128)
    for _ in range(epochs):
        for index in torch.randperm(len(images)).split(128)[: len(images) // 128]:
            optimizer.zero_grad()
            F.cross_entropy(model(images[index]), labels[index]).backward()
            optimizer.step()
            rate.step()
    return model.eval()


@pytest.fixture(scope="module")
def pixels(train):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return _trained(nn.Sequential(Scale(SPEC), _net(3)), train, 4)


@pytest.fixture(scope="module")
def thermometer(train):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return _trained(nn.Sequential(Thermometer(), _net(48)), train, 4)


@pytest.fixture(scope="module")
def binary(train):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return _trained(nn.Sequential(Scale(SPEC), ConvNet((3, 32, 32), 10)), train, 3)


def _attacked(forward, test, steps=STEPS, budget=BUDGET, **arguments):
    return projected_attack(forward, *test, budget, steps, 0, 255, random_start=False, **arguments)


def _accuracy(forward, code, target):
    """Percent."""
    with torch.no_grad():
        return 100 * (forward(code).argmax(1) == target).float().mean().item()


def test_a_thermometer_has_no_gradient_but_is_not_robust(thermometer, test):
    code, target = test
    naive, adaptive = differentiable(thermometer, code[:1], thermometer, 0, 255, BUDGET)
    clean = _accuracy(thermometer, code, target)
    assert clean > 45
    assert abs(_accuracy(thermometer, _attacked(naive, test), target) - clean) <= 2
    assert _accuracy(thermometer, _attacked(adaptive, test), target) <= 2


def _through_jpeg(values):
    """Pixels that went through a JPEG file of quality 75."""
    out = []
    for image in values.detach().to(torch.uint8).permute(0, 2, 3, 1).numpy():
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=75)
        out.append(torch.from_numpy(np.array(Image.open(file))))
    return torch.stack(out).permute(0, 3, 1, 2).float()


def test_jpeg_in_front_of_a_network_is_not_robust(pixels, test):
    code, target = test
    past_files = straight_through(_through_jpeg)

    def defended(code):
        return pixels(_through_jpeg(code))

    steps = [2] * 30 + [1] * 70
    moved = _attacked(lambda x: pixels(past_files(x)), test, steps, loss=margin, momentum=0.9)
    adaptive, transfer = (_accuracy(defended, x, target) for x in (moved, _attacked(pixels, test)))
    assert _accuracy(defended, code, target) > 45
    assert adaptive <= 5
    assert adaptive <= transfer


def test_a_temperature_sees_through_the_saturated_softmax_of_a_binary_network(binary, test):
    """Without a batch norm at its end its logits are large integers; then the cross-entropy has no gradient left."""
    code, target = test

    def saturated(code):
        return 1000 * binary(code)

    clean = _accuracy(binary, code, target)
    plain, tempered = (
        _accuracy(binary, _attacked(saturated, test, [1] * 20, 1, loss=at_temperature(cross_entropy, t)), target)
        for t in (1.0, 1000.0)
    )
    print(f"binary: clean {clean:.1f}, plain {plain:.1f}, at a temperature of 1000 {tempered:.1f}")
    assert clean > 40
    assert plain > clean - 5
    assert tempered < clean - 20
