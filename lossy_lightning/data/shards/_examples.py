"""The examples that shards are made of, block by block."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from lossy_lightning.core import CodeSpec, RandomKey
from lossy_lightning.data._coded_files import CodedFiles
from lossy_lightning.data._loading import read_once
from lossy_lightning.data._splits import Split, check_indexed
from lossy_lightning.data._statistics import fingerprint_examples, moments
from lossy_lightning.data._writing import Encoder, plain
from lossy_lightning.data.bad_files import BadFile, Mended, sift
from lossy_lightning.data.encoded import EncodedDataModule
from lossy_lightning.data.shards._blocks import BLOCK, write_codes, write_files
from lossy_lightning.data.source import Part, Source

_FILES_AT_ONCE = 4


class Block(NamedTuple):
    """A block, and what else there is to know of it.

    Attributes:
        data: Its bytes; empty if all of its files are bad.
        examples: Number of examples in it.
        positions: Examples of the source that were read for it.
        moments: `moments` of its codes.
        bad: Files that were left out, or mended.
    """

    data: bytes
    examples: int
    positions: int
    moments: Tensor
    bad: list[BadFile]


class Examples:
    """Examples of a split, in the order in which shards hold them: that of training is drawn once.

    Args:
        data: The data set.
        split: The split.
        source: Its examples.
        is_encoded: Whether these are codes.
    """

    def __init__(self, data: EncodedDataModule, split: Split, source: Source, is_encoded: bool) -> None:
        check_indexed(source)
        self.data = data
        self.split = split
        self.source = source
        self.files = _files(source)
        self.fingerprint = fingerprint_examples(source)
        self.order = range(len(source)) if split != "train" else _drawn(len(source))
        self._encode = _as_it_is if is_encoded else data.codecs.encoder(split, data.spec)
        self._in_workers = not is_encoded and not data.codecs.on_device

    @classmethod
    def of(cls, data: EncodedDataModule, split: Split) -> "Examples | None":
        """Examples of a split; None if there is no such split, or none in it."""
        codes = data._examples(data.codes, split)
        source = data._examples(data.signals, split) if codes is None else codes
        return None if source is None or not len(source) else cls(data, split, source, codes is not None)

    def first_target(self) -> Any:
        """Target of an example, which tells of what type all are."""
        return tree_map(plain, self.source[0][1]) if self.files is None else self.files[0].files[0][1]

    def blocks(self, start: int, kind: str) -> Iterator[Block]:
        """The blocks of the examples from one on.

        Args:
            start: Number of examples of the source that blocks were made of before.
            kind: Type of the targets.
        """
        order = self.order[start:]
        if not order:
            return
        read = self._packed if self.files is None else self._whole
        made: list[Any] = []
        total, bad, positions = torch.zeros(3, len(self.data.spec.low), dtype=torch.float64), [], 0
        for items, own, new_bad, count in read(order, start):
            made += items
            total = total + own
            bad += new_bad
            positions += count
            if positions >= BLOCK or start + positions == len(self.order):
                yield Block(self._written(made, kind), len(made), positions, total, bad)
                start += positions
                made, total, bad, positions = [], torch.zeros_like(total), [], 0

    def _written(self, made: list[Any], kind: str) -> bytes:
        if not made:
            return b""
        first, targets = zip(*made, strict=True)
        if self.files is not None:
            return write_files(first, targets, kind)
        return write_codes(first, targets, kind, self.data.spec)

    def _packed(self, order: Sequence[int], start: int) -> Iterator[tuple[list[Any], Tensor, list[BadFile], int]]:
        """Batches of codes and their targets, sums for statistics, bad files, and examples that were read."""
        spec = self.data.spec
        encoder = Encoder(self._encode, spec, self.data.num_workers, self._in_workers)
        batches, left = encoder.encoded(Part(self.source, order)), len(order)
        while left:
            # A codec that draws random numbers goes on after an interruption as it would have without.
            with RandomKey(("shards", self.split, start + len(order) - left)).everywhere():
                codes, bad = next(batches)
            pairs: list[Any] = []
            total = torch.zeros(3, len(spec.low), dtype=torch.float64)
            for code, targets in codes:
                spec.check(code)
                pairs += ((each, tree_map(plain, target)) for each, target in zip(code, targets, strict=True))
                total += moments(code, spec)
            count = min(encoder.batch_size, left)
            left -= count
            yield pairs, total, bad, count

    def _whole(self, order: Sequence[int], start: int) -> Iterator[tuple[list[Any], Tensor, list[BadFile], int]]:
        """The same of files: bytes instead of codes."""
        assert self.files is not None
        files, indices = self.files
        contents = _Contents(files, [indices[i] for i in order], self.data.spec)
        key = RandomKey(("shards", self.split))
        for items in read_once(contents, key, _FILES_AT_ONCE, self.data.num_workers, list):
            good, bad = sift(items)
            total = torch.zeros(3, len(self.data.spec.low), dtype=torch.float64)
            for _, _, own in good:
                total += own
            yield [(content, target) for content, target, _ in good], total, bad, len(items)


class _Contents(Source):
    """Bytes of files that were read to the end without an error, their classes, and sums over their codes."""

    def __init__(self, files: CodedFiles, indices: Sequence[int], spec: CodeSpec) -> None:
        self.files = files
        self.indices = indices
        self.spec = spec

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        return self.files[self.indices[index]]

    def fetch(self, indices: Sequence[int], key: RandomKey) -> list[Any]:
        """A file each, or what is wrong with it, or both."""
        return [self._item(self.indices[index], key) for index in indices]

    def _item(self, index: int, key: RandomKey) -> Any:
        read, content = self.files.load(index, key), self.files.content(index)
        if isinstance(read, BadFile) or isinstance(content, BadFile):
            return read if isinstance(read, BadFile) else content
        code, target = read.example if isinstance(read, Mended) else read
        item = content, target, moments(code[None], self.spec)
        return read._replace(example=item) if isinstance(read, Mended) else item


def _files(source: Source) -> tuple[CodedFiles, Sequence[int]] | None:
    """The files that examples are read from, and which of them; None if they are no files."""
    if isinstance(source, CodedFiles):
        return source, range(len(source))
    if isinstance(source, Part) and isinstance(source.source, CodedFiles):
        return source.source, source.indices
    return None


def _drawn(count: int) -> list[int]:
    """An order, always the same: folders hold class after class, and a chunk should hold some of each."""
    return torch.randperm(count, generator=RandomKey(("shards", "order")).generator()).tolist()


def _as_it_is(codes: Tensor, targets: Any) -> Tensor:
    return codes
