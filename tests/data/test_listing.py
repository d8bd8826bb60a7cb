"""Files of folders: links, capitals, groups, and what is on two sides of a split."""

import os

import numpy as np
import pytest
import soundfile
from PIL import Image

from lossy_lightning.codecs import JPEG, PCM, VQ
from lossy_lightning.data import AudioFolder, BadFiles, ImageFolder, JPEGFolder, SpeechCommands
from lossy_lightning.data._listing import class_files


@pytest.fixture
def images(tmp_path):
    for split in ("train", "test"):
        for i in range(6):
            path = tmp_path / "images" / split / "ab"[i % 2] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8, 3), 20 * i + len(split), np.uint8)).save(path)
    return tmp_path / "images"


def test_links_in_a_circle_end_and_linked_parts_count(images, tmp_path):
    (images / "train/a/circle").symlink_to(images / "train")
    (images / "train/a/self").symlink_to("self")
    (tmp_path / "more").mkdir()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "more/new.png")
    (images / "train/a/more").symlink_to(tmp_path / "more")
    names = [os.path.relpath(path, images) for path, number in class_files(images, "train", (".png",)) if not number]
    assert names == ["train/a/0.png", "train/a/2.png", "train/a/4.png", "train/a/more/new.png"]
    assert len(names) < 10


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_file_on_two_sides_under_two_names_is_an_error(images, link):
    link(images / "train/a/0.png", images / "test/a/copy.png")
    with pytest.raises(ValueError, match=r"1 files .*0.png \(train\) is .*copy.png \(test\)"):
        ImageFolder(PCM(), images, val_fraction=0).prepare_data()


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_file_in_two_classes_is_an_error(images, link):
    link(images / "train/a/0.png", images / "train/b/copy.png")
    link(images / "train/a/2.png", images / "train/a/copy.png")
    with pytest.raises(ValueError, match=r"1 files .*0.png is .*b/copy.png: remove one of each, lest one example has"):
        ImageFolder(PCM(), images, val_fraction=0).prepare_data()


def test_folders_of_splits_may_have_capitals(images):
    (images / "train").rename(images / "Train")
    (images / "test").rename(images / "TEST")
    data = ImageFolder(PCM(), images, val_fraction=0)
    data.prepare_data()
    assert [len(data.signals(split)) for split in ("train", "test")] == [6, 6]
    (images / "train/a").mkdir(parents=True)
    if len(list(images.iterdir())) == 3:  # capitals matter here
        with pytest.raises(ValueError, match="the folders Train and train, of which only one can be the train split"):
            ImageFolder(PCM(), images)


@pytest.fixture
def sounds(tmp_path):
    for name in ("train", "dog"):  # a class may have this name
        for i in range(10):
            path = tmp_path / "sounds" / name / f"{i}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.random.default_rng(i).normal(0, 0.1, 400), 8_000)
    return tmp_path / "sounds"


def test_a_class_may_be_called_train(sounds):
    data = AudioFolder(PCM(16), sounds, 8_000)
    assert data.classes == ("dog", "train")


def test_text_is_no_list_of_groups(sounds):
    with pytest.raises(ValueError, match=r"test_groups is a list of names, such as \['12'\]; got the text '12'"):
        AudioFolder(PCM(16), sounds, 8_000, test_groups="12")


def test_booleans_of_yaml_are_no_words(tmp_path):
    folder = tmp_path / "SpeechCommands/speech_commands_v0.02"
    for word in ("yes", "no"):
        (folder / word).mkdir(parents=True)
    with pytest.raises(ValueError, match=r"words are texts; got \[True, False\]: in YAML, yes, no, on"):
        SpeechCommands(PCM(16), tmp_path, words=[True, False])


def test_files_that_were_swapped_are_seen(sounds, tmp_path):
    """Even if they have one size, and were written within one tick of the clock."""

    def codes():
        data = AudioFolder(VQ((8,), 4), sounds, 8_000, cache_dir=tmp_path / "cache", test_fraction=0, val_fraction=0)
        data.prepare_data()
        return [data._dataset("train")[i][0].tolist() for i in range(20)]

    first = codes()
    a, b = sounds / "dog/3.wav", sounds / "train/8.wav"
    os.utime(a, ns=(1, 1))
    os.utime(b, ns=(1, 1))
    before = codes()
    a.rename(tmp_path / "c")
    b.rename(a)
    (tmp_path / "c").rename(b)
    after = codes()
    assert before == first
    assert after != before
    assert after[3] == before[18]
    assert after[18] == before[3]


def test_other_endings_of_jpeg_files_count(images):
    for split in ("train", "test"):
        for i, path in enumerate(sorted((images / split).rglob("*.png"))):
            Image.open(path).convert("RGB").resize((16, 16)).save(
                path.with_suffix((".jfif", ".jpe", ".JPG")[i % 3]), "JPEG"
            )
    assert len(JPEGFolder(JPEG(), images, val_fraction=0).codes("train")) == 6


@pytest.mark.filterwarnings("ignore:.* left out:UserWarning")
def test_bad_images_of_any_kind(images):
    (images / "train/a/0.png").write_bytes(b"")
    (images / "train/a/2.png").write_text("text")
    whole = (images / "train/b/1.png").read_bytes()
    (images / "train/b/1.png").write_bytes(whole[:-30])
    (images / "test/b/1.png").unlink()
    (images / "test/b/1.png").symlink_to("gone")
    Image.fromarray(np.zeros((9, 4000, 3), np.uint8)).save(images / "test/a/0.png")
    with pytest.raises(ValueError, match=r"4 of 12 files .*1 empty.*; repair or remove them"):
        ImageFolder(PCM(), images, max_pixels=10_000, val_fraction=0).setup("fit")
    data = ImageFolder(PCM(), images, max_pixels=10_000, val_fraction=0, bad_files=BadFiles.SKIP)
    data.prepare_data()
    assert [len(data._dataset(split)) for split in ("train", "test")] == [3, 4]
    data = ImageFolder(PCM(), images, max_pixels=10_000, val_fraction=0, bad_files=BadFiles.LENIENT)
    with pytest.warns(UserWarning, match="of 12 files") as said:
        data.prepare_data()
    assert len(data._dataset("train")) == 4
    mended = [str(each.message) for each in said if "mended" in str(each.message)]
    assert len(mended) == 1
    assert "1 of 12 files" in mended[0]
    again = ImageFolder(PCM(), images, max_pixels=10_000, val_fraction=0, bad_files=BadFiles.LENIENT)
    with pytest.warns(UserWarning, match="mended by lenient reading"):  # as the cache knows
        again.prepare_data()
