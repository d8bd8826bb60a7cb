"""The attack benchmarks on a small network and made-up images, and on a stand-in for torchattacks."""

import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from benchmarks.accuracy import attack, false_security
from lossy_lightning.core import CodeSpec
from lossy_lightning.nn import Scale

SPEC = CodeSpec.uniform((3, 32, 32), 0, 255, ordinal=True)


class Theirs:
    """FGSM by autograd, under any of torchattacks' names."""

    def __init__(self, model, eps, **arguments):
        self.model, self.eps = model, eps

    def __call__(self, images, target):
        x = images.clone().requires_grad_()
        (slope,) = torch.autograd.grad(nn.functional.cross_entropy(self.model(x), target), x)
        return (x + self.eps * slope.sign()).clamp(0, 1).detach()


@pytest.fixture
def small(monkeypatch):
    """Ten images, and a network that gets them right."""
    torch.manual_seed(0)
    model = nn.Sequential(Scale(SPEC), nn.Flatten(), nn.Linear(3072, 10)).eval()
    code = torch.randint(0, 256, (10, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        target = model(code).argmax(1)
    monkeypatch.setattr(attack, "trained", lambda name, cache, epochs: model)
    monkeypatch.setattr(attack, "load", lambda split, cache: (code, target))
    monkeypatch.setitem(sys.modules, "torchattacks", SimpleNamespace(FGSM=Theirs, PGD=Theirs, AutoAttack=Theirs))
    return code, target


def test_peers_compares_the_same_step_on_both_sides(small, tmp_path):
    head, *rows = attack.peers(tmp_path, images=10, epochs=1)
    assert head[0] == "budget"
    assert [row[0] for row in rows] == ["1/255", "2/255", "4/255", "8/255"]
    for row in rows:
        ours, theirs = row[1].split(" / ")
        assert ours == theirs  # one sign step, rounded, is one sign step


def test_autoattack_is_no_stronger_than_ours_if_it_is_one_step(small, tmp_path, monkeypatch):
    monkeypatch.setattr(attack.strongest, "__defaults__", (4,))
    _, *rows = attack.autoattack(tmp_path, images=10, epochs=1)
    assert [row[0] for row in rows] == ["1/255", "2/255"]
    for row in rows:
        assert float(row[3]) <= float(row[1])


def test_the_greedy_attack_finds_all_single_replacements_before_a_linear_layer(tmp_path):
    head, *rows = attack.greedy(tmp_path, images=6, epochs=1)
    assert len(head) == len(rows[0]) == 4
    assert all(0 < float(cell) <= 100 for row in rows for cell in row[2:])


@pytest.mark.slow
def test_a_hidden_gradient_is_reported_near_the_truth(small, monkeypatch):
    code, target = small
    net = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)).eval()
    with torch.no_grad():
        target = net(code / 255).argmax(1)
    place, layer = false_security.REHEARSED["shuffled gradient"]
    found = false_security.row("shuffled", false_security.disguised(net, place, layer), net, code, target, 4)
    assert float(found[2]) <= float(found[1])
    assert float(found[3]) <= float(found[2])
