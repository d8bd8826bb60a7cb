"""Two processes on the CPU: who sees which example, and what is done once."""

import collections
import textwrap

import pytest

from tests.processes import run

TRAIN, VAL, TEST = 43, 17, 11
SCRIPT = f"""
import json, sys, warnings
from pathlib import Path

import torch
from lightning.pytorch import Callback, Trainer
from torch import nn
from torch.utils.data import TensorDataset

from lossy_lightning.codecs import VQ
from lossy_lightning.data import EncodedDataModule
from lossy_lightning.nn import Scale
from lossy_lightning.tasks import ClassificationTask

class Marked(EncodedDataModule):
    '''The first four pixels, 0 or 255, are an example's number in binary, and so survive this codec.'''
    signal_shape, num_classes = (1, 8, 8), 3

    def signals(self, split):
        total = {{"train": {TRAIN}, "val": {VAL}, "test": {TEST}}}[split]
        number = torch.arange(total)
        images = torch.zeros(total, 64, dtype=torch.uint8)
        images[:, :6] = (number[:, None] >> torch.arange(6) & 1) * 255
        images[:, 32:] = 255
        return TensorDataset(images.view(-1, 1, 8, 8), number % 3)

class CountedVQ(VQ):
    def fit(self, signals):
        with open(root / "fits", "a") as file:
            file.write("x")
        return super().fit(signals)

    def encode(self, signal):
        with open(root / "encoded", "a") as file:
            file.write("x" * len(signal))
        return super().encode(signal)

class Seen(Callback):
    '''Numbers of the examples of each batch.'''
    def __init__(self):
        self.numbers = {{"train": [], "val": [], "test": []}}

    def note(self, split, module, batch):
        pixels = module.trainer.datamodule.codec.decode(batch[0]).flatten(1)[:, :6].long() // 255
        self.numbers[split].append((pixels << torch.arange(6)).sum(1).tolist())

    def on_train_batch_start(self, trainer, module, batch, index):
        self.note("train", module, batch)

    def on_validation_batch_start(self, trainer, module, batch, index, dataloader_idx=0):
        self.note("val", module, batch)

    def on_test_batch_start(self, trainer, module, batch, index, dataloader_idx=0):
        self.note("test", module, batch)

def backbone(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, classes))

if __name__ == "__main__":
    root, devices = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    data = Marked(CountedVQ((1, 1), 2), root=root, cache_dir=root, batch_size=8)
    torch.manual_seed(0)
    task = ClassificationTask(data.spec, 3, stem=Scale, backbone=backbone)
    seen = Seen()
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False)
    trainer = Trainer(accelerator="cpu", devices=devices, strategy="ddp" if devices > 1 else "auto", max_epochs=1,
                      num_sanity_val_steps=0, callbacks=[seen], **quiet)
    untrained = trainer.test(task, data)[0]
    trainer.fit(task, data)
    batches = dict(seen.numbers)
    (root / f"rank{{trainer.global_rank}}.json").write_text(json.dumps({{"batches": batches, "untrained": untrained}}))
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("distributed")


@pytest.fixture(scope="module")
def ranks(root):
    """What two processes saw."""
    return run(textwrap.dedent(SCRIPT), root / "two", devices=2)


def _numbers(ranks, split):
    """Numbers of the examples that each rank saw."""
    return [[number for batch in rank["batches"][split] for number in batch] for rank in ranks]


def test_training_repeats_at_most_one_example_a_rank(ranks):
    first, second = _numbers(ranks, "train")
    assert len(first) == len(second) == -(-TRAIN // 2)
    counts = collections.Counter(first + second)
    assert counts.keys() == set(range(TRAIN))
    assert max(counts.values()) <= 2
    assert sum(counts.values()) - TRAIN <= 1


@pytest.mark.parametrize(("split", "total"), [("val", VAL), ("test", TEST)])
def test_each_other_example_is_seen_once(ranks, split, total):
    first, second = _numbers(ranks, split)
    assert sorted(first + second) == list(range(total))
    assert abs(len(first) - len(second)) <= 1


def test_ranks_may_have_different_numbers_of_batches(ranks):
    """17 examples for two ranks are 9 and 8: two batches and one, and no rank waits for the other for ever."""
    assert [len(rank["batches"]["val"]) for rank in ranks] == [2, 1]


def test_codec_is_fitted_once_and_each_example_encoded_once(ranks, root):
    assert (root / "two" / "fits").read_text() == "x"
    assert len((root / "two" / "encoded").read_text()) == TRAIN + VAL + TEST


def test_metrics_are_those_of_one_process(ranks, root):
    (one,) = run(textwrap.dedent(SCRIPT), root / "one", devices=1)
    for rank in ranks:
        assert rank["untrained"] == pytest.approx(one["untrained"], rel=1e-5)
