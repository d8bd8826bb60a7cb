"""Examples of a split, as a datamodule reads them."""

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, default_collate

from lossy_lightning.core import InputError, RandomKey, keep_random_state
from lossy_lightning.data._epoch_loader import EpochLoader
from lossy_lightning.data.bad_files import BadFileLog

SAMPLE = RandomKey(("sample",))
"""Of examples that statistics and fingerprints are made of."""


class Source(Dataset[Any]):
    """Examples of a split: pairs of a signal, or a code, and its target.

    A subclass writes ``__getitem__`` and ``__len__``. What else there is has a default, for sources that read batches
    at once, make them in threads, or can say where an example lies. An example may be drawn at random: from the global
    generators of Python, NumPy and torch, or by the key that `fetch` is given.

    Attributes:
        loader: Class of the loader that makes batches.
        log: Of bad files, if examples lie in files that may be bad.

    Example:
        >>> class Zeros(Source):
        ...     def __getitem__(self, index):
        ...         return torch.zeros(1, 2), index
        ...     def __len__(self):
        ...         return 3
        >>> Zeros().collate(Zeros().__getitems__([0, 2]))[1]
        tensor([0, 2])
    """

    loader: type[DataLoader[Any]] = EpochLoader
    log: BadFileLog | None = None

    @abstractmethod
    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        """One example."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of examples."""

    def __getitems__(self, indices: Sequence[int]) -> Any:
        """Several examples, as `collate` takes them; by default a list of pairs."""
        return [self[index] for index in indices]

    def fetch(self, indices: Sequence[int], key: RandomKey) -> Any:
        """The same, but whatever is random about the examples is drawn by a key.

        By default the global generators are seeded for the batch, and put back. A source whose examples should not
        depend on their batch draws by ``key.of(index)``, or returns `fetch_each`.

        Args:
            indices: Of the examples.
            key: Of the epoch.
        """
        with key.of(*indices).everywhere():
            return self.__getitems__(indices)

    def fetch_each(self, indices: Sequence[int], key: RandomKey) -> list[tuple[Tensor, Any]]:
        """A list of pairs; the global generators are seeded for each of them, and put back."""
        examples = []
        with keep_random_state():
            for index in indices:
                key.of(index).seed_globally()
                examples.append(self[index])
        return examples

    def collate(self, batch: Any) -> Any:
        """A batch ``(code, target)``, or ``(code, target, grid_size)`` if codes differ in size."""
        return default_collate(batch)

    def sample(self, indices: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        """Some examples in batches of any size, for statistics; by default those of one size together.

        They are the same at each call.
        """
        return stack_by_size(self.fetch_each(indices, SAMPLE))

    def describe(self, index: int) -> str:
        """What an error calls an example, such as the path of its file."""
        return f"example {index}"

    def fingerprint(self) -> str:
        """Text that is another if an example changed, as far as can be told quickly; by default it is empty.

        Caches are found by it, and by the values of some examples.
        """
        return ""


class Stream(Source, IterableDataset[Any]):
    """Examples that come one after another, such as those of shards: they are not counted, nor found by an index.

    A subclass writes ``__iter__``, which shares examples among workers and ranks, and shuffles them if they are for
    training. Only `EncodedDataModule.codes` may return a stream, for the cache needs indices.
    """

    @abstractmethod
    def __iter__(self) -> Iterator[tuple[Tensor, Any]]:
        """The examples."""

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        raise TypeError(f"{type(self).__name__} is a stream, whose examples have no index")

    def __len__(self) -> int:
        raise TypeError(f"{type(self).__name__} is a stream, whose examples are not counted")


class Part(Source):
    """Some examples of another source.

    Args:
        source: Has an index.
        indices: Of its examples.
    """

    def __init__(self, source: Source, indices: Sequence[int]) -> None:
        self.source = source
        self.indices = indices
        self.loader = source.loader
        self.log = source.log

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        return self.source[self.indices[index]]

    def __getitems__(self, indices: Sequence[int]) -> Any:
        return self.source.__getitems__([self.indices[index] for index in indices])

    def fetch(self, indices: Sequence[int], key: RandomKey) -> Any:
        """As the source."""
        return self.source.fetch([self.indices[index] for index in indices], key)

    def collate(self, batch: Any) -> Any:
        """As the source."""
        return self.source.collate(batch)

    def sample(self, indices: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        """As the source."""
        return self.source.sample([self.indices[index] for index in indices])

    def describe(self, index: int) -> str:
        """As the source."""
        return self.source.describe(self.indices[index])

    def fingerprint(self) -> str:
        """That of the source, and of the indices."""
        return f"{self.source.fingerprint()} {digest(np.asarray(self.indices, np.int64))}"


class Pairs(Source):
    """Any map-style data set, or list, of pairs.

    Args:
        dataset: The data set.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        pair: tuple[Tensor, Any] = self.dataset[index]
        return pair

    def __getitems__(self, indices: Sequence[int]) -> Any:
        # torch's own way to fetch a batch, which data sets of others may have.
        fetch = getattr(self.dataset, "__getitems__", None)
        return super().__getitems__(indices) if fetch is None else fetch(indices)

    def fetch(self, indices: Sequence[int], key: RandomKey) -> Any:
        """Pairs, each drawn by itself unless the data set reads batches at once."""
        at_once = hasattr(self.dataset, "__getitems__")
        return super().fetch(indices, key) if at_once else self.fetch_each(indices, key)

    def fingerprint(self) -> str:
        """Of tensors, a hash of all values."""
        tensors = self.dataset.tensors if isinstance(self.dataset, TensorDataset) else ()
        return " ".join(f"{tensor.dtype}{tuple(tensor.shape)}{digest(tensor.numpy())}" for tensor in tensors)


class PairStream(Stream):
    """Any iterable data set of pairs.

    Args:
        dataset: The data set.
    """

    def __init__(self, dataset: IterableDataset[Any]) -> None:
        self.dataset = dataset

    def __iter__(self) -> Iterator[tuple[Tensor, Any]]:
        return iter(self.dataset)


def drawn_key() -> RandomKey:
    """A key drawn from torch's global generator, for whoever reads a source without one."""
    return RandomKey((int(torch.randint(2**62, ())),))


def as_source(dataset: Dataset[Any] | None) -> Source | None:
    """The source that a data set is, or one that reads it."""
    if dataset is None or isinstance(dataset, Source):
        return dataset
    return PairStream(dataset) if isinstance(dataset, IterableDataset) else Pairs(dataset)


def digest(values: NDArray[Any]) -> str:
    """Hash of all values of an array."""
    return hashlib.sha256(np.ascontiguousarray(values).view(np.uint8).data).hexdigest()


def stack_by_size(pairs: list[tuple[Tensor, Any]]) -> Iterator[tuple[Tensor, tuple[Any, ...]]]:
    """Batches of signals and their targets: one if the signals have one size, else one each.

    Raises:
        ValueError: If an example is no pair of a tensor and a target.
    """
    for pair in pairs:
        if len(pair) != 2 or not isinstance(pair[0], Tensor):
            got = ", ".join(type(part).__name__ for part in pair)
            raise InputError(
                f"an example is a pair of a signal, a tensor, and a target; got ({got}): turn images to uint8 by "
                "torchvision.transforms.v2.functional.pil_to_tensor, arrays to tensors by torch.from_numpy"
            )
    same_size = len({signal.shape for signal, _ in pairs}) == 1
    for group in [pairs] if same_size else [[pair] for pair in pairs]:
        signals, targets = zip(*group, strict=True)
        yield torch.stack(signals), targets
