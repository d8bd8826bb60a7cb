"""Codes of shards, read by whole batches."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import default_collate

from lossy_lightning.core import CodeSpec, FileCodec, RandomKey
from lossy_lightning.data._coded_files import CodedFiles
from lossy_lightning.data._read_ahead import ReadAheadLoader
from lossy_lightning.data.bad_files import BadFile, BadFileLog
from lossy_lightning.data.shards._blocks import batch_of, channels_of
from lossy_lightning.data.shards._chunks import Chunks, OpenChunk
from lossy_lightning.data.source import Source
from lossy_lightning.functional import pad_codes


class PackedCodes(Source):
    """Packed codes of shards and their targets; a list of indices is read at once and batched.

    Args:
        chunks: Of the split.
        spec: Of the codes.
    """

    loader = ReadAheadLoader

    def __init__(self, chunks: Chunks, spec: CodeSpec) -> None:
        self.chunks = chunks
        self.spec = spec
        self._dtype = np.dtype(str(spec.dtype).removeprefix("torch."))
        self._channels: dict[bytes, Any] = {}

    def __len__(self) -> int:
        return len(self.chunks)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        chunk, own = one_of(self.chunks, index)
        target = chunk.targets[own]
        return self._batch([index], None)[0][0], target if isinstance(chunk.targets, list) else torch.tensor(target)

    def __getitems__(self, indices: Sequence[int]) -> tuple[Any, ...]:
        return self._batch(indices, None)

    def fetch(self, indices: Sequence[int], key: RandomKey) -> tuple[Any, ...]:
        """A batch of codes and targets, and grid sizes if codes differ in size; nothing about it is random."""
        return self._batch(indices, key)

    def collate(self, batch: Any) -> Any:
        """The batch itself, which `fetch` has put together."""
        return batch

    def sample(self, indices: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        """One batch, of the first chunk: others may be far away, and training examples are in a drawn order."""
        yield self._batch(within_first(self.chunks, indices), None)

    def fingerprint(self) -> str:
        """Checksums of the chunks."""
        return fingerprint(self.chunks)

    def _batch(self, indices: Sequence[int], key: RandomKey | None) -> tuple[Any, ...]:
        numbers, own = self.chunks.find(np.asarray(indices))
        parts = []
        sizes = np.empty((len(own), len(self.spec.grid)), np.int64)
        for number in np.unique(numbers):
            rows = np.flatnonzero(numbers == number)
            chunk = self.chunks.open(int(number), key)
            sizes[rows] = chunk.sizes[own[rows]]
            parts.append((rows, chunk))
        positions = sizes.prod(1)
        values = positions * len(self.spec.low)
        places = np.cumsum(values) - values
        out = np.empty(int(values.sum()), self._dtype)
        for rows, chunk in parts:
            self._unpack(chunk, own[rows], positions[rows], out, places[rows])
        targets = self._targets(parts, own)
        codes = torch.from_numpy(out)
        if None not in self.spec.grid:
            return codes.view(len(own), len(self.spec.low), *sizes[0].tolist()), targets
        grids = sizes.tolist()
        split = zip(torch.split(codes, values.tolist()), grids, strict=True)
        code, grid_size = pad_codes([each.view(len(self.spec.low), *grid) for each, grid in split])
        return code, targets, grid_size

    def _unpack(
        self, chunk: OpenChunk, own: NDArray[Any], positions: NDArray[Any], out: NDArray[Any], places: NDArray[Any]
    ) -> None:
        from lossy_lightning.bitstream.packed import unpack  # Numba, which takes long to import

        if not chunk.states[0]:
            unpack(chunk.data, chunk.starts[own], positions, self._channels_of(b""), out, places)
            return
        blocks = chunk.blocks[own]
        for block in np.unique(blocks):
            some = np.flatnonzero(blocks == block)
            channels = self._channels_of(chunk.states[block])
            unpack(chunk.data, chunk.starts[own[some]], positions[some], channels, out, places[some])

    def _channels_of(self, states: bytes) -> Any:
        if states not in self._channels:
            self._channels[states] = channels_of(self.spec, states)
        return self._channels[states]

    def _targets(self, parts: list[tuple[NDArray[Any], OpenChunk]], own: NDArray[Any]) -> Any:
        if isinstance(parts[0][1].targets, np.ndarray):
            targets = np.empty(len(own), np.int64)
            for rows, chunk in parts:
                targets[rows] = chunk.targets[own[rows]]
            return torch.from_numpy(targets)
        each: list[Any] = [None] * len(own)
        for rows, chunk in parts:
            for row, target in zip(rows, batch_of(chunk.targets, own[rows]), strict=True):
                each[row] = target
        return default_collate(each)


class ShardedFiles(CodedFiles):
    """Codes of files in shards and their classes.

    Args:
        chunks: Of the split.
        codec_of: As of `CodedFiles`.
        crop: As of `CodedFiles`.
        random: As of `CodedFiles`.
        num_threads: As of `CodedFiles`.
        max_samples: As of `CodedFiles`.
        log: Of bad files.
    """

    def __init__(
        self,
        chunks: Chunks,
        codec_of: Callable[[int], FileCodec],
        crop: tuple[int, ...] | None,
        random: bool,
        num_threads: int,
        max_samples: int,
        log: BadFileLog,
    ) -> None:
        super().__init__(_Listed(chunks), codec_of, crop, random, num_threads, max_samples, log)
        self.chunks = chunks

    def content(self, index: int) -> bytes | BadFile:
        """Bytes of a file."""
        chunk, own = one_of(self.chunks, index)
        start = int(chunk.starts[own])
        return chunk.data[start : start + int(chunk.sizes[own, 0])].tobytes()

    def fetch(self, indices: Sequence[int], key: RandomKey) -> Any:
        """As `CodedFiles`; the chunk that comes next is opened in the background."""
        for number in np.unique(self.chunks.find(np.asarray(indices))[0]):
            self.chunks.open(int(number), key)
        return super().fetch(indices, key)

    def sample(self, indices: Sequence[int]) -> Iterator[tuple[Tensor, ...]]:
        """One batch, of the first chunk."""
        return super().sample(within_first(self.chunks, indices))

    def fingerprint(self) -> str:
        """Checksums of the chunks."""
        return fingerprint(self.chunks)


class _Listed(Sequence[tuple[str, int]]):
    """What a `CodedFiles` knows of files: how messages call them, and their classes."""

    def __init__(self, chunks: Chunks) -> None:
        self.chunks = chunks

    def __len__(self) -> int:
        return len(self.chunks)

    def __getitem__(self, index: Any) -> Any:
        chunk, own = one_of(self.chunks, index)
        number = int(self.chunks.find(np.array([index]))[0][0])
        return f"{self.chunks.store.address(self.chunks.list[number].name)}[{own}]", int(chunk.targets[own])


def one_of(chunks: Chunks, index: int) -> tuple[OpenChunk, int]:
    """The chunk of an example, and its number there."""
    numbers, own = chunks.find(np.array([index]))
    return chunks.open(int(numbers[0])), int(own[0])


def lengths(chunks: Chunks, number: int, epoch: RandomKey) -> NDArray[Any]:
    """Length of each example of a chunk: positions of its grid, or bytes of its file."""
    positions: NDArray[Any] = chunks.open(number, epoch).sizes.prod(1)
    return positions


def within_first(chunks: Chunks, indices: Sequence[int]) -> list[int]:
    """As many indices, each once, of the first chunk."""
    return sorted({index * int(chunks.sizes[0]) // max(1, len(chunks)) for index in indices})


def fingerprint(chunks: Chunks) -> str:
    """Checksums of all chunks, hashed."""
    return hashlib.sha256(repr([chunk.checksum for chunk in chunks.list]).encode()).hexdigest()
