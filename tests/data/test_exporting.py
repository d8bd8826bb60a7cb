"""Exported codes against those that a data module serves."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file

from lossy_lightning.cli import main
from lossy_lightning.codecs import JPEG, VQ
from lossy_lightning.data import CodedFolder, Digits, ShardedCodes, export_codes


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Twelve photos of three sizes in two classes."""
    root = tmp_path_factory.mktemp("photos")
    pixels = np.random.default_rng(0).integers(0, 255, (32, 48, 3), dtype=np.uint8)
    for i in range(12):
        path = root / "ab"[i % 2] / f"{i:02}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels[: 16 + 8 * (i % 3)]).save(path)
    return root


def read(path):
    if path.suffix == ".safetensors":
        return load_file(path)
    with np.load(path) as arrays:
        return dict(arrays)


def digits(folder, **arguments):
    return Digits(VQ((2, 2), 16), cache_dir=folder, **arguments)


@pytest.mark.parametrize("file_format", ["safetensors", "numpy"])
def test_of_signals(tmp_path, file_format):
    files = export_codes(digits(tmp_path / "cache"), tmp_path / "out", file_format)
    data = digits(tmp_path / "cache")
    data.setup("test")
    expected = [torch.cat(parts) for parts in zip(*data.test_dataloader(), strict=True)]
    arrays = read(files[-1])
    assert arrays["codes"].dtype == np.uint8
    assert np.array_equal(arrays["codes"], expected[0])
    assert np.array_equal(arrays["targets"], expected[1])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in files)


def test_metadata_tell_what_the_codes_are(tmp_path):
    data = digits(tmp_path)
    with safe_open(export_codes(data, tmp_path / "out")[0], "np") as file:
        told = {name: json.loads(text) for name, text in file.metadata().items()}
    assert told["codec"] == data.codecs.fingerprint()
    assert told["spec"]["grid"] == [4, 4]
    assert told["spec"]["fields"][0]["high"] == [15]


def test_of_files_that_differ_in_size(photos, tmp_path):
    data = CodedFolder(JPEG(), photos, cache_dir=tmp_path)
    arrays = load_file(export_codes(data, tmp_path / "out")[-1])
    codes = [code for code, _ in (data.examples("test")[i] for i in range(len(arrays["targets"])))]
    assert np.array_equal(arrays["grid_sizes"], [code.shape[1:] for code in codes])
    assert np.array_equal(arrays["codes"], torch.cat([code.flatten() for code in codes]))


def test_codes_that_change_in_training_are_refused(tmp_path):
    with pytest.raises(MisconfigurationException, match="export without it"):
        export_codes(digits(tmp_path, transform=torch.nn.Identity()), tmp_path)


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match="one of safetensors, numpy"):
        export_codes(digits(tmp_path), tmp_path, "hdf5")


def test_the_command(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LOSSY_CACHE", str(tmp_path / "cache"))
    main(["encode", "--input", str(photos), "--codec", "JPEG", "--output", str(tmp_path / "out"), "--format", "numpy"])
    printed = capsys.readouterr().out.split()
    assert printed == [str(tmp_path / "out" / f"{split}.npz") for split in ("train", "val", "test")]
    assert sum(len(read(Path(path))["targets"]) for path in printed) == 12


def test_the_command_writes_shards(tmp_path, capsys):
    pytest.importorskip("litdata")
    data = ["--data", "Digits", "--data.codec", "PCM", "--data.cache_dir", str(tmp_path / "cache")]
    main(["encode", *data, "--output", str(tmp_path / "out"), "--format", "shards", "--workers", "0"])
    printed = capsys.readouterr().out.split()
    assert printed == [str(tmp_path / "out" / name) for name in ("codes.json", *_chunks("train", "val", "test"))]
    assert len(ShardedCodes(tmp_path / "out").index.splits["test"]) == 359


def _chunks(*splits):
    return [f"{split}/chunk-0-0.bin" for split in splits]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "encode takes --input FOLDER and --codec CODEC, or --data DATA_MODULE"),
        (["--codec", "JPEG"], "encode takes --input FOLDER and --codec CODEC"),
        (["--codec", "JPEG", "--input", "none"], "--input is none, but there is no such folder"),
        (["--codec", "JPEG", "--input", "."], "holds no file of an image or a sound"),
        (["--codec", "JPEG", "--input", ".", "--format", "hdf5"], "format is 'hdf5'"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["encode", "--output", "out", *arguments])
    assert told in str(end.value)
