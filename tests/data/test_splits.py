"""Which examples go where."""

import pytest
import torch
from torch.utils.data import TensorDataset

from lossy_lightning.data._splits import TransformedSource, take_split
from lossy_lightning.data.source import as_source

TOTAL = 50


def source(**totals):
    """A data set whose splits count through: train from 0, val from 1000, test from 2000."""
    starts = {"train": 0, "val": 1000, "test": 2000}

    def splits(split):
        dataset = TensorDataset(torch.arange(totals[split]) + starts[split]) if split in totals else None
        return as_source(dataset)

    return splits


def numbers(dataset):
    return [int(example[0]) for example in dataset]


@pytest.mark.parametrize("val_fraction", [0.1, 0.5, 0.33])
def test_train_and_val_share_the_training_examples(val_fraction):
    train, val = (numbers(take_split(source(train=TOTAL), split, val_fraction, 0)) for split in ("train", "val"))
    assert len(val) == round(TOTAL * val_fraction)
    assert sorted(train + val) == list(range(TOTAL))


def test_order_is_kept():
    train = numbers(take_split(source(train=TOTAL), "train", 0.1, 0))
    assert train == sorted(train)


def test_the_seed_chooses():
    first, again, other = (numbers(take_split(source(train=TOTAL), "val", 0.2, seed)) for seed in (0, 0, 1))
    assert first == again != other


def test_the_choice_does_not_touch_the_global_generator():
    state = torch.get_rng_state()
    take_split(source(train=TOTAL), "val", 0.2, 0)
    assert torch.equal(torch.get_rng_state(), state)


def test_an_own_val_split_leaves_training_whole():
    own = source(train=TOTAL, val=7)
    assert numbers(take_split(own, "train", 0.1, 0)) == list(range(TOTAL))
    assert numbers(take_split(own, "val", 0.1, 0)) == list(range(1000, 1007))


def test_test_examples_are_kept_apart():
    assert numbers(take_split(source(train=TOTAL, test=5), "test", 0.5, 0)) == list(range(2000, 2005))


def test_no_fraction_is_no_val_split():
    assert take_split(source(train=TOTAL), "val", 0.0, 0) is None
    assert numbers(take_split(source(train=TOTAL), "train", 0.0, 0)) == list(range(TOTAL))


@pytest.mark.parametrize("split", ["train", "val"])
def test_no_training_examples_are_no_split(split):
    assert take_split(source(test=3), split, 0.1, 0) is None


def test_transformed_at_each_reading():
    counter = iter(range(100))
    dataset = TransformedSource(
        as_source(TensorDataset(torch.zeros(3), torch.arange(3))), lambda signal: signal + next(counter)
    )
    assert len(dataset) == 3
    assert [dataset[2][0].item(), dataset[2][0].item()] == [0, 1]
    assert dataset[1][1] == 1


def test_transformed_then_encoded_with_its_target():
    signals = as_source(TensorDataset(torch.zeros(3, 2), torch.arange(3)))

    def encode(batch, targets):
        assert batch.shape == (1, 2)
        return batch * 10 + targets[0]

    dataset = TransformedSource(signals, lambda signal: signal + 1, encode)
    assert torch.equal(dataset[2][0], torch.tensor([12.0, 12.0]))
