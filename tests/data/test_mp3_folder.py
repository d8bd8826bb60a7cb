"""Folders of MP3 files, read straight to codes."""

import numpy as np
import pytest
import soundfile
import torch

from lossy_lightning.codecs import MP3
from lossy_lightning.data import CodedFolder


@pytest.fixture(params=[(16_000, 1), (44_100, 2)])
def folder(request, tmp_path):
    """Clips of different length, and the codec of their format."""
    rate, channels = request.param
    for i in range(4):
        for split in ("train", "test"):
            path = tmp_path / split / f"class{i % 2}" / f"{i}.mp3"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(i).standard_normal((12_000 + 1000 * i, channels)) / 8
            soundfile.write(path, noise, rate)
    return tmp_path, MP3(64, rate, channels)


def batch_of(data, split):
    data.setup("fit" if split == "train" else "test")
    return next(iter(data.train_dataloader() if split == "train" else data.test_dataloader()))


def wholes(folder, codec, split):
    """Code and shape of each file."""
    return [codec.read(path.read_bytes()) for path in sorted((folder / split).glob("*/*.mp3"))]


def test_crops_are_from_the_middle_in_test(folder):
    root, codec = folder
    (pitch,) = codec.pitch
    crop = 6 * pitch
    data = CodedFolder(codec, root, crop=crop, batch_size=4)
    codes, targets = batch_of(data, "test")
    granules = codec.spec((codec.channels, crop)).grid[0]
    assert codes.shape[2:] == (granules,)
    for code, (whole, (_, samples)) in zip(codes, wholes(root, codec, "test"), strict=True):
        start = ((samples - crop) // pitch + 1) // 2 * (pitch // 576)
        assert torch.equal(code, whole[:, start : start + granules])
    assert targets.tolist() == [0, 0, 1, 1]


def test_crops_are_anywhere_in_training_and_start_at_frames(folder, monkeypatch):
    root, codec = folder
    (pitch,) = codec.pitch
    found = {whole.shape[1]: set() for whole, _ in wholes(root, codec, "train")}
    for seed in range(12):
        monkeypatch.setenv("PL_GLOBAL_SEED", str(seed))
        data = CodedFolder(codec, root, crop=4 * pitch, batch_size=1, val_fraction=0)
        data.setup("fit")
        for code, _ in data.train_dataloader():
            length = code.shape[2]
            for whole, _ in wholes(root, codec, "train"):
                starts = range(0, whole.shape[1] - length + 1, pitch // 576)
                found[whole.shape[1]] |= {s for s in starts if torch.equal(code[0], whole[:, s : s + length])}
    for granules, starts in found.items():
        assert starts
        assert max(starts) + length <= granules
    assert len(set.union(*found.values())) > 4


def test_whole_clips_are_padded(folder):
    root, codec = folder
    codes, _, grid_size = batch_of(CodedFolder(codec, root, batch_size=4), "test")
    for code, size, (whole, _) in zip(codes, grid_size, wholes(root, codec, "test"), strict=True):
        assert size.tolist() == [whole.shape[1]]
        assert torch.equal(code[:, : whole.shape[1]], whole)
