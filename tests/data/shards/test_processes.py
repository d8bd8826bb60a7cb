"""Trainings on shards in two processes: who sees which example, and one that is killed and gone on with."""

import os
import subprocess
import sys
import textwrap

import pytest

from lossy_lightning.codecs import PCM
from lossy_lightning.data import write_shards
from tests.processes import run

pytest.importorskip("litdata")

TOTALS = {"train": 600, "val": 37, "test": 29}
DATA = """
import torch
from torch.utils.data import TensorDataset
from lossy_lightning.data import EncodedDataModule

class Numbered(EncodedDataModule):
    '''Two pixels that are an example's number.'''
    signal_shape, num_classes, totals = (1, 1, 2), 3, TOTALS

    def signals(self, split):
        number = torch.arange(self.totals[split])
        pixels = torch.stack([number // 256, number % 256], -1).to(torch.uint8)
        return TensorDataset(pixels.view(-1, 1, 1, 2), number % 3)
""".replace("TOTALS", repr(TOTALS))
SCRIPT = """
import hashlib, json, os, sys
from pathlib import Path

import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn

from lossy_lightning.callbacks import RandomStates
from lossy_lightning.data import ShardedCodes
from lossy_lightning.nn import Scale
from lossy_lightning.tasks import ClassificationTask

class Seen(Callback):
    '''Numbers of the examples of each split; kills a rank after some batches.'''
    def __init__(self, killed_after):
        self.numbers, self.killed_after = {"train": [], "val": [], "test": []}, killed_after

    def note(self, split, batch):
        self.numbers[split] += (batch[0].flatten(1).long() @ torch.tensor([256, 1])).tolist()

    def on_train_batch_start(self, trainer, module, batch, index):
        self.note("train", batch)
        if trainer.global_step == self.killed_after and trainer.global_rank == trainer.world_size - 1:
            os._exit(9)

    def on_validation_batch_start(self, trainer, module, batch, index, dataloader_idx=0):
        self.note("val", batch)

    def on_test_batch_start(self, trainer, module, batch, index, dataloader_idx=0):
        self.note("test", batch)

def backbone(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, classes))

if __name__ == "__main__":
    root, devices = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    seed_everything(0)
    data = ShardedCodes(root.parent / "shards", batch_size=16, num_workers=WORKERS)
    task = ClassificationTask(data.spec, 3, stem=Scale, backbone=backbone)
    seen = Seen(KILLED)
    saving = ModelCheckpoint(root.parent / "saved", "{step}", every_n_train_steps=25, save_top_k=-1)
    trainer = Trainer(accelerator="cpu", devices=devices, strategy="ddp" if devices > 1 else "auto", max_epochs=2,
                      num_sanity_val_steps=0, callbacks=[seen, RandomStates(), saving], logger=False,
                      enable_progress_bar=False, enable_model_summary=False)
    trainer.fit(task, data, ckpt_path=RESUMED)
    trainer.test(task, data)
    weights = b"".join(value.numpy().tobytes() for value in task.state_dict().values())
    told = {"numbers": seen.numbers, "weights": hashlib.sha256(weights).hexdigest()}
    (root / f"rank{trainer.global_rank}.json").write_text(json.dumps(told))
"""


def script(workers=0, killed=None, resumed=None):
    text = SCRIPT.replace("WORKERS", str(workers)).replace("KILLED", repr(killed))
    return textwrap.dedent(text.replace("RESUMED", repr(None if resumed is None else str(resumed))))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder that holds shards of numbered examples, two blocks a chunk."""
    root = tmp_path_factory.mktemp("processes")
    names = {"__name__": "numbered"}
    exec(DATA, names)
    write_shards(names["Numbered"](PCM(), cache_dir=root / "cache"), root / "shards", chunk_bytes=1000)
    return root


@pytest.fixture(scope="module")
def whole(root):
    """What two processes saw that were not interrupted."""
    return run(script(), root / "whole", devices=2)


@pytest.mark.slow
@pytest.mark.parametrize("split", ["val", "test"])
def test_each_example_of_evaluation_is_seen_once(whole, split):
    seen = [number for rank in whole for number in rank["numbers"][split]]
    assert sorted(seen) == sorted([*range(TOTALS[split])] * (2 if split == "val" else 1))  # two epochs


@pytest.mark.slow
def test_training_sees_each_example_in_each_epoch(whole):
    half = TOTALS["train"] // 2
    for epoch in range(2):
        seen = [number for rank in whole for number in rank["numbers"]["train"][epoch * half : (epoch + 1) * half]]
        assert sorted(seen) == list(range(TOTALS["train"]))


@pytest.mark.slow
def test_a_killed_training_ends_as_one_that_was_not(whole, root):
    """Rank 1 dies in the second epoch; the job is started again, with workers, from the checkpoint in mid-epoch."""
    (root / "killed").mkdir()
    (root / "killed" / "script.py").write_text(script(killed=28))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, str(root / "killed" / "script.py"), str(root / "killed"), "2"]
    died = subprocess.run(command, env=environment, capture_output=True, timeout=300, check=False)
    assert died.returncode != 0
    assert not (root / "killed" / "rank0.json").exists()
    resumed = run(script(workers=2, resumed=root / "saved" / "step=25.ckpt"), root / "resumed", devices=2)
    assert [rank["weights"] for rank in resumed] == [rank["weights"] for rank in whole]
    epoch = -(-300 // 16)
    before = 300 + (25 - epoch) * 16
    for mine, theirs in zip(resumed, whole, strict=True):
        assert mine["numbers"]["train"] == theirs["numbers"]["train"][before:]


@pytest.mark.slow
def test_another_number_of_processes_begins_the_epoch_anew(whole, root):
    (one,) = run(script(resumed=root / "saved" / "step=25.ckpt"), root / "one", devices=1)
    assert sorted(one["numbers"]["train"]) == list(range(TOTALS["train"]))
