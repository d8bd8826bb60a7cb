"""Trainings on shards in two processes: who sees which example, and one that is killed and gone on with."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("litdata")
pytestmark = pytest.mark.slow

TOTALS = {"train": 600, "val": 37, "test": 29}
EPOCH = 19  # batches of 16 of half the training examples
SCRIPT = """
import hashlib, json, os, sys
from pathlib import Path

import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import TensorDataset

from lossy_lightning.callbacks import RandomStates
from lossy_lightning.codecs import PCM
from lossy_lightning.data import EncodedDataModule, ShardedCodes, write_shards
from lossy_lightning.nn import Scale
from lossy_lightning.tasks import ClassificationTask

class Numbered(EncodedDataModule):
    '''Two pixels that are an example's number.'''
    signal_shape, num_classes = (1, 1, 2), 3

    def signals(self, split):
        number = torch.arange(TOTALS[split])
        pixels = torch.stack([number // 256, number % 256], -1).to(torch.uint8)
        return TensorDataset(pixels.view(-1, 1, 1, 2), number % 3)

class Seen(Callback):
    '''Numbers of the examples, and weights at the end, in a file of each process; kills the last after some steps.'''
    def __init__(self, name, killed_after):
        self.name, self.killed_after, self.numbers = name, killed_after, {"train": [], "val": [], "test": []}

    def note(self, split, batch):
        self.numbers[split] += (batch[0].flatten(1).long() @ torch.tensor([256, 1])).tolist()

    def write(self, trainer, module, stage):
        weights = b"".join(value.numpy().tobytes() for value in module.state_dict().values())
        told = self.numbers | {"weights": hashlib.sha256(weights).hexdigest()}
        (root / f"{self.name}-{stage}-{trainer.global_rank}.json").write_text(json.dumps(told))

    def on_train_batch_start(self, trainer, module, batch, index):
        self.note("train", batch)
        if trainer.global_step == self.killed_after and trainer.global_rank == trainer.world_size - 1:
            os._exit(9)

    def on_validation_batch_start(self, trainer, module, batch, index, dataloader_idx=0):
        self.note("val", batch)

    def on_test_batch_start(self, trainer, module, batch, index, dataloader_idx=0):
        self.note("test", batch)

    def on_fit_end(self, trainer, module):
        self.write(trainer, module, "fit")

    def on_test_end(self, trainer, module):
        self.write(trainer, module, "test")

def backbone(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, classes))

def train(name, devices=2, workers=0, killed_after=None, resumed=None):
    seed_everything(0)
    data = ShardedCodes(root / "shards", batch_size=16, num_workers=workers)
    task = ClassificationTask(data.spec, 3, stem=Scale, backbone=backbone)
    saving = ModelCheckpoint(root / name, "{step}", every_n_train_steps=25, save_top_k=-1)
    trainer = Trainer(accelerator="cpu", devices=devices, strategy="ddp_fork" if devices > 1 else "auto", max_epochs=2,
                      callbacks=[Seen(name, killed_after), RandomStates(), saving], num_sanity_val_steps=0,
                      logger=False, enable_progress_bar=False, enable_model_summary=False)
    trainer.fit(task, data, ckpt_path=resumed)
    if name == "whole":
        trainer.test(task, data)

if __name__ == "__main__":
    root, TOTALS = Path(sys.argv[1]), json.loads(sys.argv[2])
    torch.set_num_threads(1)
    write_shards(Numbered(PCM(), cache_dir=root / "cache"), root / "shards", chunk_bytes=1000)
    train("whole")
    try:
        train("killed", killed_after=28)
    except Exception as error:
        print(error)
    train("resumed", workers=2, resumed=root / "killed" / "step=25.ckpt")
    train("one", devices=1, resumed=root / "killed" / "step=25.ckpt")
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What each process saw: name of the training, stage and rank to what it left."""
    root = tmp_path_factory.mktemp("processes")
    (root / "script.py").write_text(SCRIPT)
    loopback = "lo" if sys.platform == "linux" else "lo0"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "GLOO_SOCKET_IFNAME": loopback}
    command = [sys.executable, str(root / "script.py"), str(root), json.dumps(TOTALS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return {path.stem: json.loads(path.read_text()) for path in root.glob("*.json")}


@pytest.mark.parametrize(("split", "stage", "epochs"), [("val", "fit", 2), ("test", "test", 1)])
def test_each_example_of_evaluation_is_seen_once(seen, split, stage, epochs):
    numbers = [number for rank in range(2) for number in seen[f"whole-{stage}-{rank}"][split]]
    assert sorted(numbers) == sorted([*range(TOTALS[split])] * epochs)


def test_training_sees_each_example_in_each_epoch(seen):
    half = TOTALS["train"] // 2
    for start in (0, half):
        numbers = [number for rank in range(2) for number in seen[f"whole-fit-{rank}"]["train"][start : start + half]]
        assert sorted(numbers) == list(range(TOTALS["train"]))


def test_a_killed_training_ends_as_one_that_was_not(seen):
    """Rank 1 dies in the second epoch; the job is started again, with workers, from the checkpoint in mid-epoch."""
    assert "killed-fit-0" not in seen
    for rank in range(2):
        whole, resumed = seen[f"whole-fit-{rank}"], seen[f"resumed-fit-{rank}"]
        assert resumed["weights"] == whole["weights"]
        assert resumed["train"] == whole["train"][TOTALS["train"] // 2 + (25 - EPOCH) * 16 :]


def test_another_number_of_processes_begins_the_epoch_anew(seen):
    assert sorted(seen["one-fit-0"]["train"]) == list(range(TOTALS["train"]))
