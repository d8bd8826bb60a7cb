"""Files of a data set, found in class folders."""

import os
from collections.abc import Iterator
from pathlib import Path

from lossy_lightning.core import InputError, MissingFileError
from lossy_lightning.data._splits import Split

ListedFiles = list[tuple[str, int]]
"""Paths and class numbers."""


class MissingSplitError(MissingFileError):
    """A split whose folder is not there."""


def class_files(root: Path, split: Split, extensions: tuple[str, ...]) -> ListedFiles | None:
    """Files of a split with the number of their class, `visible_files` of ``<root>/<split>``.

    If there is no folder ``test``, the folder ``val`` is the test split, and there is no "val". Folders of splits may
    be spelled with capitals.

    Args:
        root: Folder of the splits.
        split: The split.
        extensions: Endings of the files that count.

    Returns:
        Paths and class numbers; None if there is no such split.

    Raises:
        FileNotFoundError: If there is no train or test folder, or a class has no file.
        ValueError: If the split has classes that "train" has not.
    """
    name: Split = split
    if split_folder(root, "test") is None:
        if split == "val":
            return None
        name = "train" if split == "train" else "val"
    elif split == "val" and split_folder(root, "val") is None:
        return None
    folder = split_folder(root, name)
    if folder is None:
        raise MissingSplitError(
            f"there is no folder {root / name}; files are expected in {root}/train/<class>/ and {root}/test/<class>/"
        )
    classes = {name: number for number, name in enumerate(class_names(root))}
    strange = [name for name in visible_folders(folder) if name not in classes]
    if strange:
        raise InputError(
            f"the classes {strange} of {folder} are not among those of training, {list(classes)}: remove them"
        )
    return visible_files(folder, classes, extensions)


def split_folder(root: Path, split: Split) -> Path | None:
    """The folder of a split, whether ``train``, ``Train`` or ``TRAIN``; None if there is none.

    Raises:
        ValueError: If there are several that differ in capitals only.
    """
    if not root.is_dir():
        return None
    found = sorted(path for path in root.iterdir() if path.name.lower() == split and path.is_dir())
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise InputError(f"{root} has the folders {names}, of which only one can be the {split} split; rename one")
    return found[0] if found else None


def class_names(root: Path) -> list[str]:
    """Names of the classes, the folders in ``<root>/train`` that are not hidden.

    Raises:
        FileNotFoundError: If there are none.
    """
    folder = split_folder(root, "train")
    if folder is None:
        raise MissingFileError(f"there is no folder {root / 'train'}; files are expected in {root}/train/<class>/")
    names = visible_folders(folder)
    if not names:
        raise MissingFileError(f"there is no class in {folder}; files are expected in {folder}/<class>/")
    return names


def visible_folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, in alphabetical order, without hidden ones, such as .ipynb_checkpoints."""
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def visible_files(folder: Path, classes: dict[str, int], extensions: tuple[str, ...]) -> ListedFiles:
    """Files ``<folder>/<class>/**`` with the number of their class, without hidden ones and what is in hidden folders.

    Args:
        folder: Folder of the classes.
        classes: Number of each class.
        extensions: Endings of the files that count.

    Raises:
        FileNotFoundError: If a class has no file.
    """
    files: ListedFiles = []
    empty = []
    for name in sorted(classes):
        found = list(files_below(folder / name, extensions))
        files += [(path, classes[name]) for path in found]
        empty += [] if found else [name]
    if empty:
        raise MissingFileError(
            f"the classes {empty} of {folder} have no files with one of the endings {', '.join(extensions)}; add "
            "some, or remove the classes"
        )
    return files


def files_below(folder: Path, extensions: tuple[str, ...]) -> Iterator[str]:
    """Visible files of some endings in a folder and those below it, in order; links are followed, but in no circle.

    Raises:
        ValueError: If a folder cannot be opened.
    """
    above = tuple(map(str, Path(os.path.realpath(folder)).parents))
    for below, names in sorted(_walk(str(folder), above)):
        yield from (os.path.join(below, name) for name in sorted(names) if name.lower().endswith(extensions))


def _walk(folder: str, above: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """Each folder below one, with the names of its files; ``above`` are the real paths that lead to it."""
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        visible = [name for name in os.listdir(folder) if not name.startswith(".")]
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be opened: {error.strerror}") from error
    folders = [name for name in visible if os.path.isdir(os.path.join(folder, name))]
    yield folder, sorted(set(visible) - set(folders))
    for name in folders:
        yield from _walk(os.path.join(folder, name), (*above, real))


def check_sides(splits: dict[Split, ListedFiles], root: Path) -> None:
    """Check that no file, under whatever names, is on two sides of a split, or in two classes.

    Args:
        splits: Files of each split.
        root: Folder of the data, for the message.

    Raises:
        ValueError: If one is.
    """
    seen: dict[tuple[int, int], tuple[Split, int, str]] = {}
    shared, ambiguous = [], []
    for split, files in splits.items():
        for path, target in files:
            try:
                stat = os.stat(path)
            except OSError:
                continue  # a bad file, told elsewhere
            if not stat.st_ino:
                continue  # a file system that does not number files
            other, number, name = seen.setdefault((stat.st_dev, stat.st_ino), (split, target, path))
            if other != split:
                shared.append(f"{name} ({other}) is {path} ({split})")
            elif number != target:
                ambiguous.append(f"{name} is {path}")
    for found, what, why in (
        (shared, "on two sides of a split", "tests show what was learnt by heart"),
        (ambiguous, "in two classes", "one example has two labels"),
    ):
        if found:
            listed = "; ".join(found[:20]) + ("; …" if len(found) > 20 else "")
            raise InputError(
                f"{len(found)} files in {root} are {what}, by links: {listed}: remove one of each, lest {why}"
            )
