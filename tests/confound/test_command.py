"""The command: what it prints, writes and ends with."""

import json
from pathlib import Path

import pytest
from PIL import Image

from lossy_lightning.cli import main
from lossy_lightning.confound import confound, header_table, labelled_files, write_even_copy

from .planted import labels_of, write_jpegs


@pytest.fixture(scope="module")
def leaking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = {"quality": 90, "progressive": True, "comment": b"X"}
    return write_jpegs(tmp_path_factory.mktemp("data") / "leaking", 30, lambda label, i: options if label else {})


def run(*arguments: object) -> int:
    try:
        main(["confound", *map(str, arguments), "--quiet"])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_status_tells_whether_it_leaks(leaking: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(leaking) == 0
    assert run(leaking, "--fail-above", 0.6) == 1
    printed = capsys.readouterr()
    assert "Headers give the class away" in printed.out
    assert "class class1: 100 % q90 progressive (10 scans)" in printed.out
    even = write_jpegs(tmp_path, 20, lambda label, i: {})
    assert run(even, "--fail-above", 0.6) == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "there is no folder or table nowhere"),
        ([".", "--fail-above", "2"], "an area is a number from 0 to 1; got '2'"),
        ([".", "--html", "."], "--html is ., a folder; give the name of a file"),
        ([".", "--seed", "x"], "invalid int value: 'x'"),
    ],
)
def test_mistakes_end_with_status_2(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    assert told in capsys.readouterr().err


def test_files_are_written_whole(leaking: Path, tmp_path: Path) -> None:
    assert run(leaking, "--html", tmp_path / "new" / "page.html", "--json", tmp_path / "found.json") == 0
    assert (tmp_path / "new" / "page.html").read_text().startswith("<!DOCTYPE html>")
    assert json.loads((tmp_path / "found.json").read_text())["classes"] == {"class0": 15, "class1": 15}


def test_the_remedy_takes_the_confound_away(leaking: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(leaking, "--remedy") == 0
    assert "Encode all files again at one setting" in capsys.readouterr().out
    assert run(leaking, "--remedy", tmp_path / "even") == 0
    files = labelled_files(tmp_path / "even").files
    assert len(files) == 30
    assert confound(files, labels_of(files)).traces.auc == 0.5
    table = header_table(files)
    for name in ("tables", "subsampling", "huffman", "scans", "segments", "comment", "exif"):
        assert len(set(table[name].tolist())) == 1, name


def test_a_copy_keeps_what_is_seen(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6  # to be turned by a quarter
    place = tmp_path / "in" / "a"
    place.mkdir(parents=True)
    Image.new("RGB", (30, 20), (255, 0, 0)).save(place / "x.jpeg", exif=exif)
    Image.new("L", (8, 8), 77).save(place / "grey.jpg", quality=30)
    (place / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (place / "other.png").write_bytes(b"\x89PNG")
    left_out = write_even_copy(sorted(place.iterdir()), tmp_path / "in", tmp_path / "out")
    assert left_out.total() == 2
    with Image.open(tmp_path / "out" / "a" / "x.jpg") as turned:
        assert turned.size == (20, 30)
        assert not turned.getexif()
    with Image.open(tmp_path / "out" / "a" / "grey.jpg") as grey:
        assert grey.mode == "L"
    assert sorted(path.name for path in (tmp_path / "out" / "a").iterdir()) == ["grey.jpg", "x.jpg"]


@pytest.mark.parametrize("place", ["in", "in/below", "full"])
def test_a_copy_goes_to_a_folder_of_its_own(place: str, tmp_path: Path) -> None:
    write_jpegs(tmp_path / "in", 2, lambda label, i: {})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    with pytest.raises(ValueError, match="the copy goes to a new or empty folder outside of"):
        write_even_copy([], tmp_path / "in", tmp_path / place)
    with pytest.raises(ValueError, match="quality is 1 to 100; got 0"):
        write_even_copy([], tmp_path / "in", tmp_path / "new", quality=0)
    with pytest.raises(ValueError, match="does not lie below"):
        write_even_copy([tmp_path / "full" / "x"], tmp_path / "in", tmp_path / "new")


def test_splits_are_pooled_and_tables_read(leaking: Path, tmp_path: Path) -> None:
    for split in ("train", "Val", "test"):
        write_jpegs(tmp_path / "splits" / split, 4, lambda label, i: {})
    files, labels, groups = labelled_files(tmp_path / "splits")
    assert (len(files), labels.count("class0"), groups) == (12, 6, None)
    table = tmp_path / "files.csv"
    relative = [file.relative_to(tmp_path).as_posix() for file in files]
    table.write_text("file,class,group\n" + "".join(f"{name},{name[-5]},\n" for name in relative))
    listed = labelled_files(table)
    assert listed.files == files
    assert len(set(listed.groups or ())) == 12
    for content, told in (
        ("file\nx\n", r"lacks \['class'\]"),
        ("file,class\n", "lists no file"),
        ("file,class\nx,\n", "line 2"),
    ):
        table.write_text(content)
        with pytest.raises(ValueError, match=told):
            labelled_files(table)
