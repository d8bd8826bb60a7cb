"""Examples that lie in files of their own, some of which may be bad."""

import hashlib
import os
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor
from torch.utils.data import default_collate

from lossy_lightning.core import InputError, RandomKey
from lossy_lightning.data._epoch_loader import EpochLoader
from lossy_lightning.data._reading import Reading
from lossy_lightning.data.bad_files import BadFile, BadFileError, BadFileLog, FileBatch, Mended, sift
from lossy_lightning.data.source import SAMPLE, Source, drawn_key, stack_by_size


class FileLoader(EpochLoader):
    """A loader of batches of files: what is bad among them is told here, whichever process or thread read it.

    Args: as of `torch.utils.data.DataLoader`.
    """

    def batches(self) -> Iterator[Any]:
        """Batches of an epoch that have good files.

        Raises:
            ValueError: If none has, or there are bad files that are to be refused.
        """
        log = self.dataset.source.log if isinstance(self.dataset, Reading) else None
        if log is None:
            yield from self.read_batches()
            return
        any_good = False
        try:
            for read in self.read_batches():
                batch, bad = read if isinstance(read, FileBatch) else (read, [])
                log.add(bad)
                if batch is not None:
                    any_good = True
                    yield batch
            if not any_good and len(self):
                raise InputError(f"an epoch without one good file, {log.summary()}")
        finally:
            log.tell()

    def read_batches(self) -> Iterator[Any]:
        """Batches, or a `FileBatch` in place of one with bad files."""
        return super().batches()


class FileSource(Source):
    """Examples of files; bad ones are told from good ones, and left to the loader to judge.

    Args:
        files: Paths and class numbers.
        log: Of bad files.
        refills: Whether a batch without a good file takes the next files that are good instead, in the order in which
            they are listed. In training, the number of batches then stays what it was said to be: Lightning would leave
            out the validation otherwise, and ranks would wait for each other. In evaluation such a batch is left out.
    """

    loader = FileLoader
    log: BadFileLog

    def __init__(self, files: Sequence[tuple[str, int]], log: BadFileLog, refills: bool = False) -> None:
        self.files = files
        self.log = log
        self.refills = refills and log.policy.skipped

    @abstractmethod
    def load(self, index: int, key: RandomKey) -> tuple[Tensor, Any] | BadFile | Mended:
        """An example, or what is wrong with its file, or both; what is random about it is drawn by the key."""

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        item = self.load(index, drawn_key())
        if isinstance(item, BadFile):
            raise BadFileError(item)
        return item.example if isinstance(item, Mended) else item

    def __getitems__(self, indices: Sequence[int]) -> Any:
        """As `fetch`."""
        return self.fetch(indices, drawn_key())

    def fetch(self, indices: Sequence[int], key: RandomKey) -> Any:
        """Pairs, each drawn by itself, and each bad file in place of one."""
        items = [self.load(index, key.of(index)) for index in indices]
        for following in self.followers(indices[-1]) if indices else ():
            if not all(isinstance(item, BadFile) for item in items):
                break
            items.append(self.load(following, key.of(indices[-1], following)))
        return items

    def followers(self, index: int) -> Iterator[int]:
        """Indices of the files that take the place of a batch without a good one."""
        if self.refills:
            yield from ((index + step) % len(self.files) for step in range(1, len(self.files)))

    def collate(self, batch: Any) -> Any:
        """The batch, or a `FileBatch` if there are bad files."""
        return collate_good(batch, default_collate)

    def sample(self, indices: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        """Good ones of some examples, those of one size together."""
        pairs, bad = sift(self.fetch(indices, SAMPLE))
        self.log.add(bad)
        return stack_by_size(pairs)

    def describe(self, index: int) -> str:
        """Path of the file."""
        return self.files[index][0]

    def fingerprint(self) -> str:
        """Name, class, size and times of each file, hashed, and how damaged ones are read."""
        digest = hashlib.sha256()
        # Without the folder that all are in: it may be moved.
        common = os.path.commonpath([os.path.dirname(path) for path, _ in self.files]) if self.files else ""
        for path, target in self.files:
            digest.update(os.fsencode(f"{path[len(common) :]} {target} {mark(path)};"))
        return f"{digest.hexdigest()} {'lenient' if self.log.policy.lenient else ''}"


def mark(path: str) -> tuple[int, ...]:
    """What tells whether a file changed, or was moved to another's name; empty if it is not there.

    Its size and its time, and when it was last given a name: many files may be written within one tick of the first
    clock.
    """
    try:
        stat = os.stat(path)
    except OSError:
        return ()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def collate_good(items: list[Any], collate: Any) -> Any:
    """A batch of the good ones of some examples; a `FileBatch` that has the bad ones too, if there are any."""
    pairs, bad = sift(items)
    batch = collate(pairs) if pairs else None
    return FileBatch(batch, bad) if bad or batch is None else batch
