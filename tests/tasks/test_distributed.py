"""Every task in four processes on shards: metrics are those of one process; and two that are spawned."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("litdata")
pytestmark = pytest.mark.slow

SCRIPT = """
import json, sys
from functools import partial
from pathlib import Path

import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.loggers import CSVLogger
from vector_quantize_pytorch import LFQ

from lossy_lightning.callbacks import RateMonitor
from lossy_lightning.codecs import PCM, VQ, VQVAE
from lossy_lightning.data import Digits, ShardedCodes, write_shards
from lossy_lightning.nn import MLP, Bits, BlockDecoder, BlockEncoder
from lossy_lightning.tasks import ClassificationTask, DistillationTask, JointTask, VQVAETask

BACKBONE = partial(MLP, hidden_features=(16,))
QUIET = dict.fromkeys(("enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False)

def codec():
    lfq = LFQ(dim=4, straight_through_activation=torch.nn.Identity())
    return VQVAE(BlockEncoder((2, 2), 4, (8,)), lfq, BlockDecoder((2, 2), 4, (8,)))

def make(name, spec):
    seed_everything(0)
    match name:
        case "classification":
            return ClassificationTask(spec, 10, Bits, BACKBONE)
        case "distillation":
            return DistillationTask(spec, 10, Bits, BACKBONE, teacher=ClassificationTask(spec, 10, Bits, BACKBONE))
        case "joint":
            return JointTask(spec, 10, codec(), BACKBONE, 1.0)
        case "vqvae":
            return VQVAETask(spec, codec())

def tested(name, devices, strategy):
    data = ShardedCodes(root / ("pixels" if name in ("joint", "vqvae") else "codes"), batch_size=16)
    trainer = Trainer(accelerator="cpu", devices=devices, strategy=strategy, max_epochs=1, limit_train_batches=2,
                      logger=CSVLogger(root, f"{name}-{strategy}", ""), callbacks=[RateMonitor()], **QUIET)
    (figures,) = trainer.test(make(name, data.spec), data, verbose=False)
    if strategy == "ddp_fork":
        trainer.fit(make(name, data.spec), data)
        trainer.test(datamodule=data, model=trainer.lightning_module, verbose=False)
    return {key: value for key, value in figures.items() if not key.startswith("speed")}

if __name__ == "__main__":
    root = Path(sys.argv[1])
    torch.set_num_threads(1)
    write_shards(Digits(VQ((2, 2), 16), cache_dir=root / "cache"), root / "codes", chunk_bytes=2500)
    write_shards(Digits(PCM(), cache_dir=root / "cache"), root / "pixels", chunk_bytes=9000)
    found = {}
    for name in ("classification", "distillation", "joint", "vqvae"):
        found[name] = [tested(name, 4, "ddp_fork"), tested(name, 1, "auto")]
    found["spawned"] = [tested("classification", 2, "ddp_spawn"), found["classification"][1]]
    (root / "found.json").write_text(json.dumps(found))
"""


def run(script, root, *arguments):
    (root / "script.py").write_text(script)
    loopback = "lo" if sys.platform == "linux" else "lo0"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "GLOO_SOCKET_IFNAME": loopback}
    command = [sys.executable, str(root / "script.py"), str(root), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("tasks")
    run(SCRIPT, root)
    return root


@pytest.mark.parametrize("name", ["classification", "distillation", "joint", "vqvae", "spawned"])
def test_metrics_are_those_of_one_process(root, name):
    several, one = json.loads((root / "found.json").read_text())[name]
    assert several == pytest.approx(one, rel=1e-4)


def test_figures_are_logged_once(root):
    (table,) = (root / "classification-ddp_fork").rglob("metrics.csv")
    head, *lines = table.read_text().splitlines()
    at = head.split(",").index("rate/entropy_bits")
    assert sum(bool(line.split(",")[at]) for line in lines) <= 2  # of the tests
