"""Equal to the bit: trainings cold and warm, with and without workers, resumed and not, of one and two processes."""

import random
import textwrap

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import IterableDataset
from torchvision.transforms import v2

from lossy_lightning.augmentation import BitFlip, Chain, FrequencyDropout, MCUFlip
from lossy_lightning.callbacks import RandomStates
from lossy_lightning.codecs import JPEG, PCM, VQ
from lossy_lightning.core import random_state
from lossy_lightning.data import Digits, EncodedDataModule, JPEGFolder, Source
from lossy_lightning.nn import Scale
from lossy_lightning.tasks import ClassificationTask
from tests.data.test_coded_folder import picture, write
from tests.processes import run


class Restless(nn.Module):
    """A transform that draws from all global generators, as those of users do."""

    def forward(self, signal):
        low = int(3 * random.random()) + int(np.random.randint(3))
        return v2.functional.adjust_brightness(v2.RandomCrop(8, padding=1)(signal), 1 + low / 10)


class Counting(IterableDataset):
    """Codes that come in an order that the global generator draws."""

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        first, step = (info.id, info.num_workers) if info else (0, 1)
        for index in torch.randperm(40).tolist()[first::step]:
            yield torch.full((1, 8), index), index % 2


class Streamed(EncodedDataModule):
    signal_shape, num_classes = (1, 8), 2

    def codes(self, split):
        return Counting() if split == "train" else None


class Uncertain(EncodedDataModule):
    """Data that are made up from the global generators, anew at each call."""

    signal_shape, num_classes = (1, 8, 8), 2

    def signals(self, split):
        return None if split == "val" else [(torch.randint(256, (1, 8, 8)).to(torch.uint8), i % 2) for i in range(20)]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("repeatable")
    for split, count in (("train", 24), ("test", 4)):
        for i in range(count):
            write(root / "jpg" / split / "ab"[i % 2] / f"{i:02}.jpg", picture(i, 64, 80), subsampling="4:2:0")
    return root


def digits(root, **arguments):
    return Digits(PCM(), cache_dir=root / "cache", batch_size=300, **arguments)


KINDS = {
    "digits": lambda root, **arguments: digits(root, **arguments),
    "codebook": lambda root, **arguments: Digits(VQ((2, 2), 16), cache_dir=root / "cache", batch_size=300, **arguments),
    "codecs": lambda root, **arguments: digits(root, train_codecs={1: PCM(), 3: PCM()}, **arguments),
    "transform": lambda root, **arguments: Digits(
        PCM(),
        cache_dir=root / "cache",
        batch_size=40,
        val_fraction=0.9,
        transform=Restless(),
        augmentation=BitFlip(0.1, 8),
        train_codecs={1: PCM()},
        **arguments,
    ),
    "jpeg": lambda root, **arguments: JPEGFolder(
        JPEG(75, dequantize=True),
        root / "jpg",
        crop=32,
        batch_size=4,
        augmentation=Chain([MCUFlip(0.5, 0.5), FrequencyDropout(0.2)]),
        train_codecs={0: JPEG(50, dequantize=True)},
        cache_dir=root / "cache",
        **arguments,
    ),
    "stream": lambda root, **arguments: Streamed(PCM(), root, batch_size=8, val_fraction=0, **arguments),
}


def backbone(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.LazyLinear(classes))


def fit(data, folder, seed=0, ckpt_path=None, callbacks=(), **arguments):
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)
    task = ClassificationTask(data.spec, data.num_classes, Scale, backbone)
    (code, *_) = next(iter(data.train_dataloader()))
    task(torch.zeros(1, *code.shape[1:], dtype=data.spec.dtype))  # else weights are made at the first step
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary"), False)
    trainer = Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        callbacks=[RandomStates(), *callbacks],
        enable_checkpointing=bool(callbacks),
        **{"max_epochs": 3, **quiet, **arguments},
    )
    trainer.fit(task, data, ckpt_path=ckpt_path)
    return {name: value.clone() for name, value in task.state_dict().items()}


def equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def same_states(a, b):
    return (
        a["python"] == b["python"] and torch.equal(a["torch"], b["torch"]) and torch.equal(a["numpy"][1], b["numpy"][1])
    )


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")  # those that saved need not save again
@pytest.mark.parametrize("num_workers", [0, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["transform", "jpeg", "stream"])
def test_a_resumed_training_is_one_that_was_not_interrupted(root, tmp_path, monkeypatch, kind, num_workers):
    """From the end of an epoch, from its last batch, from its middle and from the validation after it."""
    make = KINDS[kind]
    saving = [
        ModelCheckpoint(tmp_path / "epochs", "{epoch}", save_top_k=-1, save_on_train_epoch_end=True),
        ModelCheckpoint(tmp_path / "steps", "{step}", save_top_k=-1, every_n_train_steps=1),
    ]
    if kind != "stream":
        saving.append(ModelCheckpoint(tmp_path / "val", "{step}", monitor="val_loss", save_top_k=-1))
    monkeypatch.setenv("PL_GLOBAL_SEED", "3")
    whole = fit(make(root, num_workers=num_workers), tmp_path, callbacks=saving)
    if kind != "stream":  # which is shared out among workers
        assert equal(whole, fit(make(root, num_workers=2 - num_workers), tmp_path, callbacks=saving[:0]))
    monkeypatch.delenv("PL_GLOBAL_SEED")
    found = sorted(tmp_path.glob("*/*.ckpt"), key=lambda path: (path.parent.name, path.stat().st_mtime_ns))
    steps = [path for path in found if path.parent.name == "steps"]
    per_epoch = len(steps) // 3
    chosen = [found[0], steps[per_epoch - 1], steps[per_epoch + 1]] + [path for path in found[-1:] if kind != "stream"]
    for path in chosen:
        assert equal(whole, fit(make(root, num_workers=num_workers), tmp_path, seed=9, ckpt_path=path)), path


def test_another_seed_is_another_training(root, tmp_path, monkeypatch):
    monkeypatch.setenv("PL_GLOBAL_SEED", "3")
    first = fit(KINDS["transform"](root), tmp_path)
    assert equal(first, fit(KINDS["transform"](root), tmp_path))
    monkeypatch.setenv("PL_GLOBAL_SEED", "4")
    assert not equal(first, fit(KINDS["transform"](root), tmp_path))


@pytest.mark.parametrize("kind", ["digits", "codebook", "codecs", "transform"])
def test_cold_and_warm_cache_are_the_same(tmp_path, monkeypatch, kind):
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)
    cold, warm = (fit(KINDS[kind](tmp_path), tmp_path, max_epochs=2) for _ in range(2))
    assert equal(cold, warm)


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("num_workers", [0, 1])
def test_data_leave_the_global_generators_alone(root, tmp_path, kind, num_workers):
    (tmp_path / "jpg").symlink_to(root / "jpg")
    for _ in range(2):  # cold and warm
        data = KINDS[kind](tmp_path, num_workers=num_workers)
        before = random_state()
        data.prepare_data()
        data.setup("fit")
        assert data.statistics.mean.isfinite().all()
        for _ in data.train_dataloader():
            assert same_states(before, random_state())
        list(data.val_dataloader())
        assert same_states(before, random_state())


def test_epochs_differ_and_come_again(root, monkeypatch):
    monkeypatch.setenv("PL_GLOBAL_SEED", "3")

    def epochs():
        loader = KINDS["jpeg"](root, num_workers=1).train_dataloader()
        return [torch.cat([code for code, _ in loader]) for _ in range(2)]

    (first, second), again = epochs(), epochs()
    assert not torch.equal(first, second)
    assert torch.equal(first, again[0])
    assert torch.equal(second, again[1])


def test_an_example_is_drawn_alike_in_any_batch(root, monkeypatch):
    monkeypatch.setenv("PL_GLOBAL_SEED", "3")
    for kind in ("transform", "jpeg"):
        parts = []
        for batch_size in (16, 11):
            data = KINDS[kind](root)
            data.batch_size = batch_size
            data.setup("fit")
            parts.append(torch.cat([code for code, _ in data.train_dataloader()]))
        assert torch.equal(*parts)


