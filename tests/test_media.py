"""The same pictures, sounds, texts and figures in every logger."""

import io
import json
import time
import wave

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringDataModule, BoringModel
from lightning.pytorch.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lossy_lightning.media import log_audio, log_image, log_text
from lossy_lightning.report import read_runs

IMAGE = torch.arange(3 * 4 * 5, dtype=torch.uint8).reshape(3, 4, 5)
SOUND = torch.arange(-4000, 4000, dtype=torch.int16)[None]
TEXT = "| a | b |\n|---|---|\n| 1 | 2 |"


@pytest.fixture
def loggers(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return {
        "tensorboard": TensorBoardLogger(str(tmp_path / "tensorboard")),
        "csv": CSVLogger(str(tmp_path / "csv")),
        "wandb": WandbLogger(save_dir=str(tmp_path), offline=True),
        "mlflow": MLFlowLogger(tracking_uri=f"file:{tmp_path / 'mlflow'}"),
    }


class Seen(BoringModel):
    """A foreign module that shows something."""

    def on_train_start(self):
        log_image(self.loggers, "seen/image", IMAGE, 3)
        log_audio(self.loggers, "seen/sound", SOUND, 8000, 3)
        log_text(self.loggers, "seen/text", TEXT, 3)

    def training_step(self, batch, index):
        loss = super().training_step(batch, index)["loss"]
        self.log("train_loss", loss.detach() * 0 + 0.25)
        return loss


def pixels(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::ResourceWarning")
def test_all_loggers_show_the_same(loggers, tmp_path):
    trainer = Trainer(
        max_steps=2, log_every_n_steps=1, logger=list(loggers.values()), accelerator="cpu", default_root_dir=tmp_path,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, limit_val_batches=0,
    )  # fmt: skip
    trainer.fit(Seen(), datamodule=BoringDataModule())
    for logger in loggers.values():
        logger.finalize("success")
    expected = IMAGE.permute(1, 2, 0).numpy()

    events = EventAccumulator(loggers["tensorboard"].log_dir)
    events.Reload()
    assert np.array_equal(pixels(events.Images("seen/image")[0].encoded_image_string), expected)
    assert events.Audio("seen/sound")[0].sample_rate == 8000
    assert events.Scalars("train_loss")[0].value == 0.25
    assert events.Tensors("seen/text/text_summary")[0].tensor_proto.string_val[0].decode() == TEXT

    media = tmp_path / "csv" / "lightning_logs" / "version_0" / "media" / "seen"
    assert np.array_equal(pixels((media / "image-3.png").read_bytes()), expected)
    with wave.open(str(media / "sound-3.wav")) as sound:
        assert sound.getframerate() == 8000
        assert np.array_equal(np.frombuffer(sound.readframes(8000), "<i2"), SOUND[0])
    assert (media / "text-3.md").read_text() == TEXT
    assert "0.25" in (media.parent.parent / "metrics.csv").read_text()

    artifacts = loggers["mlflow"].experiment.list_artifacts(loggers["mlflow"].run_id, "seen/image")
    assert [each.path for each in artifacts] == ["seen/image/3.png"]
    (stored,) = (tmp_path / "mlflow").rglob("3.png")
    assert np.array_equal(pixels(stored.read_bytes()), expected)
    assert loggers["mlflow"].experiment.get_run(loggers["mlflow"].run_id).data.metrics["train_loss"] == 0.25

    (run,) = (tmp_path / "wandb").glob("offline-run-*")
    (image,) = run.rglob("media/images/seen/image*.png")
    assert np.array_equal(pixels(image.read_bytes()), expected)
    assert list(run.rglob("media/audio/seen/sound*.wav"))
    assert json.loads(next(run.rglob("media/table/seen/text*.json")).read_text())["data"] == [[TEXT]]
    loggers["wandb"].experiment.finish()
    for _ in range(100):  # a process of W&B's own writes the file
        (told,) = read_runs([run])
        if told.figures:
            break
        time.sleep(0.1)
    assert told.figures["train_loss"] == 0.25
