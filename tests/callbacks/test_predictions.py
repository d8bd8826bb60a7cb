"""Predictions are a table that says what was predicted of which example."""

import csv
from functools import partial

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringDataModule, BoringModel
from lightning.pytorch.loggers import CSVLogger
from PIL import Image

from lossy_lightning.callbacks import PredictionTable
from lossy_lightning.codecs import JPEG, PCM
from lossy_lightning.data import Digits, ImageFolder, JPEGFolder
from lossy_lightning.nn import MLP, Scale
from lossy_lightning.tasks import ClassificationTask

BACKBONE = partial(MLP, hidden_features=(4,))


def predict(folder, module, data, **arguments):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    trainer = Trainer(accelerator="cpu", callbacks=[PredictionTable()], default_root_dir=folder, **(quiet | arguments))
    return trainer.predict(module, datamodule=data)


def read(path):
    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    return head, rows


def photos(root):
    for split, name in (("train", "cat"), ("train", "dog"), ("test", "cat"), ("test", "dog")):
        (root / split / name).mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (16, 16), (80 * i, 90, 10)).save(root / split / name / f"{i}.jpg")
    return root


@pytest.mark.parametrize("num_workers", [0, 1])
def test_each_example_has_a_line(tmp_path, cache_dir, num_workers):
    data = Digits(PCM(), cache_dir=cache_dir, batch_size=100, num_workers=num_workers)
    task = ClassificationTask(data.spec, 10, Scale, BACKBONE)
    probabilities = torch.cat(predict(tmp_path, task, data))
    head, rows = read(tmp_path / "predictions.csv")
    assert head == ["example", "class", *"0123456789"]
    assert [row[0] for row in rows] == [f"example {i}" for i in range(359)]
    assert [int(row[1]) for row in rows] == probabilities.argmax(1).tolist()
    torch.testing.assert_close(torch.tensor([[float(x) for x in row[2:]] for row in rows]), probabilities)


@pytest.mark.parametrize("kind", ["decoded", "coded"])
def test_files_and_classes_have_their_names(tmp_path, kind):
    root = photos(tmp_path / "photos")
    if kind == "decoded":
        data = ImageFolder(PCM(), root, (16, 16), cache_dir=tmp_path / "cache", batch_size=4)
    else:
        data = JPEGFolder(JPEG(), root, crop=16, batch_size=4)
    predict(tmp_path, ClassificationTask(data.spec, 2, Scale, BACKBONE), data, logger=CSVLogger(tmp_path / "runs"))
    head, rows = read(tmp_path / "runs" / "lightning_logs" / "version_0" / "predictions.csv")
    assert head == ["example", "class", "cat", "dog"]
    assert [row[0] for row in rows] == [
        str(root / "test" / name / f"{i}.jpg") for name in ("cat", "dog") for i in range(3)
    ]
    assert {row[1] for row in rows} <= {"cat", "dog"}


def test_what_is_no_table_of_classes_is_not_written(tmp_path):
    class Text(BoringModel):
        def predict_step(self, batch, batch_idx):
            return "a text"

    predict(tmp_path, Text(), BoringDataModule())
    assert not list(tmp_path.glob("*.csv"))


def test_a_foreign_module_has_numbers_for_classes(tmp_path):
    predict(tmp_path, BoringModel(), BoringDataModule())
    head, rows = read(tmp_path / "predictions.csv")
    assert head == ["example", "class", "0", "1"]
    assert rows[0][0] == "example 0"


def test_a_prediction_that_fails_leaves_what_it_had(tmp_path):
    class Failing(BoringModel):
        def predict_step(self, batch, batch_idx):
            if batch_idx == 2:
                raise ZeroDivisionError
            return super().predict_step(batch, batch_idx)

    with pytest.raises(ZeroDivisionError):
        predict(tmp_path, Failing(), BoringDataModule())
    assert len(read(tmp_path / "predictions.csv")[1]) == 2
