"""Planted confounds are found; even folders, odd ones and mistakes get right answers."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossy_lightning.confound import Confound, confound, labelled_files

from .planted import write_jpegs

PLANTED = {
    "quality": ({"quality": 80}, "quantization tables", "q80"),
    "subsampling": ({"subsampling": "4:4:4"}, "chroma subsampling", "4:4:4"),
    "size": ({"size": 24}, "size", "24x24"),
    "progressive": ({"progressive": True}, "scans", "progressive (10 scans)"),
    "encoder's tag": ({"comment": b"made by X"}, "metadata", "comment + jfif"),
    "restart interval": ({"restart_marker_blocks": 2}, "restart interval", "restart every 2"),
}


def of(folder: Path, **options: Any) -> Confound:
    files, labels, groups = labelled_files(folder)
    return confound(files, labels, groups, **options)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_confound_is_found_and_named(name: str, tmp_path: Path) -> None:
    options, trace, text = PLANTED[name]
    found = of(write_jpegs(tmp_path, 60, lambda label, i: options if label == 1 else {}))
    assert found.traces.auc >= 0.99
    assert found.exceeds(0.6)
    assert found.matter[trace] >= 0.99
    trait = found.traits[1]
    assert (trait.label, trait.share, trait.share_elsewhere) == ("class1", 1.0, 0.0)
    assert text in trait.text


def test_one_on_half_of_a_class_is_found(tmp_path: Path) -> None:
    found = of(write_jpegs(tmp_path, 120, lambda label, i: {"quality": 80} if label and i // 2 % 2 else {}))
    assert found.traces.auc >= 0.7
    assert found.traces.interval[0] > 0.6
    assert found.traces.interval[1] < 0.95


def test_even_folders_are_chance(tmp_path: Path) -> None:
    folder = write_jpegs(tmp_path, 60, lambda label, i: {})
    found = of(folder)
    assert found.traces.auc == 0.5
    assert found.traces.interval == (0.5, 0.5)
    assert (found.traits, found.matter, found.exceeds(0.5)) == ((), {}, False)
    assert "beyond chance" in found.to_text()


def test_settings_that_differ_independently_of_the_class_are_chance(tmp_path: Path) -> None:
    draws = np.random.default_rng(0).integers(0, 2, (400, 3))
    options = [{"quality": 75 + q, "progressive": bool(p), "size": 16 + 8 * s} for q, p, s in draws.tolist()]
    found = of(write_jpegs(tmp_path, 400, lambda label, i: options[i]))
    low, high = found.traces.interval
    assert low <= 0.5 <= high
    assert abs(found.traces.auc - 0.5) < 0.08
    assert abs(np.mean(found.traces.shuffled) - 0.5) < 0.05


def test_content_moves_bytes_but_decides_nothing(tmp_path: Path) -> None:
    folder = write_jpegs(tmp_path, 60, lambda label, i: {})
    for file in (folder / "class1").iterdir():  # more bytes behind the image, the same headers
        file.write_bytes(file.read_bytes() + bytes(400))
    found = of(folder)
    assert found.size.auc >= 0.99
    assert not found.exceeds(0.5)


def test_copies_and_groups_stay_together(tmp_path: Path) -> None:
    """Each file's settings are its own, and each file has a copy: without groups the copies give their class away."""
    folder = write_jpegs(tmp_path, 40, lambda label, i: {"size": 16 + i})
    for file in [*folder.rglob("*.jpg")]:
        shutil.copy(file, file.with_name(f"copy{file.name}"))
    found = of(folder)
    assert (found.num_files, found.num_groups) == (80, 40)
    assert found.traces.interval[0] < 0.6
    files, labels, _ = labelled_files(folder)
    assert confound(files, labels, [i % 4 for i in range(80)]).num_groups < 40


@pytest.mark.slow
def test_many_unequal_and_tiny_classes(tmp_path: Path) -> None:
    many = write_jpegs(tmp_path / "many", 90, lambda label, i: {"quality": 90} if label == 7 else {}, classes=30)
    found = of(many)
    assert list(found.classes.values()) == [3] * 30
    assert found.traces.by_class[[*found.classes].index("class7")] >= 0.99
    unequal = write_jpegs(tmp_path / "unequal", 50, lambda label, i: {"quality": 90} if label == 0 else {})
    for file in sorted((unequal / "class0").iterdir())[3:]:
        file.unlink()
    found = of(unequal)
    assert found.classes == {"class0": 3, "class1": 25}
    assert found.traces.auc >= 0.99


def test_files_that_cannot_be_measured_are_counted_by_reason(tmp_path: Path) -> None:
    folder = write_jpegs(tmp_path, 20, lambda label, i: {})
    (folder / "class0" / "empty.jpg").write_bytes(b"")
    (folder / "class0" / "notes.txt").write_text("hello")
    (folder / "class0" / "cut.jpg").write_bytes((folder / "class0" / "0.jpg").read_bytes()[:200])
    (folder / "class1" / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    (folder / "alone").mkdir()
    shutil.copy(folder / "class0" / "2.jpg", folder / "alone" / "other.jpg")
    found = of(folder)
    assert found.num_files == 20
    assert sum(map(len, found.left_out.values())) == 5
    assert found.left_out["it is empty"] == [str(folder / "class0" / "empty.jpg")]
    assert f"it is empty ({folder / 'class0' / 'empty.jpg'})" in found.to_text()
    assert {"it is empty", "it cannot be read (No such file or directory)"} < found.left_out.keys()
    assert any("only file or group of its class 'alone'" in reason for reason in found.left_out)


def test_too_little_is_one_sentence(tmp_path: Path) -> None:
    one = write_jpegs(tmp_path / "one", 10, lambda label, i: {}, classes=1)
    with pytest.raises(ValueError, match="two classes of two files or more are needed; 10 of 10 files of 1 such class"):
        of(one)
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match=r"holds no file in a folder of a class; expected is .*/<class>/FILE"):
        of(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="there is no folder or table"):
        of(tmp_path / "missing")
    with pytest.raises(ValueError, match="seed is a whole number, 0 or more; got -1"):
        confound([], [], seed=-1)
    with pytest.raises(ValueError, match="got 1 files, 2 labels"):
        confound(["a.jpg"], ["a", "b"])


def test_the_page_and_the_figures_say_what_the_object_says(tmp_path: Path) -> None:
    folder = write_jpegs(tmp_path / "<b>", 40, lambda label, i: {"quality": 80} if label else {})
    found = of(folder)
    page = found.to_html()
    assert "quantization tables" in page
    assert "<svg" in page
    assert "100 %" in page
    assert not re.search(r"https?://(?!www\.w3\.org)", page), "a page must need no other file"
    told = json.loads(found.to_json())
    assert told["traces"]["auc"] == found.traces.auc
    assert told["files"] == 40
    assert found == of(folder), "the same seed gives the same figures"
    files, labels, _ = labelled_files(folder)
    assert found == confound(files[::-1], labels[::-1]), "whatever the order of the files"
