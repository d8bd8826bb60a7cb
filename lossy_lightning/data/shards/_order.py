"""Which example comes when: chunk after chunk, so that few are open, and no process needs all of them."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
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

    If examples are put into batches by length, those of some batches, which the order has side by side in one chunk,
    are sorted, cut into batches, and the batches shuffled.

    Args:
        sizes: Examples of each chunk.
        key: Of the split.
        batch_size: Examples of a batch.
        training: Whether it is for training.
        start: First epoch, and the batch in it that comes first.
        sorted_batches: Number of the batches that examples are sorted among by length in training; 1 for no sorting.
        lengths: Length of each example of a chunk, in an epoch.
    """

    def __init__(
        self,
        sizes: NDArray[Any],
        key: RandomKey,
        batch_size: int,
        training: bool,
        start: Place,
        sorted_batches: int = 1,
        lengths: Callable[[int, RandomKey], NDArray[Any]] | None = None,
    ) -> None:
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        total = range(int(sizes.sum()))
        super().__init__(total, None if distributed else 1, None if distributed else 0)  # type: ignore[arg-type]
        self.sizes = sizes
        self.key = key
        self.batch_size = batch_size
        self.training = training
        self.start = start
        self.sorted_batches = sorted_batches
        self.lengths = lengths
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
        skipped = 0
        if self.training:
            self.start = Place(epoch + 1)  # only the first time it is not the beginning
            skipped = start.batch * self.batch_size if epoch == start.epoch else 0
        (first, stop), total = self.share, int(self.sizes.sum())
        before = 0
        for begin, end in ((first, min(stop, total)), (max(first, total) - total, stop - total)):
            for index in self._indices(epoch, begin, end, before, skipped):
                yield (epoch, index) if self.training else index
            before += max(0, end - begin)
        self.epoch = epoch + 1

    def _indices(self, epoch: int, first: int, stop: int, before: int, skipped: int) -> Iterator[int]:
        """Examples at some places of the order of an epoch.

        Args:
            epoch: Its number.
            first: Place of the first.
            stop: Place behind the last.
            before: Examples of this process that came before.
            skipped: Examples of this process, from the beginning of the epoch, that are left out.
        """
        key = self.key.of(epoch) if self.training else None
        starts = np.cumsum(self.sizes) - self.sizes
        passed = 0
        for number in chunk_order(len(self.sizes), key):
            size, begin = int(self.sizes[number]), passed
            passed += size
            low, high = max(first - begin, 0), min(stop - begin, size)
            if low >= high:
                continue
            own = torch.arange(size)
            if key is not None:
                own = torch.randperm(size, generator=key.of("examples", number).generator())
            own = own[low:high]
            left_out = min(len(own), max(0, skipped - before))
            if key is not None and self.lengths is not None and self.sorted_batches > 1 and left_out < len(own):
                own = self._sorted(own, self.lengths(number, key), -before % self.batch_size, key.of("batches", number))
            before += len(own)
            yield from (own[left_out:] + int(starts[number])).tolist()

    def _sorted(self, own: Tensor, lengths: NDArray[Any], head: int, key: RandomKey) -> Tensor:
        """Some examples of a chunk in batches by length; the first of them are left as they are, to fill a batch."""
        generator = key.generator()
        parts = [own[:head]]
        for pool in torch.split(own[head:], self.sorted_batches * self.batch_size):
            by_length = torch.from_numpy(np.argsort(lengths[pool.numpy()], kind="stable"))
            batches = list(torch.split(pool[by_length], self.batch_size))
            whole = len(pool) // self.batch_size  # a batch that is not whole stays behind the others
            order = torch.randperm(whole, generator=generator).tolist()
            parts += [batches[i] for i in order] + batches[whole:]
        return torch.cat(parts)
