"""Checkpoints know what they were trained on: each way to load one, and each mistake."""

from functools import partial
from importlib.metadata import version
from itertools import product

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from PIL import Image
from torch.utils.data import TensorDataset

from lossy_lightning.codecs import JPEG, PCM, VQ
from lossy_lightning.core import CodeSpec
from lossy_lightning.data import CIFAR10, MNIST, Digits, EncodedDataModule, FashionMNIST, ImageFolder
from lossy_lightning.nn import MLP, Bits, FrequencyNorm, Scale
from lossy_lightning.tasks import ClassificationTask

BACKBONE = partial(MLP, hidden_features=(8,))


class Letters(EncodedDataModule):
    """Noise in three classes."""

    signal_shape = (1, 8, 8)
    num_classes = 3
    classes = ("a", "b", "c")

    def signals(self, split):
        if split == "val":
            return None
        generator = torch.Generator().manual_seed(len(split))
        images = torch.randint(0, 256, (60, *self.signal_shape), generator=generator)
        return TensorDataset(images.to(torch.uint8), torch.arange(60) % self.num_classes)


def letters(classes=("a", "b", "c"), codec=None, cls=Letters, **arguments):
    """Letters of some classes."""
    kind = type("Letters", (cls,), {"classes": classes, "num_classes": len(classes)})
    return kind(codec or PCM(), **arguments)


def make_task(data, **arguments):
    return ClassificationTask(data.spec, 3, stem=Bits, backbone=BACKBONE, **arguments)


def make_trainer(tmp_path, **arguments):
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary"), False)
    return Trainer(accelerator="cpu", max_epochs=2, default_root_dir=tmp_path, **(quiet | arguments))


def trained(tmp_path, data):
    """Path of a checkpoint, and its task."""
    task, trainer = make_task(data), make_trainer(tmp_path)
    trainer.fit(task, data)
    return trainer.checkpoint_callback.best_model_path, task


