"""What `ComplexityMonitor` logs of making the code."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.utils.data import Dataset

from lossy_lightning.callbacks import ComplexityMonitor
from lossy_lightning.codecs import PCM, VQ
from lossy_lightning.core import Codec
from lossy_lightning.data import EncodedDataModule
from lossy_lightning.nn import OneHot, Scale
from lossy_lightning.profiling import EnergyTable, count_encoding_macs
from lossy_lightning.tasks import ClassificationTask

IMAGES = torch.randint(0, 256, (6, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
KMEANS = 4 * 4 * 16  # blocks, words, pixels of a block


class Images(EncodedDataModule):
    signal_shape, num_classes = (1, 8, 8), 2

    def signals(self, split: str) -> Dataset[Any] | None:
        return None if split == "val" else [(image, i % 2) for i, image in enumerate(IMAGES)]


class Broken(PCM):
    learned = True

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        raise RuntimeError("its model is gone")


def linear(shape: tuple[int, ...], classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], classes, bias=False))


def measured(codec: Codec, folder: Path, monitor: ComplexityMonitor) -> dict[str, float]:
    data = Images(codec, folder)
    stem = OneHot if isinstance(codec, VQ) else Scale
    task = ClassificationTask(data.spec, 2, stem=stem, backbone=linear)
    trainer = Trainer(
        callbacks=[monitor], logger=False, accelerator="cpu", enable_progress_bar=False, enable_checkpointing=False
    )
    trainer.test(task, data, verbose=False)
    return {name: value.item() for name, value in trainer.callback_metrics.items()}


def of_the_codec(figures: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if name.startswith(("macs/encoding", "macs/sensor"))}


def test_a_learned_code_costs_what_its_encoder_multiplies(tmp_path: Path) -> None:
    logged = measured(VQ((4, 4), levels=4), tmp_path, ComplexityMonitor())
    network = logged["macs/32bit"]
    assert of_the_codec(logged) == {
        "macs/encoding/32bit": KMEANS,
        "macs/sensor_to_label/1bit": 0,
        "macs/sensor_to_label/32bit": KMEANS + network,
    }


def test_encoding_is_counted_before_the_first_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    happened = []

    class Watching(ComplexityMonitor):
        def on_train_batch_start(self, *args: Any) -> None:
            happened.append("batch")
            super().on_train_batch_start(*args)

    def counted(*args: Any) -> Counter[int]:
        happened.append("counted")
        return count_encoding_macs(*args)

    monkeypatch.setattr("lossy_lightning.callbacks.complexity.count_encoding_macs", counted)
    data = Images(VQ((4, 4), levels=4), tmp_path, batch_size=2)
    task = ClassificationTask(data.spec, 2, stem=OneHot, backbone=linear)
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_checkpointing", "enable_model_summary"), False)
    trainer = Trainer(callbacks=[Watching()], accelerator="cpu", max_epochs=1, limit_val_batches=0, **quiet)
    trainer.fit(task, data)
    assert happened == ["counted", "batch", "batch", "batch"]
    assert trainer.callback_metrics["macs/encoding/32bit"] == KMEANS


def test_other_codes_cost_nothing(tmp_path: Path) -> None:
    logged = measured(PCM(), tmp_path, ComplexityMonitor())
    assert logged["macs/encoding/32bit"] == 0
    assert logged["macs/sensor_to_label/32bit"] == logged["macs/32bit"] == 2 * 64


def test_energy_is_off_unless_a_table_is_given(tmp_path: Path) -> None:
    assert not [name for name in measured(PCM(), tmp_path, ComplexityMonitor()) if name.startswith("energy")]
    table = EnergyTable(mac={32: 1.0}, addition=0.0, byte=0.0)
    logged = measured(VQ((4, 4), levels=4), tmp_path, ComplexityMonitor(energy=table))
    assert logged["energy/estimated_picojoules"] == logged["macs/sensor_to_label/32bit"]


def test_a_codec_that_cannot_be_counted_is_named_and_left_out(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"leaves out what encoding costs: Broken\(.*its model is gone"):
        logged = measured(Broken(), tmp_path, ComplexityMonitor())
    assert logged["macs/32bit"] == 2 * 64
    assert of_the_codec(logged) == {}


def test_no_part_takes_the_name_of_these() -> None:
    with pytest.raises(ValueError, match="not as encoding or sensor_to_label"):
        ComplexityMonitor(parts=["stem.encoding"])
