"""Folders of MP3 files, read straight to codes."""

import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lossy_lightning.codecs import MP3, PCM
from lossy_lightning.data import AudioFolder, BadFiles, CodedFolder


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


@pytest.mark.parametrize("crop", [False, True])
def test_lenient_reading_leaves_bad_frames_out(folder, crop):
    root, codec = folder
    files = sorted((root / "test").glob("*/*.mp3"))
    codes, grids = zip(*((codec.read(path.read_bytes())[0], path.stat().st_size) for path in files), strict=True)
    cut, junk, hole, _ = (bytearray(path.read_bytes()) for path in files)
    hole[len(hole) // 2 : len(hole) // 2 + 40] = bytes(range(200, 240))  # in a frame's data, or over a header
    for path, data in zip(files, (cut[: grids[0] - 100], b"junk" * 50 + junk, hole), strict=False):
        path.write_bytes(data)
    length = 4 * codec.pitch[0] if crop else None
    data = CodedFolder(codec, root, crop=length, batch_size=4, bad_files=BadFiles.LENIENT)
    with pytest.warns(UserWarning, match="mended by lenient reading"):
        ((found, targets, *grid_size),) = data.test_dataloader()
    assert len(targets) == 4
    if crop:
        return
    (sizes,) = grid_size
    whole = [code[:, :size] for code, (size,) in zip(found, sizes.tolist(), strict=True)]
    kept = whole[0].shape[1]
    assert codes[0].shape[1] - 2 * codec.pitch[0] // 576 <= kept < codes[0].shape[1]
    assert torch.equal(whole[0], codes[0][:, :kept])
    assert torch.equal(whole[1], codes[1])
    assert torch.equal(whole[2][:, :8], codes[2][:, :8])
    assert not torch.equal(whole[2], codes[2])
    assert torch.equal(whole[3], codes[3])


def test_whole_clips_are_padded(folder):
    root, codec = folder
    codes, _, grid_size = batch_of(CodedFolder(codec, root, batch_size=4), "test")
    for code, size, (whole, _) in zip(codes, grid_size, wholes(root, codec, "test"), strict=True):
        assert size.tolist() == [whole.shape[1]]
        assert torch.equal(code[:, : whole.shape[1]], whole)


@pytest.fixture
def classes(tmp_path):
    """Two classes of 10 clips each, of which the first letter names the speaker."""
    for name, i in product(("no", "yes"), range(10)):
        path = tmp_path / "words" / name / f"{'abcde'[i // 2]}{i}.mp3"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.random.default_rng(i).standard_normal(4000) / 8, 16_000)
    return tmp_path / "words"


def speaker(path):
    return path.name[0]


def speakers(data):
    return [{Path(path).name[0] for path, _ in data.good_files(split) or ()} for split in ("train", "val", "test")]


@pytest.mark.parametrize("arguments", [{}, {"test_groups": ["b", "d"]}, {"test_fold": 1}])
def test_groups_stay_on_the_side_that_they_have_in_a_folder_of_sounds(classes, arguments):
    data = CodedFolder(MP3(32, 16_000), classes, group=speaker, batch_size=4, **arguments)
    sides = speakers(data)
    assert sum(map(len, sides)) == len(set.union(*sides)) == 5
    assert all(sides)
    assert sides == speakers(AudioFolder(PCM(16), classes, 16_000, group=speaker, **arguments))
    assert data.classes == ("no", "yes")
    _, targets, _ = batch_of(data, "train")
    assert set(targets.tolist()) <= {0, 1}


def test_groups_of_folders_of_splits_stay_together(classes, tmp_path):
    root = tmp_path / "splits"
    for split in ("train", "test"):
        shutil.copytree(classes, root / split)
    with pytest.raises(ValueError, match=r"5 groups are on several sides of the folders of .*: a, b, c, d, e; move"):
        CodedFolder(MP3(32, 16_000), root, group=speaker).good_files("train")
    for path in (root / "test").glob("*/*"):
        path.rename(path.with_name(f"z{path.name}"))
    train, val, test = speakers(CodedFolder(MP3(32, 16_000), root, group=speaker))
    assert (len(train), len(val), test) == (4, 1, {"z"})
    for arguments in ({"test_fold": 0}, {"test_groups": ["a"]}):
        with pytest.raises(MisconfigurationException, match="split the files; leave test_groups and test_fold out"):
            CodedFolder(MP3(32, 16_000), root, group=speaker, **arguments)


def test_folds_and_groups_for_test_are_checked(classes):
    for arguments in ({"test_fold": 5}, {"test_fold": 0, "test_groups": ["a"]}):
        with pytest.raises(ValueError, match="test_fold is 0 to 4, without test_groups; got test_fold="):
            CodedFolder(MP3(32, 16_000), classes, **arguments)
    with pytest.raises(ValueError, match="none of the 5 groups is in fold 3; take another, or more groups"):
        CodedFolder(MP3(32, 16_000), classes, group=speaker, test_fold=3).good_files("train")


def test_crops_are_told_in_samples(folder):
    root, codec = folder
    with pytest.raises(ValueError, match=f"crop must be a multiple of {codec.pitch[0]} samples; got 600"):
        CodedFolder(codec, root, crop=600)
