"""Folders of image files; the pixels are Pillow's."""

import numpy as np
import pytest
import torch
from PIL import Image

from lossy_lightning.codecs import JPEG, PCM
from lossy_lightning.data import ImageFolder
from lossy_lightning.data.folders import class_files

SIZES = [(20, 24), (17, 31), (32, 16)]


def picture(seed, height, width):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def fill(root, split, names, count, sizes):
    for name in names:
        (root / split / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(picture(i, *sizes[i % len(sizes)])).save(root / split / name / f"{i}.png")


@pytest.fixture
def mixed(tmp_path):
    fill(tmp_path / "images", "train", ["b", "a"], 6, SIZES)
    fill(tmp_path / "images", "test", ["b", "a"], 3, SIZES)
    return tmp_path / "images"


def folder(root, codec=None, **arguments):
    return ImageFolder(codec or PCM(), root, cache_dir=root.parent / "cache", batch_size=3, **arguments)


def test_whole_images_of_mixed_sizes(mixed):
    data = folder(mixed)
    assert data.spec.shape == (3, None, None)
    assert data.num_classes == 2
    seen = [
        (code[:, :height, :width], label)
        for batch, target, grid_size in data.test_dataloader()
        for code, label, (height, width) in zip(batch, target.tolist(), grid_size.tolist(), strict=True)
    ]
    assert [label for _, label in seen] == [0, 0, 0, 1, 1, 1]  # classes in alphabetical order
    for i, (code, _) in enumerate(seen):
        assert np.array_equal(code.movedim(0, -1), picture(i % 3, *SIZES[i % 3]))


def test_the_middle_of_each_image(mixed):
    data = folder(mixed, size=(16, 12))
    assert data.spec.shape == (3, 16, 12)
    code = torch.cat([code for code, _ in data.test_dataloader()])
    for i, one in enumerate(code):
        height, width = SIZES[i % 3]
        top, left = (height - 16) // 2, (width - 12) // 2
        want = picture(i % 3, height, width)[top : top + 16, left : left + 12]
        assert np.array_equal(one.movedim(0, -1), want)


def test_any_codec_sees_mixed_sizes(mixed):
    codec = JPEG(90)
    data = folder(mixed, codec)
    ((code, _, grid_size), _) = data.test_dataloader()
    assert grid_size.tolist() == [[2, 2], [2, 2], [2, 1]]
    for i, (height, width) in enumerate(grid_size.tolist()):
        image = torch.from_numpy(picture(i, *SIZES[i])).movedim(-1, 0)
        assert torch.equal(code[i, :, :height, :width], codec.encode(image))


def test_an_image_that_is_too_small_is_named(mixed):
    with pytest.raises(ValueError, match=r"6 of 18 files .*1.png: it is of size \(17, 31\), smaller than size=\("):
        folder(mixed, size=(20, 16)).prepare_data()


def test_a_file_that_is_no_image_is_named(mixed):
    (mixed / "train/a/2.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"a/2.png: it is no image that Pillow knows; repair or remove it"):
        folder(mixed).prepare_data()


def test_val_is_test_where_there_is_no_test(tmp_path):
    fill(tmp_path, "train", ["a", "b"], 10, SIZES)
    fill(tmp_path, "val", ["a", "b"], 2, SIZES)
    assert class_files(tmp_path, "val", (".png",)) is None
    assert len(class_files(tmp_path, "test", (".png",))) == 4
    data = ImageFolder(PCM(), tmp_path, size=(16, 16), cache_dir=tmp_path / "cache", val_fraction=0.2)
    data.prepare_data()
    assert [len(data._dataset(split)) for split in ("train", "val", "test")] == [16, 4, 4]


def test_whole_images_of_one_size_and_their_middles_are_not_taken_for_each_other(tmp_path):
    fill(tmp_path, "train", ["a"], 3, [(16, 16)])
    fill(tmp_path, "test", ["a"], 3, [(16, 16)])
    for size, length in ((None, 3), ((16, 16), 2), (None, 3)):
        data = ImageFolder(PCM(), tmp_path, size, cache_dir=tmp_path / "cache", val_fraction=0)
        data.prepare_data()
        assert len(next(iter(data.train_dataloader()))) == length


def test_all_three_splits_are_taken_where_they_are(tmp_path):
    for split, count in (("train", 3), ("val", 2), ("test", 1)):
        fill(tmp_path, split, ["a"], count, SIZES)
    assert [len(class_files(tmp_path, split, (".png",))) for split in ("train", "val", "test")] == [3, 2, 1]


def test_missing_folders_are_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"there is no folder .*/train; files are expected in .*/train/<class>/"
    ):
        ImageFolder(PCM(), tmp_path)
    fill(tmp_path, "train", ["a"], 1, SIZES)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*/val; files are expected in"):
        ImageFolder(PCM(), tmp_path, cache_dir=tmp_path / "cache").prepare_data()


def test_classes_that_training_does_not_have_are_an_error(mixed):
    fill(mixed, "test", ["c"], 1, SIZES)
    with pytest.raises(ValueError, match=r"classes \['c'\] of .*/test are not among those of training, \['a', "):
        folder(mixed).prepare_data()


def test_hidden_folders_are_no_classes(mixed):
    for split in ("train", "test"):
        (mixed / split / ".ipynb_checkpoints").mkdir()
        Image.fromarray(picture(0, 20, 24)).save(mixed / split / ".ipynb_checkpoints" / "0.png")
    data = folder(mixed)
    assert data.num_classes == 2
    assert [len(data.signals(split)) for split in ("train", "val", "test")] == [11, 1, 6]


def test_hidden_files_do_not_count_at_any_depth(mixed):
    before = class_files(mixed, "train", (".png",))
    for hidden in ("train/a/._0.png", "train/a/.ipynb_checkpoints/0.png", "train/b/more/.cache/deep/0.png"):
        (mixed / hidden).parent.mkdir(parents=True, exist_ok=True)
        (mixed / hidden).write_bytes((mixed / "train/a/0.png").read_bytes())
    assert class_files(mixed, "train", (".png",)) == before


def test_a_hidden_root_is_no_obstacle(mixed):
    before = class_files(mixed, "train", (".png",))
    moved = mixed.rename(mixed.with_name(".hidden"))
    assert [number for _, number in class_files(moved, "train", (".png",))] == [number for _, number in before]


def test_a_class_with_hidden_files_alone_is_named(mixed):
    for path in (mixed / "train/a").iterdir():
        path.rename(path.with_name(f".{path.name}"))
    with pytest.raises(
        FileNotFoundError, match=r"the classes \['a'\] of .*/train have no files with one of the endings .png; add"
    ):
        class_files(mixed, "train", (".png",))


def test_folders_without_classes_are_named(tmp_path):
    (tmp_path / "train/.ipynb_checkpoints").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"there is no class in .*/train; files are expected in .*/<class>/"):
        ImageFolder(PCM(), tmp_path)


def test_files_of_other_kinds_do_not_count(mixed):
    (mixed / "train/a/notes.txt").write_text("nothing")
    (mixed / "train/a/UPPER.PNG").write_bytes((mixed / "train/a/0.png").read_bytes())
    names = [path.rsplit("/", 1)[1] for path, _ in class_files(mixed, "train", (".png",))]
    assert len(names) == 13
    assert "UPPER.PNG" in names


@pytest.mark.parametrize("size", [32, (32,), (0, 32)])
def test_sizes_that_are_no_pair(mixed, size):
    with pytest.raises(ValueError, match=r"size is a (pair of height and width|whole number of at least 1)"):
        folder(mixed, size=size)