def test_data_that_are_made_up_are_the_same_each_time(tmp_path):
    data = Uncertain(PCM(), tmp_path)
    data.prepare_data()
    codes = data._dataset("test").codes.clone()
    torch.rand(7)
    assert torch.equal(codes, torch.stack([signal for signal, _ in data._examples(data.signals, "test")]))
    assert len(list(data.cache_dir.glob("*-test-*"))) == len(list(data.cache_dir.glob("*-val-*")))


class Cropped(Source):
    """Crops drawn from the global generator."""

    def __init__(self, signals):
        self.signals = signals

    def __len__(self):
        return len(self.signals)

    def __getitem__(self, index):
        signal, target = self.signals[index]
        return v2.RandomCrop(6)(signal), target


class CroppedDigits(Digits):
    signal_shape = (1, 6, 6)

    def signals(self, split):
        signals = super().signals(split)
        return signals and Cropped(signals)


def test_a_codebook_and_codes_do_not_depend_on_workers(tmp_path):
    found = []
    for num_workers in (0, 2):
        data = CroppedDigits(VQ((2, 2), 16), cache_dir=tmp_path / f"{num_workers}", num_workers=num_workers)
        data.prepare_data()
        found.append((data.codec.codebook, data._dataset("train").codes))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


SCRIPT = """
import json, sys
from pathlib import Path

import torch
from lightning.pytorch import Callback, Trainer

from lossy_lightning.callbacks import RandomStates
from lossy_lightning.codecs import JPEG
from lossy_lightning.data import JPEGFolder
from lossy_lightning.nn import Scale
from lossy_lightning.tasks import ClassificationTask
from lossy_lightning.augmentation import FrequencyDropout

class Seen(Callback):
    def __init__(self):
        self.batches = []

    def on_train_batch_start(self, trainer, module, batch, index):
        self.batches.append(sorted(int(code.long().abs().sum()) for code in batch[0]))

def backbone(shape, classes):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.2), torch.nn.Linear(384 * 4, classes))

def fit(root, devices, jpg, epochs, name, ckpt_path=None, augmentation=None):
    torch.manual_seed(0)
    data = JPEGFolder(JPEG(), jpg, crop=32, batch_size=8 // devices, cache_dir=root / "cache", val_fraction=0,
                      augmentation=augmentation)
    task = ClassificationTask(data.spec, 2, stem=Scale, backbone=backbone)
    seen = Seen()
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False)
    trainer = Trainer(accelerator="cpu", devices=devices, strategy="ddp" if devices > 1 else "auto",
                      max_epochs=epochs, num_sanity_val_steps=0, callbacks=[RandomStates(), seen], **quiet)
    trainer.fit(task, data, ckpt_path=ckpt_path)
    trainer.save_checkpoint(root / f"{name}.ckpt")
    return trainer.global_rank, seen.batches, [value.flatten().double().tolist() for value in task.parameters()]

if __name__ == "__main__":
    root, devices = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    jpg = JPG
    told = {}
    rank, told["seen"], _ = fit(root, devices, jpg, 2, "plain")
    if devices > 1:
        _, _, told["whole"] = fit(root, devices, jpg, 2, "two", augmentation=FrequencyDropout(0.5))
        fit(root, devices, jpg, 1, "one", augmentation=FrequencyDropout(0.5))
        torch.manual_seed(5)
        _, _, told["resumed"] = fit(root, devices, jpg, 2, "rest", root / "one.ckpt", FrequencyDropout(0.5))
    (root / f"rank{rank}.json").write_text(json.dumps(told))
"""


@pytest.mark.slow
def test_two_processes_see_what_one_sees_and_go_on_where_they_were(root, tmp_path, monkeypatch):
    monkeypatch.setenv("PL_GLOBAL_SEED", "3")
    script = textwrap.dedent(SCRIPT.replace("JPG", repr(str(root / "jpg"))))
    (one,) = run(script, tmp_path / "one", devices=1)
    first, second = run(script, tmp_path / "two", devices=2)
    assert [sorted(a + b) for a, b in zip(first["seen"], second["seen"], strict=True)] == one["seen"]
    assert first["whole"] == first["resumed"] == second["resumed"]
