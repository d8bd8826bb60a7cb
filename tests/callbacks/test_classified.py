"""Confusion matrix and worst mistakes of foreign modules and of ours, as loggers get them."""

import io
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lossy_lightning.callbacks import ConfusionMonitor, MistakeMonitor
from lossy_lightning.callbacks._matrix import matrix_picture
from lossy_lightning.codecs import PCM
from lossy_lightning.data import EncodedDataModule
from tests.callbacks.foreign import Foreign

TARGETS = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
LOGITS = torch.tensor(
    [[4.0, 0, 0], [0, 4, 0], [0, 0, 4], [0, 3, 0], [0, 0, 5], [0, 0, 1], [0, 1, 0], [0, 2, 0]]
)  # wrong: 3 (loss 3.1), 4 (5.0), 6 (1.6)


class Told(Foreign):
    """Returns the logits that an input of 12 values starts with."""

    def __init__(self):
        super().__init__(nn.Linear(3, 3))

    def forward(self, x):
        first = x.flatten(1)[:, :3].float()
        return self.network(first) * 0 + first / 10

    def validation_step(self, batch, batch_idx):
        F.cross_entropy(self(batch[0]), batch[1])

    test_step = validation_step


class Images(LightningDataModule):
    """Somebody's images ``(1, 3, 4)`` of real values, without a codec."""

    classes = ("cat", "dog", "cow")

    def __init__(self):
        super().__init__()
        values = F.pad(LOGITS * 10, (0, 9)).reshape(8, 1, 3, 4)
        self.data = TensorDataset(values, TARGETS)

    def train_dataloader(self):
        return DataLoader(self.data, 3)

    val_dataloader = test_dataloader = train_dataloader


class Bytes(EncodedDataModule):
    """The same as 8-bit images of ours."""

    signal_shape = (1, 3, 4)
    num_classes = 3
    classes = ("cat", "dog", "cow")

    def signals(self, split):
        values = F.pad(LOGITS * 10, (0, 9)).reshape(8, 1, 3, 4).to(torch.uint8)
        return None if split == "val" else TensorDataset(values, TARGETS)


def trainer(folder, *monitors, logger=None, **arguments):
    return Trainer(
        accelerator="cpu", max_epochs=2, logger=logger or TensorBoardLogger(folder, name="run"),
        callbacks=list(monitors), enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
        log_every_n_steps=1, **arguments,
    )  # fmt: skip


def events(run):
    found = EventAccumulator(run.logger.log_dir, {"images": 0, "audio": 0, "tensors": 0})
    found.Reload()
    return found


def text(found, tag):
    (event,) = found.Tensors(f"{tag}/text_summary")
    return event.tensor_proto.string_val[0].decode().splitlines()[2:]


def image(found, tag):
    (event,) = found.Images(tag)
    return np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))


def test_a_foreign_test_shows_its_confusions_and_mistakes(tmp_path):
    run = trainer(tmp_path, ConfusionMonitor(), MistakeMonitor(2))
    run.test(Told(), Images())
    found = events(run)
    counts = torch.zeros(3, 3, dtype=torch.int64)
    for true, predicted in zip(TARGETS, LOGITS.argmax(1), strict=True):
        counts[true, predicted] += 1
    want = matrix_picture(counts, Images.classes, "test: 5 of 8 right")
    assert np.array_equal(image(found, "confusion/test"), want.permute(1, 2, 0))
    assert text(found, "confusion/test/mistakes") == ["| cat | dog | 2 |", "| dog | cow | 1 |"]
    assert [line.split(" | ")[1:4] for line in text(found, "mistakes/test")] == [
        ["example 4", "dog", "cow"], ["example 3", "cat", "dog"],
    ]  # fmt: skip
    loss = F.cross_entropy(LOGITS[4:5], TARGETS[4:5]).item()
    assert f"| {loss:.3f} |" in text(found, "mistakes/test")[0]
    picture = image(found, "mistakes/test/0")[-3 * 44 :: 44, ::44, 0]
    assert picture.tolist() == [[0, 0, 255, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert set(found.Tags()["images"]) == {"confusion/test", "mistakes/test/0", "mistakes/test/1"}


def test_of_a_fit_the_last_validation_is_shown_and_no_sanity_check(tmp_path):
    run = trainer(tmp_path, ConfusionMonitor(), MistakeMonitor(1), num_sanity_val_steps=2)
    run.fit(Told(), Images())
    found = events(run)
    assert found.Tags()["images"] == ["confusion/val", "mistakes/val/0"]
    assert [event.step for event in found.Images("confusion/val")] == [6]
    assert text(found, "confusion/val/mistakes") == ["| cat | dog | 2 |", "| dog | cow | 1 |"]


def test_codes_of_ours_are_decoded_in_every_logger(tmp_path):
    run = trainer(tmp_path, ConfusionMonitor(), MistakeMonitor(), logger=CSVLogger(tmp_path))
    data = Bytes(PCM(), tmp_path / "cache", batch_size=5)
    run.test(Told(), data)
    media = tmp_path / "lightning_logs" / "version_0" / "media"
    names = sorted(path.relative_to(media).as_posix() for path in media.rglob("*.*"))
    assert names == [
        "confusion/test-0.png", "confusion/test/mistakes-0.md", "mistakes/test-0.md",
        "mistakes/test/0-0.png", "mistakes/test/1-0.png", "mistakes/test/2-0.png",
    ]  # fmt: skip
    picture = np.asarray(Image.open(media / "mistakes/test/0-0.png"))[-3 * 44 :: 44, ::44, 0]
    assert picture[0].tolist() == [0, 0, 50, 0]
    assert "| example 4 | dog | cow |" in (media / "mistakes/test-0.md").read_text()


def test_what_is_no_classifier_is_one_warning(tmp_path):
    class Silent(Foreign):
        def validation_step(self, batch, batch_idx):
            self.network(batch[0].flatten(1)[:, :8])

    data = DataLoader(TensorDataset(torch.rand(6, 8), torch.rand(6)), 3)
    for module, words in ((Foreign(), "it shows classifiers"), (Silent(), "did not call its forward")):
        run = trainer(tmp_path, ConfusionMonitor(), num_sanity_val_steps=0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run.validate(module, data, verbose=False)
        assert [str(each.message) for each in caught if "ConfusionMonitor" in str(each.message)]
        assert sum(words in str(each.message) for each in caught) == 1
        assert not events(run).Tags()["images"]


def test_many_classes_and_long_names_are_drawn():
    small = matrix_picture(torch.eye(100, dtype=torch.int64), [str(i) for i in range(100)], "test")
    assert small.shape[0] == 3
    assert max(small.shape) < 760
    named = matrix_picture(torch.eye(3, dtype=torch.int64) * 1000, ["a" * 60, "b", ""], "test: 3 of 3 right")
    assert max(named.shape) < 400


def test_no_examples():
    with pytest.raises(ValueError, match="num_examples is at least 1; got 0"):
        MistakeMonitor(0)
