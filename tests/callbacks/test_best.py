"""Which epochs are kept."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringDataModule, BoringModel

from lossy_lightning.callbacks import BestCheckpoint, TestedWeights


class Scripted(BoringModel):
    """A foreign module whose validation takes given values."""

    def __init__(self, **figures):
        super().__init__()
        self.figures = figures

    def validation_step(self, batch, batch_idx):
        for name, values in self.figures.items():
            self.log(name, values[self.current_epoch])


def trainer(folder, epochs, **arguments):
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary"), False)
    limits = {"limit_train_batches": 2, "limit_val_batches": 2, "limit_test_batches": 2}
    callbacks = [BestCheckpoint(folder), TestedWeights()]
    return Trainer(max_epochs=epochs, accelerator="cpu", callbacks=callbacks, **(quiet | limits | arguments))


def fit(folder, epochs=3, ckpt_path=None, arguments=None, **figures):
    run = trainer(folder, epochs, **arguments or {})
    run.fit(Scripted(**figures), datamodule=BoringDataModule(), ckpt_path=ckpt_path)
    return run


def epoch(path):
    return torch.load(path, weights_only=True)["epoch"]


@pytest.mark.parametrize(
    ("figures", "best"),
    [
        ({"val_acc": [0.2, 0.9, 0.9], "val_loss": [3.0, 2.0, 1.0]}, 1),
        ({"val_acc": [0.9, 0.2, 0.3]}, 0),
        ({"val_loss": [3.0, 1.0, 2.0]}, 1),
        ({"val_loss": [float("nan"), 2.0, 3.0]}, 1),
        ({"other": [3.0, 1.0, 2.0]}, 2),
        ({}, 2),
    ],
)
def test_the_best_epoch_is_kept(tmp_path, figures, best):
    run = fit(tmp_path, **figures)
    assert epoch(run.checkpoint_callback.best_model_path) == best
    (tested,) = run.test(datamodule=BoringDataModule(), ckpt_path="best", verbose=False)
    assert tested["tested_epoch"] == best
    assert Path(run.checkpoint_callback.best_model_path).name in {path.name for path in tmp_path.iterdir()}
    if "val_acc" in figures or "val_loss" in figures:
        assert epoch(tmp_path / "last.ckpt") == 2
    assert len([*tmp_path.iterdir()]) == 1 + (tmp_path / "last.ckpt").exists()


def test_validation_within_an_epoch_and_between_epochs(tmp_path):
    run = fit(tmp_path / "rare", 4, arguments={"check_val_every_n_epoch": 2}, val_acc=[0, 0.9, 0, 0.1])
    assert epoch(run.checkpoint_callback.best_model_path) == 1
    assert epoch(tmp_path / "rare" / "last.ckpt") == 3
    run = fit(tmp_path / "often", 2, arguments={"val_check_interval": 1}, val_acc=[0.9, 0.1])
    assert epoch(run.checkpoint_callback.best_model_path) == 0


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_a_fit_that_goes_on_goes_on_comparing(tmp_path):
    figures = {"val_acc": [0.5, 0.8, 0.7, 0.6]}
    fit(tmp_path / "first", 2, **figures)
    run = fit(tmp_path / "second", 4, ckpt_path=tmp_path / "first" / "last.ckpt", **figures)
    assert run.checkpoint_callback.best_model_path == str(tmp_path / "first" / "epoch=1-step=4.ckpt")
    assert epoch(tmp_path / "second" / "last.ckpt") == 3
    Path(run.checkpoint_callback.best_model_path).unlink()
    run = fit(tmp_path / "third", 4, ckpt_path=tmp_path / "first" / "last.ckpt", **figures)
    assert epoch(run.checkpoint_callback.best_model_path) == 2


def test_a_fast_run_keeps_nothing(tmp_path):
    fit(tmp_path, arguments={"fast_dev_run": True}, val_acc=[0.5])
    assert not [*tmp_path.iterdir()]
