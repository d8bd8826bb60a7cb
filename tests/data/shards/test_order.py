"""Which process sees which example of shards, and when."""

import collections
import itertools

import numpy as np
import pytest
import torch

from lossy_lightning.codecs import VQ
from lossy_lightning.core import RandomKey
from lossy_lightning.data import Digits, ShardedCodes, write_shards
from lossy_lightning.data._loading import Place
from lossy_lightning.data.shards._order import ShardOrder, chunk_order

pytest.importorskip("litdata")

SIZES = np.array([11, 4, 1, 7])  # an uneven last chunk, and one of a single example
TOTAL = int(SIZES.sum())
KEY = RandomKey((0, "train"))
FIRST = Place()


@pytest.fixture(autouse=True)
def no_global_seed(monkeypatch):
    """Of tests that ran before in this process: the seed is that of the generator."""
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)


@pytest.fixture
def ranks(monkeypatch):
    """Orders of as many processes as asked for, as each of them makes its own."""

    def make(world, training, start=FIRST, batch_size=2):
        orders = []
        for rank in range(world):
            monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
            monkeypatch.setattr(torch.distributed, "get_world_size", lambda: world)
            monkeypatch.setattr(torch.distributed, "get_rank", lambda own=rank: own)
            orders.append(ShardOrder(SIZES, KEY, batch_size, training, start))
        return orders

    return make


@pytest.mark.parametrize("world", [1, 2, 4, 5])
def test_evaluation_gives_each_example_once(ranks, world):
    seen = [list(order) for order in ranks(world, training=False)]
    assert list(itertools.chain(*seen)) == list(range(TOTAL))
    assert max(map(len, seen)) - min(map(len, seen)) <= 1


@pytest.mark.parametrize("world", [1, 2, 4, 5])
def test_training_repeats_fewer_examples_than_there_are_processes(ranks, world):
    orders = ranks(world, training=True)
    seen = [list(order) for order in orders]
    assert [len(each) for each in seen] == [len(order) for order in orders] == [-(-TOTAL // world)] * world
    counts = collections.Counter(index for each in seen for _, index in each)
    assert counts.keys() == set(range(TOTAL))
    assert sum(counts.values()) - TOTAL < world


def test_epochs_differ_and_are_gone_on_with(ranks):
    (order,) = ranks(1, training=True)
    first, second = list(order), list(order)
    assert {epoch for epoch, _ in first} == {0}
    assert {epoch for epoch, _ in second} == {1}
    assert [index for _, index in first] != [index for _, index in second]
    (resumed,) = ranks(1, True, Place(1, 3))
    assert list(resumed) == second[6:]
    assert [index for _, index in resumed] == [index for _, index in list(ranks(1, True, Place(2))[0])]


def test_chunks_come_one_after_the_other(ranks):
    (order,) = ranks(1, training=True)
    chunks = np.searchsorted(np.cumsum(SIZES), [index for _, index in order], "right")
    assert len(list(itertools.groupby(chunks))) == len(SIZES)


LENGTHS = [np.random.default_rng(size).integers(1, 100, size) for size in (200, 30, 90)]


def sorted_order(start=FIRST, sorted_batches=8):
    sizes = np.array([200, 30, 90])
    return ShardOrder(sizes, KEY, 4, True, start, sorted_batches, lambda number, key: LENGTHS[number])


def test_batches_by_length_hold_each_example_once_and_less_to_pad():
    lengths = np.concatenate(LENGTHS)
    padded = {}
    for sorted_batches in (1, 8):
        order = sorted_order(sorted_batches=sorted_batches)
        first, second = ([index for _, index in order] for _ in range(2))
        assert sorted(first) == sorted(second) == list(range(320))
        assert first != second
        padded[sorted_batches] = np.lib.stride_tricks.sliding_window_view(lengths[first], 4)[::4].max(1).sum() * 4
    # Every fourth value or so would be padding; one in ten is left.
    assert padded[8] - lengths.sum() < 0.5 * (padded[1] - lengths.sum())


@pytest.mark.parametrize("batch", [3, 50, 60])
def test_batches_by_length_are_gone_on_with(batch):
    whole = list(sorted_order())
    assert list(sorted_order(Place(0, batch))) == whole[4 * batch :]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("digits")
    write_shards(Digits(VQ((2, 2), 16), cache_dir=root / "cache"), root / "shards", chunk_bytes=2500)
    return root / "shards"


def codes(loader):
    return [code for code, _ in loader]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_training_goes_on_in_the_middle_of_an_epoch(folder, num_workers):
    torch.manual_seed(3)
    whole = codes(ShardedCodes(folder, num_workers=num_workers).train_dataloader())
    data = ShardedCodes(folder, num_workers=num_workers)
    data.load_state_dict(data.state_dict() | {"progress": {"seed": 3, "epoch": 0, "batch": 5}})
    assert torch.equal(torch.cat(codes(data.train_dataloader())), torch.cat(whole[5:]))


@pytest.mark.parametrize("change", [{"world_size": 4}, {"batch_size": 32}, {"sorted_batches": 2}])
def test_an_epoch_that_was_shared_out_otherwise_begins_anew(folder, change):
    torch.manual_seed(3)
    whole = codes(ShardedCodes(folder).train_dataloader())
    data = ShardedCodes(folder)
    state = data.state_dict() | {"progress": {"seed": 3, "epoch": 0, "batch": 5}} | change
    with pytest.warns(UserWarning, match=r"epoch 0 was dealt by .*world_size.*, and now by .*: it is begun anew"):
        data.load_state_dict(state)
    assert torch.equal(torch.cat(codes(data.train_dataloader())), torch.cat(whole))


def test_the_chunk_that_comes_next_is_opened_ahead(folder):
    chunks = ShardedCodes(folder).codes("train").chunks
    order = chunk_order(len(chunks.list), KEY)
    assert len(order) > 2
    for number, following in itertools.pairwise(order):
        chunks.open(number, KEY)
        assert following in chunks._open


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_loop_that_is_left_early_leaves_nothing_behind(folder, num_workers):
    torch.manual_seed(3)
    loader = ShardedCodes(folder, num_workers=num_workers).test_dataloader()
    for _ in loader:
        break
    assert sum(len(code) for code in codes(loader)) == 359
