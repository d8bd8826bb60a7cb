"""Batches read ahead by threads."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from torch.utils.data._utils.pin_memory import pin_memory

from lossy_lightning.data._file_source import FileLoader
from lossy_lightning.data.bad_files import FileBatch


class ReadAheadLoader(FileLoader):
    """A loader whose workers are threads of this process.

    It is for data sets that leave the GIL to others while they read, and whose ``__getitems__`` several threads may
    call at once: it must not draw from global generators. Next to a loader of processes nothing is started, copied or
    sent, and no memory shared. Two batches a worker are read ahead.

    Args: as of `torch.utils.data.DataLoader`.
    """

    def read_batches(self) -> Iterator[Any]:
        """Batches, which threads read if there are workers."""
        return self._read_ahead() if self.num_workers > 0 else super().read_batches()

    def _read_ahead(self) -> Iterator[Any]:
        read: Any = self.dataset
        waiting: deque[Future[Any]] = deque()
        pool = ThreadPoolExecutor(self.num_workers, "read-ahead")
        try:
            for indices in self.batch_sampler or ():
                waiting.append(pool.submit(read.__getitems__, indices))
                if len(waiting) > 2 * self.num_workers:
                    yield self._pinned(waiting.popleft().result())
            while waiting:
                yield self._pinned(waiting.popleft().result())
        finally:
            # A loop that was left early is cleaned up by whatever thread collects it, perhaps one of these.
            pool.shutdown(wait=False, cancel_futures=True)

    def _pinned(self, batch: Any) -> Any:
        if not self.pin_memory or batch is None:
            return batch
        if isinstance(batch, FileBatch):
            return batch._replace(batch=self._pinned(batch.batch))
        return pin_memory(batch)  # type: ignore[no-untyped-call]  # targets may be dictionaries, or texts
