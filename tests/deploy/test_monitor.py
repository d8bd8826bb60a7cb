"""Figures of packed networks in a test."""

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader, TensorDataset

from lossy_lightning.deploy import PackedSpeedMonitor
from tests.deploy import networks


def test_figures_of_a_test():
    torch.manual_seed(0)
    task = networks.task("mlp")
    data = DataLoader(TensorDataset(networks.codes(task.spec, 32), torch.zeros(32, dtype=torch.long)), 16)
    trainer = Trainer(callbacks=[PackedSpeedMonitor(repeats=2)], logger=False, accelerator="cpu")
    trainer.test(task, data, verbose=False)
    found = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("deploy/")}
    assert set(found) == {"deploy/latency_ms", "deploy/float_latency_ms", "deploy/file_bytes", "deploy/agreement"}
    assert found["deploy/agreement"] == 1
    assert found["deploy/latency_ms"] > 0
    assert 2000 < found["deploy/file_bytes"] < 9000


class Foreign(LightningModule):
    def test_step(self, batch):
        pass


def test_a_module_without_spec_is_told():
    trainer = Trainer(callbacks=[PackedSpeedMonitor()], logger=False, accelerator="cpu", enable_progress_bar=False)
    with pytest.raises(ValueError, match="CodeSpec"):
        trainer.test(Foreign(), DataLoader(TensorDataset(torch.zeros(4, 1))), verbose=False)
