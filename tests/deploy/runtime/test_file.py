"""Files of packed networks."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lossy_lightning.deploy.runtime import PackedNetwork
from lossy_lightning.deploy.runtime.file import read_file, write_file

TENSORS = {
    "bits": np.arange(35).reshape(5, 7) % 3 == 0,
    "places": np.arange(200, dtype=np.int32).reshape(10, 20),
    "numbers": np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3),
    "half": np.array([0.5, -2], np.float16),
    "few": np.array([3, -4], np.int8),
}


def test_what_is_written_is_read(tmp_path):
    write_file(tmp_path / "file", {"answer": 42}, TENSORS)
    told, tensors = read_file(tmp_path / "file")
    assert told == {"answer": 42}
    assert {name: tensor.dtype for name, tensor in tensors.items()} == {n: t.dtype for n, t in TENSORS.items()}
    assert all(np.array_equal(tensors[name], tensor) for name, tensor in TENSORS.items())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_it_is_a_file_of_safetensors(tmp_path):
    write_file(tmp_path / "file", {}, TENSORS)
    found = load_file(tmp_path / "file")
    assert np.array_equal(found["numbers"], TENSORS["numbers"])
    assert found["bits"].shape == (5,)  # 35 bits


@pytest.mark.parametrize("data", [b"", b"no such file", b"\x08\0\0\0\0\0\0\0notjson!", b"\xff" * 16])
def test_other_files_are_told(data, tmp_path):
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(ValueError, match="no file of a packed network"):
        PackedNetwork.load(tmp_path / "file")


def test_places_without_a_file_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*none to write network to: make it first"):
        write_file(tmp_path / "none" / "network", {}, TENSORS)
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none: name one"):
        PackedNetwork.load(tmp_path / "none")
    for use in (PackedNetwork.load, lambda path: write_file(path, {}, TENSORS)):
        with pytest.raises(IsADirectoryError, match="is a folder: name the file"):
            use(tmp_path)


def test_each_changed_byte_is_told(tmp_path):
    write_file(tmp_path / "file", {"layout": 1}, TENSORS)
    whole = (tmp_path / "file").read_bytes()
    random = np.random.default_rng(0)
    for place in range(0, len(whole), 3):
        changed = bytearray(whole)
        changed[place] ^= int(random.integers(1, 256))
        (tmp_path / "file").write_bytes(changed)
        with pytest.raises(ValueError, match=r"damaged|of a packed network"):
            read_file(tmp_path / "file")


@pytest.mark.parametrize("change", [lambda whole: whole[:-9], lambda whole: whole + b"more"])
def test_other_lengths_are_told(change, tmp_path):
    write_file(tmp_path / "file", {"layout": 1}, TENSORS)
    (tmp_path / "file").write_bytes(change((tmp_path / "file").read_bytes()))
    with pytest.raises(ValueError, match="is damaged, its checksum does not fit: copy it again"):
        read_file(tmp_path / "file")


def test_files_without_a_checksum_are_told(tmp_path):
    told = {"lossy_lightning": json.dumps({"format": "lossy_lightning packed network", "shapes": {}, "layout": 1})}
    save_file({"few": TENSORS["few"]}, tmp_path / "file", told)
    with pytest.raises(ValueError, match="or of an earlier version: write it anew"):
        read_file(tmp_path / "file")


def test_files_of_another_kind_are_told(tmp_path):
    write_file(tmp_path / "file", {"layout": 1}, TENSORS, "trained network")
    assert read_file(tmp_path / "file", "trained network")[0] == {"layout": 1}
    with pytest.raises(ValueError, match="no file of a packed network, but of a trained network"):
        PackedNetwork.load(tmp_path / "file")
    with pytest.raises(FileNotFoundError, match="name one of a trained network"):
        read_file(tmp_path / "none", "trained network")
    with pytest.raises(IsADirectoryError, match="name the file of a trained network"):
        read_file(tmp_path, "trained network")


def test_a_newer_file_is_told(tmp_path):
    write_file(tmp_path / "file", {"layout": 9, "version": "9.1"}, {})
    with pytest.raises(ValueError, match=r"written by lossy_lightning 9\.1"):
        PackedNetwork.load(tmp_path / "file")
    assert json.loads((tmp_path / "file").read_bytes()[8:])["__metadata__"]
