"""Which example comes when: chunk after chunk, so that few are open, and no process needs all of them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DistributedSampler

from lossy_lightning.core import RandomKey
from lossy_lightning.data._loading import Place


def chunk_order(count: int, epoch: RandomKey | None) -> list[int]:
    """Numbers of the chunks, in the order in which an epoch goes through them; None for their own order."""
    if epoch is None:
        return list(range(count))
    return torch.randperm(count, generator=epoch.of("chunks").generator()).tolist()


class ShardOrder(DistributedSampler[Any]):
    """Order of the examples of shards, of which each process has a share that lies side by side.

    In training chunks are shuffled, and the examples in each, anew for each epoch; the first examples of the epoch are
    repeated to give all processes the same number, fewer than there are processes. It gives pairs of epoch and index.
    Otherwise each example comes once, and what is given is its index. Each time that it is gone through is an epoch,
    unless `set_epoch` says which.

    Args:
        sizes: Examples of each chunk.
        key: Of the split.
        batch_size: Examples of a batch.
        training: Whether it is for training.
        start: First epoch, and the batch in it that comes first.
    """

    def __init__(self, sizes: NDArray[Any], key: RandomKey, batch_size: int, training: bool, start: Place) -> None:
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        total = range(int(sizes.sum()))
        super().__init__(total, None if distributed else 1, None if distributed else 0)  # type: ignore[arg-type]
        self.sizes = sizes
        self.key = key
        self.batch_size = batch_size
        self.training = training
        self.start = start
        self.epoch = start.epoch
        count = len(total)
        if training:
            self.share = (self.rank * self.num_samples, (self.rank + 1) * self.num_samples)
        else:
            self.share = (self.rank * count // self.num_replicas, (self.rank + 1) * count // self.num_replicas)

    def __len__(self) -> int:
        return self.share[1] - self.share[0]

    def __iter__(self) -> Iterator[Any]:
        epoch, start = self.epoch, self.start
        first, stop = self.share
        if self.training:
            self.start = Place(epoch + 1)  # only the first time it is not the beginning
            first += start.batch * self.batch_size if epoch == start.epoch else 0
        total = int(self.sizes.sum())
        for begin, end in ((first, min(stop, total)), (max(first, total) - total, stop - total)):
            for index in self._indices(epoch, begin, end):
                yield (epoch, index) if self.training else index
        self.epoch = epoch + 1

    def _indices(self, epoch: int, first: int, stop: int) -> Iterator[int]:
        """Examples at some places of the order of an epoch."""
        key = self.key.of(epoch) if self.training else None
        starts = np.cumsum(self.sizes) - self.sizes
        before = 0
        for number in chunk_order(len(self.sizes), key):
            size, begin = int(self.sizes[number]), before
            before += size
            low, high = max(first - begin, 0), min(stop - begin, size)
            if low >= high:
                continue
            own = torch.arange(size)
            if key is not None:
                own = torch.randperm(size, generator=key.of("examples", number).generator())
            yield from (own[low:high] + int(starts[number])).tolist()
