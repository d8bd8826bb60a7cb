"""What is said of the weights that are tested."""

import logging
from functools import partial

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringDataModule, BoringModel

from lossy_lightning.callbacks import BestCheckpoint, TestedWeights
from lossy_lightning.codecs import PCM
from lossy_lightning.data import Digits
from lossy_lightning.nn import MLP, Scale
from lossy_lightning.tasks import ClassificationTask

BACKBONE = partial(MLP, hidden_features=(4,))


@pytest.fixture
def digits(cache_dir):
    return Digits(PCM(), cache_dir=cache_dir, batch_size=256)


def make_task(data):
    return ClassificationTask(data.spec, 10, Scale, BACKBONE)


def make_trainer(folder, **arguments):
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary"), False)
    limits = {"limit_train_batches": 2, "limit_val_batches": 1, "limit_test_batches": 1, "limit_predict_batches": 1}
    callbacks = [BestCheckpoint(folder), TestedWeights()]
    return Trainer(accelerator="cpu", callbacks=callbacks, **({"max_epochs": 2} | quiet | limits | arguments))


def told(caplog):
    return [record.getMessage() for record in caplog.records if " epoch " in record.getMessage()]


@pytest.fixture(autouse=True)
def _heard(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("lightning.pytorch"), "propagate", True)
    caplog.set_level(logging.INFO, "lightning.pytorch")


def test_weights_of_each_way_to_load_them(digits, tmp_path, caplog):
    task, trainer = make_task(digits), make_trainer(tmp_path)
    trainer.fit(task, digits)
    assert trainer.test(task, digits, verbose=False)[0]["tested_epoch"] == 1
    path = trainer.checkpoint_callback.best_model_path
    best = int(path.split("epoch=")[1][0])
    assert trainer.test(task, digits, ckpt_path="best", verbose=False)[0]["tested_epoch"] == best
    fresh = make_trainer(tmp_path)
    assert fresh.test(make_task(digits), digits, ckpt_path=path, verbose=False)[0]["tested_epoch"] == best
    loaded = ClassificationTask.load_from_checkpoint(path, stem=Scale, backbone=BACKBONE)
    assert make_trainer(tmp_path).test(loaded, digits, verbose=False)[0]["tested_epoch"] == best
    make_trainer(tmp_path).validate(loaded, digits, verbose=False)
    make_trainer(tmp_path).predict(loaded, digits)
    memory = "as it is in memory"
    assert told(caplog) == [
        f"tested: epoch 1, {memory}",
        f"tested: epoch {best}, the best by val_acc, {path}",
        f"tested: epoch {best}, the best by val_acc, {path}",
        f"tested: epoch {best}, {memory}",
        f"validated: epoch {best}, {memory}",
        f"used to predict: epoch {best}, {memory}",
    ]


def test_weights_that_nobody_trained(digits, tmp_path):
    task = make_task(digits)
    with pytest.warns(UserWarning, match="nothing trained ClassificationTask: it is tested as it was made, untrained"):
        (tested,) = make_trainer(tmp_path).test(task, digits, verbose=False)
    assert tested["tested_epoch"] == -1


def test_a_foreign_module(tmp_path):
    module, trainer = BoringModel(), make_trainer(tmp_path)
    with pytest.warns(UserWarning, match="nothing trained BoringModel: .* unless it loads weights by itself; give a"):
        trainer.test(module, datamodule=BoringDataModule(), verbose=False)
    trainer.fit(module, datamodule=BoringDataModule())
    assert trainer.test(module, datamodule=BoringDataModule(), verbose=False)[0]["tested_epoch"] == 1


def test_a_checkpoint_that_names_no_epoch(digits, tmp_path, caplog):
    task, trainer = make_task(digits), make_trainer(tmp_path)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(tmp_path / "untrained.ckpt")
    (tested,) = make_trainer(tmp_path).test(task, digits, ckpt_path=tmp_path / "untrained.ckpt", verbose=False)
    assert "tested_epoch" not in tested
    assert f"tested: a checkpoint that names no epoch, {tmp_path}/untrained.ckpt" in caplog.text
