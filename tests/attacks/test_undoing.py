"""Changes that are not needed are undone, and no others."""

import pytest
import torch

from lossy_lightning.attacks import undo_needless


def needs(*places):
    """A model that is fooled while some places are changed."""
    return lambda code, target: (code.flatten(1)[:, list(places)] > 0).all(1)


def test_only_what_is_needed_stays():
    clean, moved = torch.zeros(2, 3, 4, dtype=torch.int64), torch.arange(1, 13).view(1, 3, 4).repeat(2, 1, 1)
    moved[1, 0, 2] = 0  # this one does not fool it, and stays as it is
    found = undo_needless(needs(2, 7), clean, moved, torch.zeros(2, dtype=torch.int64))
    assert torch.nonzero(found[0].flatten()).squeeze(1).tolist() == [2, 7]
    assert torch.equal(found[1], moved[1])


def test_order_says_what_goes_first():
    clean, moved = torch.zeros(1, 4, dtype=torch.int64), torch.ones(1, 4, dtype=torch.int64)

    def fools(code, target):
        return code.sum(1) >= 2

    order = torch.tensor([[4.0, 1.0, 3.0, 2.0]])
    assert undo_needless(fools, clean, moved, torch.tensor([0]), order).tolist() == [[1, 0, 1, 0]]


def test_trials_are_bounded():
    asked = []

    def fools(code, target):
        asked.append(len(code))
        return code.sum(1) >= 50

    undo_needless(fools, torch.zeros(1, 100).long(), torch.ones(1, 100).long(), torch.tensor([0]), trials=4)
    assert len(asked) <= 1 + 7 * 4


def test_errors():
    with pytest.raises(ValueError, match="1 trial"):
        undo_needless(needs(0), torch.zeros(1, 4), torch.zeros(1, 4), torch.zeros(1), trials=0)
