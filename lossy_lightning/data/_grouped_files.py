"""Files in class folders, split so that what belongs together is on one side."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from lightning.fabric.utilities.exceptions import MisconfigurationException

from lossy_lightning.core import InputError, MissingFileError
from lossy_lightning.core.arguments import check_numbers
from lossy_lightning.data._groups import FOLDS, assign_splits, choose_groups, fold_of
from lossy_lightning.data._listing import (
    ListedFiles,
    class_files,
    class_names,
    files_below,
    split_folder,
    visible_files,
    visible_folders,
)
from lossy_lightning.data._splits import Split


class ListedFile(NamedTuple):
    """Path of a file, number of its class, and its split."""

    path: str
    target: int
    split: Split


class GroupedFiles:
    """Files in ``<root>/{train,val,test}/<class>/``, or in ``<root>/<class>/``, of which groups are taken for test.

    Args:
        root: Folder of the splits or classes.
        extensions: Endings of the files that count.
        group: Names the group of a file, from its path; None if each file is a group of its own.
        test_fraction: Share of the groups taken for test, if there is no folder ``train``.
        test_groups: Names of the groups taken for test instead.
        test_fold: The fold, 0 to 4, of ``crc32(group) % 5``, whose groups are taken for test instead.

    Raises:
        ValueError: If a number is out of range, or folds and groups are both named.
        MisconfigurationException: If groups are named for test, though there are folders of splits.
    """

    def __init__(
        self,
        root: Path,
        extensions: tuple[str, ...],
        group: Callable[[Path], str] | None,
        test_fraction: float,
        test_groups: Sequence[str],
        test_fold: int | None,
    ) -> None:
        check_numbers(0, 1, excluded=1, test_fraction=test_fraction)
        if isinstance(test_groups, str):
            raise InputError(f"test_groups is a list of names, such as [{test_groups!r}]; got the text {test_groups!r}")
        if test_fold is not None and (test_fold not in range(FOLDS) or test_groups):
            raise InputError(
                f"test_fold is 0 to {FOLDS - 1}, without test_groups; got {test_fold=}, {test_groups=}: leave one out"
            )
        self.root = root
        self.extensions = extensions
        self.group = group
        self.test_fraction = test_fraction
        self.test_groups = tuple(map(str, test_groups))
        self.test_fold = test_fold
        if self.has_splits() and (self.test_groups or test_fold is not None):
            raise MisconfigurationException(
                f"the folders of {root} split the files; leave test_groups and test_fold out, or move all classes to "
                f"{root}/<class>/"
            )

    def has_splits(self) -> bool:
        """Whether there are folders of splits."""
        folder = split_folder(self.root, "train")
        return folder is not None and bool(visible_folders(folder))  # "train" may be the name of a class

    def classes(self) -> list[str]:
        """Names of the classes.

        Raises:
            FileNotFoundError: If there are none.
        """
        if self.has_splits():
            return class_names(self.root)
        folders = visible_folders(self.root) if self.root.is_dir() else []
        # A folder without files, such as the cache's, is no class.
        names = [name for name in folders if any(files_below(self.root / name, self.extensions))]
        if not names:
            raise MissingFileError(
                f"there are no files with one of the endings {', '.join(self.extensions)} in {self.root}; they are "
                f"expected in {self.root}/<class>/ or {self.root}/train/<class>/"
            )
        return names

    def split(self, val_fraction: float, seed: int) -> list[ListedFile]:
        """All files, each on its side.

        Args:
            val_fraction: Share for validation of the groups that are not for test, if there is no folder of it.
            seed: Of the choice of groups.

        Raises:
            ValueError: If groups named for test are not there, or a group is in folders of several splits.
            MisconfigurationException: If there are too few groups.
        """
        if self.has_splits():
            return self._of_splits(val_fraction, seed)
        files = visible_files(self.root, {name: i for i, name in enumerate(self.classes())}, self.extensions)
        groups = self._groups(files)
        splits = assign_splits(groups, self._test(groups, seed), val_fraction, seed)
        return [ListedFile(path, target, split) for (path, target), split in zip(files, splits, strict=True)]

    def _test(self, groups: list[str], seed: int) -> set[str]:
        """Groups that are for test."""
        if self.test_fold is not None:
            fold = {group for group in groups if fold_of(group) == self.test_fold}
            if not fold:
                raise InputError(
                    f"none of the {len(set(groups))} groups is in fold {self.test_fold}; take another, or more groups"
                )
            return fold
        test = set(self.test_groups) or choose_groups(groups, self.test_fraction, seed)
        unknown = sorted(test - set(groups))
        if unknown:
            raise InputError(f"test_groups names {unknown}, but the groups are {sorted(set(groups))}")
        return test

    def _of_splits(self, val_fraction: float, seed: int) -> list[ListedFile]:
        splits: tuple[Split, ...] = ("train", "val", "test")
        own = {split: class_files(self.root, split, self.extensions) for split in splits}
        train = own["train"] or []
        if own["val"] is not None:
            files = [ListedFile(*file, split) for split in splits for file in own[split] or []]
        else:
            parts = assign_splits(self._groups(train), set(), val_fraction, seed)
            files = [ListedFile(*file, part) for file, part in zip(train, parts, strict=True)]
            files += [ListedFile(*file, "test") for file in own["test"] or []]
        self._check_groups(files)
        return files

    def _check_groups(self, files: list[ListedFile]) -> None:
        if self.group is None:
            return
        sides: dict[str, set[Split]] = {}
        for path, _, split in files:
            sides.setdefault(str(self.group(Path(path))), set()).add(split)
        shared = sorted(name for name, own in sides.items() if len(own) > 1)
        if shared:
            raise InputError(
                f"{len(shared)} groups are on several sides of the folders of {self.root}: {', '.join(shared[:20])}"
                f"{', …' if len(shared) > 20 else ''}; move each to one of train, val and test, or leave group out"
            )

    def _groups(self, files: ListedFiles) -> list[str]:
        if self.group is not None:
            return [str(self.group(Path(path))) for path, _ in files]
        # Relative paths, so that a folder that was moved is split as before.
        return [Path(path).relative_to(self.root).as_posix() for path, _ in files]
