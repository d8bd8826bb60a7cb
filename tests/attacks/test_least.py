"""Least budgets against those of a rule that is known."""

import pytest
import torch

from lossy_lightning.attacks import by_budget, least_budget, lower_budget

CODE, TARGET = torch.zeros(4, 1, 3, dtype=torch.int64), torch.tensor([1, 5, 17, 1000])


def greatest(clean, moved):
    return (moved - clean).flatten(1).amax(1)


def falls(moved, target):
    return moved.flatten(1).amax(1) >= target


def up(code, target, budget):
    return code + budget.view(-1, 1, 1)


def half(code, target, budget):
    """Changes less than it may, as real attacks do."""
    return code + (budget.view(-1, 1, 1) + 1) // 2


def test_it_finds_the_least_change():
    found = least_budget(up, CODE, TARGET, falls, greatest, 64)
    assert found.size.tolist() == [1, 5, 17, -1]
    assert torch.equal(greatest(CODE, found.code), torch.tensor([1, 5, 17, 0]))


def test_a_change_counts_with_its_own_size():
    found = least_budget(half, CODE, TARGET, falls, greatest, 64)
    assert found.size.tolist() == [1, 8, 32, -1]  # of budgets 1, 16 and 64, and 8 and 32 fail


def test_examples_of_one_budget_go_together():
    asked = []

    def attack(code, target, budget):
        asked.append((len(code), budget))
        return code + budget

    found = least_budget(by_budget(attack), CODE, TARGET, falls, greatest, 64)
    assert found.size.tolist() == [1, 5, 17, -1]
    assert asked[:3] == [(4, 1), (3, 2), (3, 4)]
    assert len(asked) <= 16


def test_what_is_known_is_an_upper_bound():
    known = CODE + torch.tensor([1, 3, 18, 1000]).view(-1, 1, 1)  # the second one does not succeed
    tried = []

    def attack(code, target, budget):
        tried.extend(budget.tolist())
        return up(code, target, budget)

    found = least_budget(attack, CODE, TARGET, falls, greatest, 64, known=known)
    assert found.size.tolist() == [1, 5, 17, 1000]
    assert max(tried) <= 500


def test_a_weak_attack_is_lowered_by_a_strong_one():
    def weak(code, target, budget):
        return code + (budget * (budget > 3 * target)).view(-1, 1, 1)

    least = least_budget(weak, CODE, TARGET, falls, greatest, 64)
    assert least.size.tolist() == [4, 16, 52, -1]
    assert lower_budget(up, CODE, TARGET, falls, greatest, least).size.tolist() == [1, 5, 17, -1]
    assert lower_budget(up, CODE, TARGET, falls, greatest, least, tolerance=0.5).size.tolist() == [1, 8, 26, -1]


def test_tolerance_stops_early():
    found = least_budget(up, CODE, TARGET + 100, falls, greatest, 512, tolerance=0.1)
    assert ((found.size[:3] >= TARGET[:3] + 100) & (found.size[:3] <= 1.12 * (TARGET[:3] + 100))).all()


def test_errors():
    with pytest.raises(ValueError, match="1 or more"):
        least_budget(up, CODE, TARGET, falls, greatest, 0)
    with pytest.raises(ValueError, match="less than 1"):
        lower_budget(up, CODE, TARGET, falls, greatest, least_budget(up, CODE, TARGET, falls, greatest, 4), tolerance=1)
