"""Datamodules made from checkpoints."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from PIL import Image
from torch import nn

from lossy_lightning.augmentation import BitFlip
from lossy_lightning.codecs import JPEG, PCM, VQ, Decoded, Spectrogram, TransformCodec
from lossy_lightning.core import Codec
from lossy_lightning.data import BadFiles, Digits, ImageFolder
from lossy_lightning.data._remaking import described, remade
from lossy_lightning.nn import MLP, Bits
from lossy_lightning.tasks import ClassificationTask


def fit(folder, data):
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary"), False)
    limits = {"limit_train_batches": 1, "limit_val_batches": 1}
    trainer = Trainer(accelerator="cpu", max_epochs=1, default_root_dir=folder, **quiet, **limits)
    trainer.fit(ClassificationTask(data.spec, data.num_classes, Bits, MLP), data)
    return trainer.checkpoint_callback.best_model_path


def no_fit(self, signals):
    pytest.fail("the codec is fitted again")


@pytest.fixture
def checkpoint(tmp_path):
    data = Digits(VQ((2, 2), 8), cache_dir=tmp_path / "a", batch_size=100, val_fraction=0.2, seed=3)
    return fit(tmp_path, data), data


def test_it_has_the_arguments_and_the_fitted_codec(checkpoint, tmp_path, monkeypatch):
    path, old = checkpoint
    monkeypatch.setattr(VQ, "fit", no_fit)
    data = Digits.load_from_checkpoint(path, cache_dir=tmp_path / "b")
    assert (data.batch_size, data.val_fraction, data.seed, data.cache_dir) == (100, 0.2, 3, tmp_path / "b")
    assert data.codecs.fingerprint() == old.codecs.fingerprint()
    task = ClassificationTask.load_from_checkpoint(path, stem=Bits, backbone=MLP)
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary"), False)
    Trainer(accelerator="cpu", **quiet).test(task, data, verbose=False)


def test_it_may_be_made_in_another_process(checkpoint):
    path, old = checkpoint
    code = f"from lossy_lightning.data import Digits; print(Digits.load_from_checkpoint({path!r}).codecs.fingerprint())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == old.codecs.fingerprint()


def test_views_with_arguments_of_their_own(tmp_path):
    for split, name in (("train", "a"), ("train", "b"), ("test", "a"), ("test", "b")):
        folder = tmp_path / "images" / split / name
        folder.mkdir(parents=True)
        for i in range(10):
            Image.new("RGB", (16, 16), (20 * i, 0, 0)).save(folder / f"{i}.png")
    old = ImageFolder(
        JPEG(30),
        tmp_path / "images",
        (16, 16),
        cache_dir=tmp_path / "cache",
        train_codecs={1: JPEG(90)},
        num_workers=1,
        bad_files=BadFiles.SKIP,
    )
    data = ImageFolder.load_from_checkpoint(fit(tmp_path, old))
    assert (data.size, data.root, data.num_workers) == ((16, 16), tmp_path / "images", 1)
    assert data.codecs.fingerprint() == old.codecs.fingerprint()


def test_what_a_checkpoint_cannot_hold_must_be_given(tmp_path):
    path = fit(tmp_path, Digits(VQ((2, 2), 8), cache_dir=tmp_path / "a", augmentation=BitFlip(0.1, bit_width=3)))
    with pytest.raises(ValueError, match="cannot hold the arguments augmentation of this datamodule; give"):
        Digits.load_from_checkpoint(path)
    assert Digits.load_from_checkpoint(path, augmentation=None).augmentation is None


def test_changes_of_codec_or_class_are_refused(checkpoint, tmp_path):
    path, _ = checkpoint
    with pytest.raises(MisconfigurationException, match=r"trained on codes of codec = VQ\(.*levels=8.*levels=4"):
        Digits.load_from_checkpoint(path, codec=VQ((2, 2), 4))
    with pytest.raises(ValueError, match="is a checkpoint of Digits, not of ImageFolder: load it with the class that"):
        ImageFolder.load_from_checkpoint(path, root=tmp_path)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_files_that_are_no_checkpoint(tmp_path, content):
    path = tmp_path / "a.ckpt"
    if content is None:
        torch.save({"state_dict": {}}, path)
        message = "is a checkpoint of no EncodedDataModule, not of Digits"
    else:
        path.write_bytes(content)
        message = "is no checkpoint, or does not load weights-only"
    with pytest.raises(ValueError, match=message):
        Digits.load_from_checkpoint(path)
    with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
        Digits.load_from_checkpoint(tmp_path / "none.ckpt")


@pytest.mark.parametrize(
    "codec",
    [
        PCM(16), JPEG(30), Decoded(VQ((4, 4), 8), JPEG(20)), TransformCodec(Spectrogram(64, 32), VQ((2, 2), 4)),
    ],
    ids=repr,
)  # fmt: skip
def test_codecs_are_described_by_their_arguments(codec, tmp_path):
    torch.save(described({"codec": codec}), tmp_path / "a.pt")
    made = remade(torch.load(tmp_path / "a.pt", weights_only=True), {})["codec"]
    assert made.fingerprint() == codec.fingerprint()


def test_values_are_what_they_were(tmp_path):
    values = {
        "bad": BadFiles.SKIP,
        "n": np.float64(2),
        "a": None,
        "b": (1, [2.5, "x"]),
        "c": {3: True},
        "d": torch.arange(3),
        "path": Path("a/b"),
    }
    torch.save(described(values | {"left": nn.Identity(), "right": lambda x: x}), tmp_path / "a.pt")
    state = torch.load(tmp_path / "a.pt", weights_only=True)
    made = remade(state, {"left": 1, "right": 2})
    assert torch.equal(made.pop("d"), torch.arange(3))
    assert made.pop("bad") is BadFiles.SKIP
    assert type(made.pop("n")) is float
    assert made == {"a": None, "b": (1, [2.5, "x"]), "c": {3: True}, "path": "a/b", "left": 1, "right": 2}


@pytest.mark.parametrize(("module", "name"), [("subprocess", "Popen"), ("never.imported", "VQ"), ("torch", "load")])
def test_a_file_names_codecs_only(module, name):
    state = {"kept": {"codec": {"module": module, "class": name, "arguments": {}}}, "left_out": []}
    with pytest.raises(ValueError, match=rf"the checkpoint names the codec {module}.{name}, which is not imported"):
        remade(state, {})
    assert not issubclass(subprocess.Popen, Codec)
