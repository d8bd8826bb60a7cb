"""Batches read ahead by threads."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, cast

import torch
from torch.utils.data import DataLoader


class BatchReader(Protocol):
    """What a data set offers whose batches threads can read: random choices apart from the work."""

    def plan(self, indices: list[int]) -> Any:
        """What to read for these examples; whatever is random about it is drawn here, in the order of the batches."""

    def read(self, plan: Any) -> tuple[torch.Tensor, ...]:
        """The batch; called by several threads at once."""


class ReadAheadLoader(DataLoader[Any]):
    """A loader whose workers are threads of this process; the data set is a `BatchReader`.

    It is for data sets that leave the GIL to others while they read. Next to a loader of processes nothing is started,
    copied or sent, and no memory shared. Two batches a worker are read ahead.

    Args: as of `torch.utils.data.DataLoader`.
    """

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        return self._read_ahead() if self.num_workers > 0 else super().__iter__()

    def _read_ahead(self) -> Iterator[Any]:
        dataset = cast(BatchReader, self.dataset)
        waiting: deque[Future[tuple[torch.Tensor, ...]]] = deque()
        pool = ThreadPoolExecutor(self.num_workers, "read-ahead")
        try:
            for indices in self.batch_sampler or ():
                # Planned here, so that a seed gives the same batches whichever thread is first.
                waiting.append(pool.submit(dataset.read, dataset.plan(indices)))
                if len(waiting) > 2 * self.num_workers:
                    yield self._pinned(waiting.popleft().result())
            while waiting:
                yield self._pinned(waiting.popleft().result())
        finally:
            # A loop that was left early is cleaned up by whatever thread collects it, perhaps one of these.
            pool.shutdown(wait=False, cancel_futures=True)

    def _pinned(self, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return tuple(tensor.pin_memory() for tensor in batch) if self.pin_memory else batch
