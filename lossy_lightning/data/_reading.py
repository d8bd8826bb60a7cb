"""Sources as loaders read them: what is random about an example depends on its place alone."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from lossy_lightning.core import RandomKey, keep_random_state, random_state, set_random_state
from lossy_lightning.data.source import Source, Stream


class Reading(Dataset[Any]):
    """A source whose examples are drawn by epoch and index.

    Args:
        source: Has an index.
        key: Of the split.
    """

    def __init__(self, source: Source, key: RandomKey) -> None:
        self.source = source
        self.key = key

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Any:
        return self.source[index]

    def __getitems__(self, places: Sequence[int] | Sequence[tuple[int, int]]) -> Any:
        """A batch of places: pairs of epoch and index, or indices alone if examples are the same in each epoch."""
        pairs = [place if isinstance(place, tuple) else (0, place) for place in places]
        return self.source.fetch([index for _, index in pairs], self.key.of(pairs[0][0]))


class StreamReading(IterableDataset[Any]):
    """A stream that draws by epoch and worker; the first worker draws as the process itself does without workers.

    Args:
        stream: The stream.
        key: Of the split.
        epoch: That comes first; None if all are the same.
    """

    def __init__(self, stream: Stream, key: RandomKey, epoch: int | None) -> None:
        self.stream = stream
        self.key = key
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[Tensor, Any]]:
        info = get_worker_info()
        key = self.key.of(self.epoch or 0, 0 if info is None else info.id)
        if self.epoch is not None:
            self.epoch += 1
        with key.everywhere():
            examples, state = iter(self.stream), random_state()
        while True:
            # Between two examples, the global generators are others' to draw from.
            with keep_random_state():
                set_random_state(state)
                try:
                    example = next(examples)
                except StopIteration:
                    return
                state = random_state()
            yield example
