"""Callbacks in two processes on the CPU: nobody waits for ever, figures are those of all, files are written once."""

import json
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.processes import run

pytestmark = pytest.mark.slow

SCRIPT = """
import json, sys
from pathlib import Path

import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn
from torch.utils.data import TensorDataset

import lossy_lightning.callbacks as cb
from lossy_lightning.codecs import JPEG
from lossy_lightning.data import EncodedDataModule
from lossy_lightning.nn import Scale
from lossy_lightning.tasks import ClassificationTask

class Photos(EncodedDataModule):
    signal_shape, num_classes = (3, 16, 16), 3

    def signals(self, split):
        total = {"train": 40, "val": 17, "test": 11}[split]
        numbers = torch.Generator().manual_seed(total)
        # noise, and the more of it the later an example, so that the examples of a rank are unlike the other's
        spread = torch.arange(1, total + 1).view(-1, 1, 1, 1) * 127 // total
        images = 128 + (torch.rand(total, 3, 16, 16, generator=numbers) * spread)
        return TensorDataset(images.to(torch.uint8), torch.arange(total) % 3)

def backbone(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(384, classes))

if __name__ == "__main__":
    root, devices = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    seed_everything(0)
    data = Photos(JPEG(quality=75), root=root, batch_size=4)
    task = ClassificationTask(data.spec, 3, stem=Scale, backbone=backbone)
    monitors = [cb.ComplexityMonitor(), cb.BitWidthAudit(), cb.RateMonitor(), cb.SpeedMonitor(), cb.Provenance(),
                cb.ReconstructionMonitor(3), cb.GradientAttackMonitor(steps=(1, 2)),
                cb.ConfusionMonitor(), cb.MistakeMonitor(2), cb.DriftMonitor({"same": JPEG(75), "rough": JPEG(5)})]
    trainer = Trainer(accelerator="cpu", devices=devices, strategy="ddp" if devices > 1 else "auto", max_epochs=2,
                      logger=TensorBoardLogger(root, name="logs"), callbacks=monitors, enable_progress_bar=False,
                      enable_model_summary=False, enable_checkpointing=False)
    trainer.fit(task, data)
    fitted = {name: float(value) for name, value in trainer.callback_metrics.items()}
    trainer.test(task, data)
    tested = {name: float(value) for name, value in trainer.callback_metrics.items()}
    (root / f"rank{trainer.global_rank}.json").write_text(json.dumps(fitted | tested))
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("distributed")


@pytest.fixture(scope="module")
def two(root: Path) -> list[dict[str, float]]:
    return run(SCRIPT, root / "two", devices=2)


@pytest.fixture(scope="module")
def one(root: Path) -> dict[str, float]:
    return run(SCRIPT, root / "one", devices=1)[0]


def chosen(figures: dict[str, float], *prefixes: str) -> dict[str, float]:
    return {name: value for name, value in figures.items() if name.startswith(prefixes)}


def test_figures_of_codes_are_those_of_all_examples(two: list[dict[str, float]], one: dict[str, float]) -> None:
    expected = chosen(one, "rate/", "reconstruction/", "macs/", "memory/", "parameters/", "lookups/")
    assert {"rate/entropy_bits", "rate/file_bits_per_sample", "reconstruction/psnr", "macs/32bit"} <= expected.keys()
    for figures in two:
        assert chosen(figures, "rate/", "reconstruction/", "macs/", "memory/", "parameters/", "lookups/") == (
            pytest.approx(expected, rel=1e-6)
        )


def test_speed_counts_the_examples_of_all(two: list[dict[str, float]]) -> None:
    first, second = (chosen(figures, "speed/") for figures in two)
    assert first == second
    assert 0 < first["speed/data_wait"] < 1
    # 20 examples a rank, in both epochs; the mean of two ranks' speeds is no less than that of the mean of their times
    assert first["speed/examples_per_second"] * first["speed/epoch_seconds"] >= 40 - 1e-3


def test_attacks_are_logged(two: list[dict[str, float]], one: dict[str, float]) -> None:
    assert all(chosen(figures, "attack/").keys() == chosen(one, "attack/").keys() for figures in two)
    assert "attack/acc_step2" in one


def test_monitors_of_classifiers_show_what_all_ranks_saw(two: list[dict[str, float]], root: Path) -> None:
    (folder,) = (root / "two" / "logs").iterdir()
    logged = EventAccumulator(str(folder)).Reload()
    assert {"confusion/val", "confusion/test", "mistakes/test/0"} <= set(logged.Tags()["images"])
    (table,) = (event.tensor_proto.string_val[0] for event in logged.Tensors("confusion/test/mistakes/text_summary"))
    wrong = sum(int(row.split("|")[3]) for row in table.decode().splitlines()[2:])
    assert wrong == round((1 - two[0]["test_acc"]) * 11)


def test_drift_is_the_same_on_all_ranks(two: list[dict[str, float]]) -> None:
    first, second = (chosen(figures, "drift/") for figures in two)
    assert first == second
    assert first.keys() == {f"drift/{name}/{figure}" for name in ("same", "rough") for figure in ("accuracy", "excess")}


def test_the_run_is_written_once(two: list[dict[str, float]], root: Path) -> None:
    (folder,) = (root / "two" / "logs").iterdir()
    environment: dict[str, Any] = json.loads((folder / "environment.json").read_text())
    assert (environment["state"], environment["devices"], environment["seed"]) == ("finished", "2 x CPU", 0)
    assert len(list(folder.rglob("environment.json"))) == 1
