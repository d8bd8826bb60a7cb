"""Chunks of shards, opened when they are needed and a little before."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossy_lightning.core import InputError, RandomKey
from lossy_lightning.data._disk import locked, told_of_disk
from lossy_lightning.data.shards._blocks import Body
from lossy_lightning.data.shards._index import Chunk, SplitIndex
from lossy_lightning.data.shards._order import chunk_order
from lossy_lightning.data.shards._store import Store, checksum_of

_OPEN = 4
_AHEAD = 1
_ITEM = 4  # bytes that litdata puts before each item


class OpenChunk:
    """A chunk whose blocks are found; examples are numbered from 0 on.

    Args:
        path: Of the file.
        read: Finds the examples of a block.

    Attributes:
        data: All bytes, memory-mapped.
        targets: Of the examples: an array of integers, or a list.
        starts: As of `Body`.
        sizes: As of `Body`.
        states: As of `Body`, of each block.
        blocks: Block of each example.
    """

    def __init__(self, path: Path, read: Callable[[NDArray[Any], int], Body]) -> None:
        # Copy-on-write, for compiled code that knows writable memory; nothing is written.
        self.data: NDArray[Any] = np.memmap(path, np.uint8, "c").view(np.ndarray)
        count = int(self.data[:4].view("<u4")[0])
        offsets = self.data[4 : 4 * (count + 1)].view("<u4").tolist()
        bodies = [read(self.data, offset + _ITEM) for offset in offsets]
        self.starts = np.concatenate([body.starts for body in bodies])
        self.sizes = np.concatenate([body.sizes for body in bodies])
        targets = [body.targets for body in bodies]
        whole = isinstance(targets[0], np.ndarray)
        self.targets: Any = np.concatenate(targets) if whole else [each for some in targets for each in some]
        self.states = [body.states for body in bodies]
        self.blocks = np.repeat(np.arange(count), [len(body.starts) for body in bodies])


class Chunks:
    """The chunks of a split; several threads may ask for some at once.

    Args:
        store: Where they lie.
        split: What is known of them.
        read: Finds the examples of a block.
        folder: Of copies, if the store is far away.
        max_bytes: Of all copies; the oldest are removed. None for no limit.
        shuffled: Whether they are read in an order that is drawn anew for each epoch.
    """

    def __init__(
        self,
        store: Store,
        split: SplitIndex,
        read: Callable[[NDArray[Any], int], Body],
        folder: Path,
        max_bytes: int | None,
        shuffled: bool,
    ) -> None:
        self.store = store
        self.list = split.chunks
        self.sizes = split.sizes()
        self.read = read
        self.folder = folder
        self.max_bytes = max_bytes
        self.shuffled = shuffled
        self._starts = np.concatenate([[0], np.cumsum(self.sizes)])
        self._lock = threading.Lock()
        self._open: OrderedDict[int, Future[OpenChunk]] = OrderedDict()
        self._checked: set[int] = set()
        self._asked: tuple[int, RandomKey] | None = None  # what was opened last, and in which epoch
        self._pool = ThreadPoolExecutor(2, "shards")

    def __len__(self) -> int:
        return int(self._starts[-1])

    def find(self, indices: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Numbers of the chunks that some examples are in, and the examples' own numbers there."""
        numbers = np.searchsorted(self._starts, indices, "right") - 1
        return numbers, indices - self._starts[numbers]

    def open(self, number: int, epoch: RandomKey | None = None) -> OpenChunk:
        """A chunk; the one that comes next is opened in the background.

        Args:
            number: Of the chunk.
            epoch: Key of the epoch that it is read for; None if nothing comes next.

        Raises:
            ValueError: If it is damaged, or the store does not give it.
        """
        with self._lock:
            future = self._opening(number)
            if epoch is not None and self._asked != (number, epoch):
                self._asked = number, epoch
                order = chunk_order(len(self.list), epoch if self.shuffled else None)
                for following in order[order.index(number) + 1 :][:_AHEAD]:
                    self._opening(following)
        try:
            return future.result()
        except BaseException:
            with self._lock:
                self._open.pop(number, None)  # the next one tries again
            raise

    def _opening(self, number: int) -> "Future[OpenChunk]":
        if number not in self._open:
            self._open[number] = self._pool.submit(self._load, number)
        self._open.move_to_end(number)
        while len(self._open) > _OPEN:
            self._open.popitem(last=False)
        return self._open[number]

    def _load(self, number: int) -> OpenChunk:
        chunk = self.list[number]
        if self.store.folder is not None:
            path = self.store.folder / chunk.name
            if number not in self._checked and not self.store.is_intact(chunk.stored):
                raise InputError(f"{path} is damaged or missing; write the shards again, which makes it anew")
        else:
            path = self._copied(chunk, number not in self._checked)
        self._checked.add(number)
        return OpenChunk(path, self.read)

    def _copied(self, chunk: Chunk, check: bool) -> Path:
        """The copy of a chunk, which one process of a machine makes."""
        path = self.folder / chunk.name
        with locked(path):
            if path.exists() and check and checksum_of(path) != chunk.checksum:
                path.unlink()
            if not path.exists():
                with told_of_disk(self.folder):
                    self._make_room(chunk.num_bytes)
                    self.store.fetch(chunk.stored, path)
            path.touch()
        return path

    def _make_room(self, needed: int) -> None:
        """Remove the copies that were not opened for longest; who has one open keeps it until it is closed."""
        copies = sorted(self.folder.rglob("*.bin"), key=lambda path: path.stat().st_mtime)
        total = sum(path.stat().st_size for path in copies)
        while self.max_bytes is not None and copies and total + needed > self.max_bytes:
            oldest = copies.pop(0)
            total -= oldest.stat().st_size
            oldest.unlink(missing_ok=True)
