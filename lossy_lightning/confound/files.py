"""A folder or a table to files, classes and groups."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lossy_lightning.core import InputError, MissingFileError

_SPLITS = {"train", "training", "val", "valid", "validation", "dev", "test", "testing"}


class LabelledFiles(NamedTuple):
    """Files and what is known of them.

    Attributes:
        files: Their paths.
        labels: Name of the class of each.
        groups: Name of the group of each, such as a speaker or a camera; None if there are none.
    """

    files: list[Path]
    labels: list[str]
    groups: list[str] | None = None


def labelled_files(source: Path | str) -> LabelledFiles:
    """All files of ``SOURCE/<class>/…``, of ``SOURCE/{train,val,test}/<class>/…`` together, or of a table.

    A table is a CSV file with the columns ``file`` and ``class``, and ``group`` if files of one group are to stay
    together; paths start from its folder. Hidden files and folders are left out, links to folders are not followed.

    Raises:
        FileNotFoundError: If there is no such folder or table.
        ValueError: If it holds no class, or a table lacks a column or a value.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("train/real", "test/real", "test/fake"):
        ...         Path(folder, name).mkdir(parents=True)
        ...         _ = Path(folder, name, "a.jpg").write_bytes(b"")
        ...     labelled_files(folder).labels
        ['fake', 'real', 'real']
    """
    source = Path(source)
    if source.is_file():
        return _of_table(source)
    if not source.is_dir():
        raise MissingFileError(f"there is no folder or table {source}; give FOLDER/<class>/…, or a CSV file")
    parts = _folders(source)
    if parts and all(part.name.lower() in _SPLITS for part in parts) and any(_folders(part) for part in parts):
        parts = [inner for part in parts for inner in _folders(part)]
    pairs = sorted((part.name, path) for part in parts for path in _files(part))
    if not pairs:
        raise InputError(f"{source} holds no file in a folder of a class; expected is {source}/<class>/FILE")
    return LabelledFiles([path for _, path in pairs], [name for name, _ in pairs])


def _of_table(path: Path) -> LabelledFiles:
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        reader = csv.DictReader(file)
        if missing := {"file", "class"} - {*(reader.fieldnames or ())}:
            raise InputError(f"{path} must be a CSV file with the columns file and class; it lacks {sorted(missing)}")
        rows = list(reader)
    for number, row in enumerate(rows, 2):
        if not row["file"] or not row["class"]:
            raise InputError(f"{path}, line {number}: a file and its class are expected; got {dict(row)}")
    if not rows:
        raise InputError(f"{path} lists no file")
    groups = [row["group"] or f"file {i}" for i, row in enumerate(rows)] if "group" in rows[0] else None
    return LabelledFiles([path.parent / row["file"] for row in rows], [row["class"] for row in rows], groups)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in names if not name.startswith("."))
