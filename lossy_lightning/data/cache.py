"""The codes of a split on disk, memory-mapped and fetched by whole batches."""

import math
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate

from lossy_lightning.core import CodeStatistics, InputError, RandomKey
from lossy_lightning.data._disk import locked
from lossy_lightning.data._once import load
from lossy_lightning.data._seal import checksum, is_sealed, write_seal
from lossy_lightning.data.bad_files import BadFile, Reason
from lossy_lightning.data.source import Source
from lossy_lightning.functional import pad_codes


class EncodedDataset(Source):
    """Codes and targets of one split, read from the folder that `write_codes` made.

    Codes are memory-mapped, so workers and ranks share one copy. A list of indices is fetched at once as one batch;
    give a `DataLoader` of your own ``collate_fn=EncodedDataset.collate``.

    Args:
        folder: Of the split.

    Attributes:
        codes: ``(N, C, *grid)``, in the smallest integer dtype of the spec; all values in one row, ``(values,)``, if
            codes differ in size.
        grid_sizes: ``(N, axes of the grid)`` if codes differ in size, else None; such codes are batched as
            ``(code, target, grid_size)``, padded.
        targets: ``(N,)`` int64 if all targets are integers, else a list.
        statistics: Mean and standard deviation of each channel.
        bad: Files that were left out, for they are bad, and those that were mended.

    Example:
        >>> import tempfile
        >>> from torch.utils.data import DataLoader
        >>> from lossy_lightning.codecs import VQ
        >>> from lossy_lightning.data import Digits
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     cached = Digits(VQ((2, 2), levels=16), cache_dir=folder).train_dataloader().dataset.source
        ...     loader = DataLoader(cached, batch_size=100, collate_fn=EncodedDataset.collate)
        ...     code, target = next(iter(loader))
        >>> len(cached), cached.codes.dtype, code.shape, target.shape
        (1294, torch.uint8, torch.Size([100, 1, 4, 4]), torch.Size([100]))
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        meta = load(folder / "meta.pt")
        # Copy-on-write, because torch wants writable memory; nothing is copied unless somebody writes.
        self.codes = torch.from_numpy(np.load(folder / "codes.npy", mmap_mode="c"))
        self.grid_sizes: Tensor | None = meta["grid_sizes"]
        self.targets: Tensor | list[Any] = meta["targets"]
        self.statistics = CodeStatistics(meta["mean"], meta["std"])
        self.bad = [BadFile(path, Reason[reason], *told) for path, reason, *told in meta["bad"]]
        self._checksum: int = meta["checksum"]
        if self.grid_sizes is not None:
            values = len(self.statistics.mean) * self.grid_sizes.prod(1)
            self._starts = (values.cumsum(0) - values).tolist()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        return self._code(index), self.targets[index]

    def fetch(self, indices: Sequence[int], key: RandomKey) -> tuple[Tensor, ...]:
        """One batch; nothing about it is random."""
        return self.__getitems__(indices)

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, ...]:
        # NumPy takes rows in half the time of torch, which matters beside the step of a small network.
        chosen = np.asarray(indices)
        if isinstance(self.targets, Tensor):
            target = torch.from_numpy(self.targets.numpy().take(chosen, 0))
        else:
            target = default_collate([self.targets[i] for i in indices])
        if self.grid_sizes is None:
            return torch.from_numpy(self.codes.numpy().take(chosen, 0)), target
        code, grid_size = pad_codes([self._code(i) for i in indices])
        return code, target, grid_size

    def __reduce__(self) -> tuple[type["EncodedDataset"], tuple[Path]]:
        return EncodedDataset, (self.folder,)  # a spawned worker maps the same file

    @staticmethod
    def collate(batch: Any) -> Any:
        """The batch itself, which `__getitems__` has put together."""
        return batch

    def sample(self, indices: Sequence[int]) -> Iterator[tuple[Tensor, ...]]:
        """One batch."""
        yield self.__getitems__(indices)

    def _code(self, index: int) -> Tensor:
        if self.grid_sizes is None:
            return self.codes[index]
        channels = len(self.statistics.mean)
        grid = self.grid_sizes[index].tolist()
        return self.codes[self._starts[index] : self._starts[index] + channels * math.prod(grid)].view(channels, *grid)

    def check(self) -> None:
        """Compare the codes with the checksum made when they were written.

        Raises:
            ValueError: If they differ.
        """
        if checksum(self.codes.numpy()) != self._checksum:
            raise InputError("the checksum of the codes is wrong")


def open_codes(folder: Path, write: Callable[[], None]) -> EncodedDataset:
    """Open the split in ``folder``; if it is missing or damaged, call ``write`` first.

    A sealed folder is opened at once, without a lock. Another is read whole and compared with its checksum first: a
    crash may have cut it off. One process at a time does that or writes; the others wait for it.
    """
    dataset = _open_sealed(folder)
    if dataset is not None:
        return dataset
    if folder.exists() and not os.access(folder.parent, os.W_OK):  # on a read-only disk, nobody else writes
        dataset = EncodedDataset(folder)
        dataset.check()
        return dataset
    with locked(folder):
        dataset = _open_sealed(folder)
        if dataset is None and folder.exists():
            dataset = _open_checked(folder)
        if dataset is None:
            write()
            dataset = EncodedDataset(folder)
    return dataset


def _open_sealed(folder: Path) -> EncodedDataset | None:
    try:
        return EncodedDataset(folder) if is_sealed(folder) else None
    except (OSError, ValueError):
        return None


def _open_checked(folder: Path) -> EncodedDataset | None:
    """Open a folder without a seal and seal it; None, with a warning, if it is damaged and was removed."""
    try:
        dataset = EncodedDataset(folder)
        dataset.check()
    except Exception as error:
        warnings.warn(f"the codes in {folder} are damaged ({error}); they are made anew", stacklevel=4)
        shutil.rmtree(folder)
        return None
    write_seal(folder)
    return dataset
