"""What a run is made of, as loggers show it."""

from functools import partial

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from lossy_lightning.augmentation import BitFlip
from lossy_lightning.callbacks import RunSettings
from lossy_lightning.callbacks._settings import settings
from lossy_lightning.codecs import JPEG, PCM, VQ, Decoded, Spectrogram, TransformCodec
from lossy_lightning.data import Digits
from lossy_lightning.nn import MLP, Bits
from lossy_lightning.tasks import ClassificationTask


def make_trainer(*loggers, **arguments):
    quiet = dict.fromkeys(("enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    limits = {"limit_train_batches": 2, "limit_val_batches": 1, "limit_test_batches": 1, "max_epochs": 1}
    return Trainer(accelerator="cpu", callbacks=[RunSettings()], logger=loggers, **quiet, **(limits | arguments))


def make_task(data):
    return ClassificationTask(data.spec, 10, Bits, partial(MLP, hidden_features=(4,)), logit_scale=3.0)


def shown(folder):
    """Hyperparameters, figures and scalars in TensorBoard."""
    events = EventAccumulator(str(folder))
    events.Reload()
    plugin = events.PluginTagToContent("hparams")
    start = HParamsPluginData.FromString(plugin["_hparams_/session_start_info"]).session_start_info.hparams
    infos = HParamsPluginData.FromString(plugin["_hparams_/experiment"]).experiment.metric_infos
    values = {name: value.string_value or value.number_value for name, value in start.items()}
    return values, [info.name.tag for info in infos], events.Tags()["scalars"]


def test_tensorboard_shows_parts_and_figures(tmp_path, cache_dir, monkeypatch):
    monkeypatch.setenv("PL_GLOBAL_SEED", "7")
    data = Digits(PCM(), cache_dir=cache_dir, augmentation=BitFlip(0.1, 8), test_codecs=PCM())
    task, trainer = make_task(data), make_trainer(TensorBoardLogger(tmp_path), max_epochs=2)
    trainer.fit(task, data)
    trainer.test(task, data, verbose=False)
    values, figures, scalars = shown(trainer.logger.log_dir)
    assert values == {
        "backbone": "MLP",
        "codec": "PCM; test_codecs=PCM",
        "data": "Digits",
        "seed": 7,
        "stem": "Bits",
        "task": "ClassificationTask(num_classes=10, logit_scale=3.0)",
        "training": "2 epochs, batches of 64, augmented by BitFlip, 32-true",
    }
    assert figures[:2] == ["test_acc", "val_acc"]
    assert {"test_acc", "val_acc"} <= set(scalars)
    assert "hp_metric" not in scalars
    written = (tmp_path / "lightning_logs" / "version_0" / "hparams.yaml").read_text()
    assert "task: ClassificationTask" in written


def test_other_loggers_and_foreign_modules(tmp_path):
    trainer = make_trainer(CSVLogger(tmp_path))
    trainer.fit(BoringModel())
    written = (tmp_path / "lightning_logs" / "version_0" / "hparams.yaml").read_text()
    assert "task: BoringModel" in written
    assert "codec: ''" in written


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        (JPEG(quality=50), "JPEG(quality=50)"),
        (Decoded(JPEG(90)), "Decoded(codec=JPEG(quality=90))"),
        (TransformCodec(Spectrogram(), VQ((2, 2), 16)), "TransformCodec(quantizer=VQ(block=[2, 2], levels=16))"),
    ],
)
def test_codecs_without_what_is_their_default(codec, text):
    class Data:
        batch_size = None

    Data.codec = codec
    trainer = make_trainer(max_epochs=-1, max_steps=5)
    trainer.datamodule = Data()
    told = settings(trainer, BoringModel())
    assert told["codec"] == text
    assert told["training"] == "5 steps, 32-true"