def load(path):
    return ClassificationTask.load_from_checkpoint(path, stem=Bits, backbone=BACKBONE, weights_only=True)


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Letters in a cache of their own, or that of a name."""
    monkeypatch.setenv("LOSSY_DATA", str(tmp_path))
    return lambda *classes, cache="cache", codec=None, **arguments: letters(
        classes or ("a", "b", "c"), codec, cache_dir=tmp_path / cache, **arguments
    )


def test_a_checkpoint_says_what_it_was_trained_on(tmp_path, make):
    path, task = trained(tmp_path, make(codec=VQ((2, 2), 4)))
    state = torch.load(path, weights_only=True)["Letters"]
    assert state["classes"] == ["a", "b", "c"]
    assert state["num_classes"] == 3
    assert state["spec"] == CodeSpec.uniform((1, 4, 4), 0, 3, ordinal=False)
    assert state["version"] == version("lossy_lightning")
    assert state["codecs"]["codec"]["fingerprint"].startswith("lossy_lightning.codecs.vq.VQ(block=(2, 2), levels=4")
    assert state["codecs"]["codec"]["state"]["codebook"].shape == (4, 4)
    assert load(path).origin.epoch == task.origin.epoch == 1


def by_path(tmp_path, path, data, stage):
    getattr(make_trainer(tmp_path), stage)(make_task(data), data, ckpt_path=path)


def by_load(tmp_path, path, data, stage):
    getattr(make_trainer(tmp_path), stage)(load(path), data)


ROUTES = pytest.mark.parametrize("route", [by_path, by_load], ids=["ckpt_path", "load_from_checkpoint"])
STAGES = pytest.mark.parametrize("stage", ["fit", "validate", "test", "predict"])


@ROUTES
@STAGES
@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("b", "c", "d"), "on the classes a, b, c, but Letters has b, c, d: .* use data of the same classes"),
        (("b", "c"), "on the classes a, b, c, but Letters has b, c: .* use data of the same classes"),
        (("c", "b", "a"), "on the classes a, b, c, but Letters has c, b, a: .* use data of the same order"),
    ],
)
def test_other_classes_are_refused(tmp_path, make, route, stage, classes, message):
    path, _ = trained(tmp_path, make())
    with pytest.raises(MisconfigurationException, match=message):
        route(tmp_path, path, make(*classes), stage)


@ROUTES
def test_classes_without_names_are_counted(tmp_path, make, route):
    path, _ = trained(tmp_path, make())
    data = make()
    type(data).classes = None
    route(tmp_path, path, data, "test")
    type(data).num_classes = 2
    with pytest.raises(MisconfigurationException, match="trained on 3 classes, but Letters has 2; use data of the"):
        route(tmp_path, path, data, "test")


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
@ROUTES
@STAGES
def test_the_same_data_are_read(tmp_path, make, route, stage):
    path, _ = trained(tmp_path, make(codec=VQ((2, 2), 4)))
    route(tmp_path, path, make(codec=VQ((2, 2), 4)), stage)


@ROUTES
@STAGES
@pytest.mark.parametrize("codec", [VQ((2, 2), 4, seed=1), VQ((2, 2), 3), PCM()], ids=["seed", "levels", "class"])
def test_another_codec_is_refused(tmp_path, make, route, stage, codec):
    path, _ = trained(tmp_path, make(codec=VQ((2, 2), 4)))
    with pytest.raises(MisconfigurationException, match=r"codec = VQ\(block=\(2, 2\), levels=4.*but|codes of CodeSpec"):
        route(tmp_path, path, make(codec=codec), stage)


def fitted(seed):
    """A codec of the same arguments, fitted to other signals."""
    signals = torch.randint(0, 256, (50, 1, 8, 8), generator=torch.Generator().manual_seed(seed))
    return VQ((2, 2), 4).fit([signals.to(torch.uint8)])


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
@STAGES
def test_another_fit_of_the_codec_is_taken_over_or_refused(tmp_path, make, stage):
    path, _ = trained(tmp_path, make(codec=fitted(0)))
    data = make(codec=fitted(1), cache="other")
    by_path(tmp_path, path, data, stage)
    assert torch.equal(data.codec.codebook, fitted(0).codebook)
    with pytest.raises(MisconfigurationException, match=r"codec = .*VQ\(.*, but this datamodule has .*, fitted anew"):
        by_load(tmp_path, path, make(codec=fitted(1), cache="other"), stage)


@ROUTES
@pytest.mark.parametrize(("stem", "refused"), [(Scale, False), (FrequencyNorm, True)])
def test_other_codecs_of_test_are_read_unless_the_stem_has_the_steps_of_training(tmp_path, make, route, stem, refused):
    data, fine = make(codec=JPEG(50)), {"codec": JPEG(50)}
    task, trainer = ClassificationTask(data.spec, 3, stem=stem, backbone=BACKBONE), make_trainer(tmp_path)
    trainer.fit(task, data)
    path, (kept,) = trainer.checkpoint_callback.best_model_path, trainer.test(task, data, verbose=False)

    def loss(**codecs):
        fresh = make_trainer(tmp_path)
        other = ClassificationTask(data.spec, 3, stem=stem, backbone=BACKBONE)
        if route is by_load:
            other = ClassificationTask.load_from_checkpoint(path, stem=stem, backbone=BACKBONE)
        given = {} if route is by_load else {"ckpt_path": path}
        return fresh.test(other, make(**codecs), verbose=False, **given)[0]["test_loss"]

    assert loss(**fine) == kept["test_loss"]
    if refused:
        with pytest.raises(MisconfigurationException, match="FrequencyNorm would misread test codes"):
            loss(**fine, test_codecs=JPEG(10))
    else:
        assert loss(**fine, test_codecs=JPEG(10)) != kept["test_loss"]
        assert loss(codec=JPEG(10), train_codecs=JPEG(50)) == loss(**fine, test_codecs=JPEG(10))
    with pytest.raises(MisconfigurationException, match="test_codecs for test examples that go through another"):
        loss(codec=JPEG(10))


def test_another_datamodule_takes_the_codec_over(tmp_path, make):
    path, _ = trained(tmp_path, make(codec=fitted(0)))
    data = make(codec=VQ((2, 2), 4), cache="other")
    other = type("Others", (type(data),), {})(VQ((2, 2), 4), cache_dir=tmp_path / "other")
    make_trainer(tmp_path).test(make_task(other), other, ckpt_path=path)
    assert torch.equal(other.codec.codebook, fitted(0).codebook)


@ROUTES
def test_another_sample_rate_is_refused(tmp_path, make, route):
    data = make()
    data.sample_rate = 8000
    path, _ = trained(tmp_path, data)
    other = make()
    other.sample_rate = 16_000
    with pytest.raises(MisconfigurationException, match="sounds of 8000 Hz, but Letters has sounds of 16000 Hz; set"):
        route(tmp_path, path, other, "test")


def test_other_classes_after_a_fit_are_refused_too(tmp_path, make):
    _, task = trained(tmp_path, make())
    with pytest.raises(MisconfigurationException, match="on the classes a, b, c, but Letters has c, b, a"):
        make_trainer(tmp_path).test(task, make("c", "b", "a"))


def test_a_checkpoint_of_an_earlier_version_is_refused(tmp_path, make):
    path, _ = trained(tmp_path, make())
    content = torch.load(path, weights_only=True)
    content["Letters"] = content["Letters"]["codecs"]
    torch.save(content, path)
    with pytest.raises(MisconfigurationException, match="made by an earlier version of lossy_lightning"):
        make(codec=PCM()).load_state_dict(content["Letters"])


def test_data_sets_name_their_classes():
    assert Digits(PCM()).classes == MNIST(PCM()).classes == tuple("0123456789")
    assert len(set(FashionMNIST(PCM()).classes)) == len(set(CIFAR10(PCM()).classes)) == 10


def folder(root, *classes):
    """Images of some classes, which all have both splits."""
    for split, name in product(("train", "test"), classes):
        (root / split / name).mkdir(parents=True)
        for i in range(10):
            Image.new("RGB", (8, 8), (20 * i, ord(name), 0)).save(root / split / name / f"{i}.png")
    return ImageFolder(PCM(), root, (8, 8), cache_dir=root / "cache")


@ROUTES
def test_a_folder_that_lacks_a_class_is_refused(tmp_path, route):
    path, _ = trained(tmp_path, folder(tmp_path / "train", "a", "b", "c"))
    with pytest.raises(MisconfigurationException, match="on the classes a, b, c, but ImageFolder has b, c"):
        route(tmp_path, path, folder(tmp_path / "other", "b", "c"), "test")
    route(tmp_path, path, folder(tmp_path / "moved", "a", "b", "c"), "test")
