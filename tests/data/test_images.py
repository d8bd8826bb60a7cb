"""The image data sets, from scikit-learn and from $LOSSY_DATA."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from lossy_lightning.codecs import PCM
from lossy_lightning.data import CIFAR10, MNIST, Digits, FashionMNIST

CIFAR10_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@pytest.fixture
def data_root():
    root = os.environ.get("LOSSY_DATA")
    if not root or not Path(root, "MNIST").is_dir() or not Path(root, "FashionMNIST").is_dir():
        pytest.skip("needs $LOSSY_DATA, the folder of MNIST/ and FashionMNIST/")
    return Path(root)


def test_digits_are_scikit_learns(tmp_path):
    data = Digits(PCM(), cache_dir=tmp_path, val_fraction=0.1)
    data.prepare_data()
    sizes = {split: len(data._dataset(split)) for split in ("train", "val", "test")}
    assert sizes == {"train": 1294, "val": 144, "test": 359}
    test = data._dataset("test")
    expected = load_digits().images[4::5] * 255 / 16
    assert np.abs(test.codes.squeeze(1).numpy() - expected).max() <= 0.5
    assert test.targets.tolist() == load_digits().target[4::5].tolist()
    assert (int(test.codes.min()), int(test.codes.max())) == (0, 255)


def test_digits_need_no_root(tmp_path, monkeypatch):
    monkeypatch.setenv("LOSSY_DATA", str(tmp_path / "not there"))
    assert len(Digits(PCM()).signals("test")) == 359


@pytest.mark.parametrize("data_class", [MNIST, FashionMNIST])
def test_the_official_splits(data_root, data_class):
    data = data_class(PCM(), root=data_root)
    train, test = data.signals("train"), data.signals("test")
    assert (len(train), len(test)) == (60_000, 10_000)
    assert train.tensors[1].bincount().tolist()[0] == {MNIST: 5923, FashionMNIST: 6000}[data_class]
    assert_is_the_raw_file(test, data_root, data_class)


@pytest.mark.parametrize("data_class", [MNIST, FashionMNIST])
def test_files_are_read_as_they_are(tiny_data, data_class):
    assert_is_the_raw_file(data_class(PCM(), root=tiny_data).signals("test"), tiny_data, data_class)


def assert_is_the_raw_file(test, root, data_class):
    raw = Path(root, data_class.__name__, "raw", "t10k-images-idx3-ubyte").read_bytes()
    assert np.array_equal(test.tensors[0].flatten().numpy(), np.frombuffer(raw, np.uint8, offset=16))
    labels = Path(root, data_class.__name__, "raw", "t10k-labels-idx1-ubyte").read_bytes()
    assert np.array_equal(test.tensors[1].numpy(), np.frombuffer(labels, np.uint8, offset=8))


def test_prepared_codes_are_the_pixels(tiny_data, tmp_path):
    data = MNIST(PCM(), root=tiny_data, cache_dir=tmp_path, val_fraction=0.05)
    data.prepare_data()
    assert [len(data._dataset(split)) for split in ("train", "val", "test")] == [570, 30, 60]
    code, target = data._dataset("test")[43]
    signal, label = data.signals("test")[43]
    assert torch.equal(code, signal)
    assert target == label


@pytest.mark.parametrize("data_class", [MNIST, FashionMNIST])
def test_missing_files_without_network_are_one_sentence(tmp_path, monkeypatch, data_class):
    def download(*args, **kwargs):
        raise RuntimeError("no network")

    monkeypatch.setattr(data_class._dataset_class, "download", download)
    name = data_class.__name__
    with pytest.raises(FileNotFoundError) as caught:
        data_class(PCM(), root=tmp_path).prepare_data()
    assert str(caught.value) == (
        f"the {name}/raw files are not in {tmp_path}, and cannot be downloaded (no network); "
        f"set root, or $LOSSY_DATA, to the folder of {name}/raw"
    )


def test_setup_does_not_download(tmp_path, monkeypatch):
    monkeypatch.setattr(MNIST._dataset_class, "download", lambda self: pytest.fail("downloads"))
    with pytest.raises(FileNotFoundError, match=r"MNIST/raw files are not in .*, and prepare_data\(\) was not called"):
        MNIST(PCM(), root=tmp_path).setup("fit")


def test_cifar10_from_class_folders(tiny_data, tmp_path):
    classes = [f"class{number}" for number in range(10)]
    for root in (tiny_data, tiny_data / "cifar10"):
        data = CIFAR10(PCM(), root=root, cache_dir=tmp_path)
        train, test = data.signals("train"), data.signals("test")
        assert (len(train), len(test)) == (200, 200)
        image, target = test[123]
        path, label = test.files[123]
        with Image.open(path) as want:
            assert np.array_equal(image.movedim(0, -1), np.asarray(want))
        assert target == label == classes.index(Path(path).parent.name)
    assert data.spec.shape == (3, 32, 32)


def test_the_official_classes_of_cifar10(data_root, tmp_path):
    if not Path(data_root, "cifar10").is_dir():
        pytest.skip("needs $LOSSY_DATA/cifar10")
    data = CIFAR10(PCM(), root=data_root, cache_dir=tmp_path)
    assert (len(data.signals("train")), len(data.signals("test"))) == (20_480, 10_000)
    assert {CIFAR10_CLASSES[label] == Path(path).parent.name for path, label in data.signals("test").files} == {True}


def test_cifar10_from_torchvisions_files(tmp_path, monkeypatch):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    rows = np.random.default_rng(0).integers(0, 256, (6, 4, 3072), dtype=np.uint8)
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    for name, images in zip(names, rows, strict=True):
        (folder / name).write_bytes(pickle.dumps({"data": images, "labels": [3, 1, 4, 1]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    data = CIFAR10(PCM(), root=tmp_path, val_fraction=0.25)
    data.prepare_data()
    assert [len(data._dataset(split)) for split in ("train", "val", "test")] == [15, 5, 4]
    test = data._dataset("test")
    assert np.array_equal(test.codes.flatten(1).numpy(), rows[5])  # red, green and blue planes, row by row
    assert test.targets.tolist() == [3, 1, 4, 1]


def test_missing_cifar10_without_network_is_one_sentence(tmp_path, monkeypatch):
    def download(*args, **kwargs):
        raise RuntimeError("no network")

    monkeypatch.setattr("torchvision.datasets.CIFAR10.download", download)
    with pytest.raises(
        FileNotFoundError, match=r"the cifar-10-batches-py files are not in .* \(no network\); set root"
    ):
        CIFAR10(PCM(), root=tmp_path).prepare_data()
