"""Loaders of a datamodule."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from lightning.pytorch.overrides.distributed import UnrepeatedDistributedSampler
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler

from lossy_lightning.core import RandomKey
from lossy_lightning.data._epoch_loader import EpochLoader
from lossy_lightning.data._reading import Reading, StreamReading
from lossy_lightning.data.source import Source, Stream


class Place(NamedTuple):
    """Where a training is.

    Attributes:
        epoch: Number of the epoch.
        batch: Number of the batch in it.
    """

    epoch: int = 0
    batch: int = 0


class Order(DistributedSampler[Any]):
    """Order of the training examples, drawn anew for each epoch; ranks take turns, and repeat examples to be as many.

    It gives pairs of epoch and index. Each time that it is gone through is an epoch, unless `set_epoch` says which.

    Args:
        source: The examples.
        key: Of the split.
        batch_size: Examples of a batch.
        start: First epoch, and the batch in it that comes first.
    """

    def __init__(self, source: Source, key: RandomKey, batch_size: int, start: Place) -> None:
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        super().__init__(source, None if distributed else 1, None if distributed else 0)
        self.key = key
        self.batch_size = batch_size
        self.start = start
        self.epoch = start.epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch, start = self.epoch, self.start
        self.start = Place(epoch + 1)  # only the first time it is not the beginning
        generator = self.key.of("order", epoch).generator()
        order = torch.randperm(len(self.dataset), generator=generator)  # type: ignore[arg-type]
        mine = order[torch.arange(self.rank, self.total_size, self.num_replicas) % len(order)]
        first = start.batch * self.batch_size if epoch == start.epoch else 0
        for index in mine[first:].tolist():
            yield epoch, index
        self.epoch = epoch + 1


def make_loader(
    source: Source, key: RandomKey, batch_size: int, num_workers: int, training: bool, start: Place
) -> DataLoader[Any]:
    """Loader of a source: shuffled in training; otherwise each example comes once, on any number of ranks.

    A stream shuffles and shares out its examples itself. Global generators stay as they are.

    Args:
        source: The examples of a split.
        key: Of the split.
        batch_size: Examples of a batch.
        num_workers: Of the loader.
        training: Whether examples are shuffled, and random ones drawn anew in each epoch.
        start: Of the training, the epoch and batch that come first.
    """
    if isinstance(source, Stream):
        reading = StreamReading(source, key, start.epoch if training else None)
        loader = reading_loader(source, reading, key, batch_size, num_workers)
        if training and isinstance(loader, EpochLoader):
            loader.skipped = start.batch
        return loader
    sampler: Sampler[Any] | None = None
    if training:
        sampler = Order(source, key, batch_size, start)
    elif torch.distributed.is_available() and torch.distributed.is_initialized():
        # Lightning would repeat examples to give all ranks the same number.
        sampler = UnrepeatedDistributedSampler(source, shuffle=False)
    return reading_loader(source, Reading(source, key), key, batch_size, num_workers, sampler)


def reading_loader(
    source: Source,
    reading: Dataset[Any],
    key: RandomKey,
    batch_size: int,
    num_workers: int,
    sampler: Sampler[Any] | None = None,
) -> DataLoader[Any]:
    """The loader that a source asks for.

    Args:
        source: The examples of a split.
        reading: The same, with its random numbers.
        key: Of the split.
        batch_size: Examples of a batch.
        num_workers: Of the loader.
        sampler: Order of the examples.
    """
    return source.loader(
        reading,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=torch.cuda.is_available(),
        collate_fn=source.collate,
        generator=key.of("workers").generator(),  # else each epoch would draw a number from torch's own
    )


def read_once(
    source: Source, key: RandomKey, batch_size: int, num_workers: int, collate_fn: Callable[[Any], Any]
) -> DataLoader[Any]:
    """Loader that reads a source in its order, to prepare something; global generators stay as they are.

    Args:
        source: The examples.
        key: Of what is prepared.
        batch_size: Examples of a batch.
        num_workers: Of the loader.
        collate_fn: What becomes of a batch, given as the source fetches it.
    """
    return DataLoader(
        Reading(source, key),
        batch_size=batch_size,
        num_workers=num_workers,
        collate_fn=collate_fn,
        generator=key.of("workers").generator(),
    )
