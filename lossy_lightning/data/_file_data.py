"""What data sets of files share: the policy for bad ones, and the check of all of them before training."""

import warnings
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from tqdm.auto import tqdm

from lossy_lightning.core import Codec, InputError
from lossy_lightning.data._arguments import CodeArguments, Unpack
from lossy_lightning.data._file_source import mark
from lossy_lightning.data._listing import ListedFiles, MissingSplitError, check_sides
from lossy_lightning.data._once import make_once
from lossy_lightning.data._splits import Split
from lossy_lightning.data.bad_files import BadFile, BadFileLog, BadFiles, Reason
from lossy_lightning.data.encoded import EncodedDataModule

_SPLITS: tuple[Split, ...] = ("train", "val", "test")
_FEW = 500  # files, whose headers are read anew each time
_AT_ONCE = 64
_THREADS = 8


class FileDataModule(EncodedDataModule):
    """A data set of files, seen through a codec.

    Before training, the headers of all files of all splits are looked at, and what is bad is told at once. A subclass
    writes `listed`, `look` and `header_key`.

    Args:
        codec: What the signals go through.
        root: Folder of the data.
        bad_files: What becomes of files that cannot be used.
        transform: As of `EncodedDataModule`.
        arguments: As of `EncodedDataModule`.
    """

    def __init__(
        self,
        codec: Codec,
        root: str | Path | None = None,
        bad_files: BadFiles = BadFiles.REFUSE,
        transform: Callable[[Tensor], Tensor] | nn.Module | None = None,
        **arguments: Unpack[CodeArguments],
    ) -> None:
        if not isinstance(bad_files, BadFiles):
            raise InputError(f"bad_files is one of {', '.join(map(str, BadFiles))}; got {bad_files!r}")
        super().__init__(codec, root, transform=transform, **arguments)
        self.bad_files = bad_files
        self.log = BadFileLog(bad_files, str(self.root))
        self._bad_headers: set[str] | None = None

    @abstractmethod
    def listed(self, split: Split) -> ListedFiles | None:
        """All files of a split, good or bad; None if there is no such split."""

    @abstractmethod
    def look(self, split: Split, files: ListedFiles) -> list[BadFile]:
        """The bad ones of some files, as far as their headers tell."""

    @abstractmethod
    def header_key(self) -> str:
        """Text of all that `look` depends on, but for the files."""

    def good_files(self, split: Split) -> ListedFiles | None:
        """Files of a split without those whose headers are bad; None if there is no such split."""
        bad = self.check_files()
        files = self.listed(split)
        return None if files is None else [file for file in files if file[0] not in bad]

    def check_files(self) -> set[str]:
        """Look at the headers of all files, once.

        Returns:
            Paths of the bad ones.

        Raises:
            ValueError: If there are some and they are to be refused: all are named, and counted by what is wrong.
        """
        if self._bad_headers is None:
            listed = {split: files for split in _SPLITS if (files := self._listed_or_none(split))}
            check_sides(listed, self.root)
            self.log.total = sum(map(len, listed.values()))
            bad = self._looked_at(listed)
            self.log.add(bad)
            self._bad_headers = {each.path for each in bad}
            self.log.tell()
        return self._bad_headers

    def _listed_or_none(self, split: Split) -> ListedFiles | None:
        try:
            return self.listed(split)
        except MissingSplitError:
            return None  # an error once it is opened: who only trains needs no test split

    def _looked_at(self, listed: dict[Split, ListedFiles]) -> list[BadFile]:
        if self.log.total <= _FEW:
            return self._look_at_all(listed)
        marks = {split: [(*file, mark(file[0])) for file in files] for split, files in listed.items()}
        key = sha256(f"{marks} {self.header_key()}".encode("utf8", "surrogateescape")).hexdigest()[:16]
        kept: list[list[str]] = make_once(
            self.cache_dir / f"{type(self).__name__}-headers-{key}.kept",
            lambda: [[each.path, each.reason.name, each.message] for each in self._look_at_all(listed)],
        )
        return [BadFile(path, Reason[reason], message) for path, reason, message in kept]

    def _look_at_all(self, listed: dict[Split, ListedFiles]) -> list[BadFile]:
        parts = [
            (split, files[start : start + _AT_ONCE])
            for split, files in listed.items()
            for start in range(0, len(files), _AT_ONCE)
        ]
        found: list[BadFile] = []
        # Libraries may warn of what is told here anyway; threads share the filters.
        with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(_THREADS, "headers") as pool:
            looked: Any = pool.map(lambda part: self.look(*part), parts)
            for bad in tqdm(looked, "looking at headers", len(parts), delay=2, disable=None, leave=False):
                found += bad
        return found
