"""Splits of a data set before they are encoded."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.utils.data import default_collate

from lossy_lightning.core import RandomKey, keep_random_state
from lossy_lightning.data._file_source import collate_good
from lossy_lightning.data.bad_files import BadFile, Mended
from lossy_lightning.data.source import Part, Source, Stream
from lossy_lightning.functional import pad_codes

Split = Literal["train", "val", "test"]

SPLITS: dict[str, tuple[Split, ...]] = {
    "fit": ("train", "val"),
    "validate": ("val",),
    "test": ("test",),
    "predict": ("test",),
}
"""Splits that a stage of the trainer needs."""


def take_split(source: Callable[[Split], Source | None], split: Split, val_fraction: float, seed: int) -> Source | None:
    """A split of a data set; if it has no "val", a seeded part of "train" is taken.

    Args:
        source: Gives the data set's own splits, None if there is none.
        split: The split to take.
        val_fraction: Share of "train" that becomes "val".
        seed: Of the choice.

    Returns:
        The split; None if it would be empty.

    Raises:
        MisconfigurationException: If a part of a stream is to be taken.
    """
    own = source(split)
    if own is not None and (split != "train" or source("val") is not None):
        return own
    train = own if split == "train" else source("train") if split == "val" else None
    if train is None:
        return None
    if isinstance(train, Stream):
        if val_fraction:
            raise MisconfigurationException(
                f"no part of {type(train).__name__}, a stream, can be taken for validation; return a stream for 'val' "
                "too, or set val_fraction=0"
            )
        return train if split == "train" else None
    total = len(train)
    order = torch.randperm(total, generator=torch.Generator().manual_seed(seed)).tolist()
    count = round(total * val_fraction)
    if split == "train" and count == 0:
        return train
    chosen = order[:count] if split == "val" else order[count:]
    return Part(train, sorted(chosen)) if chosen else None


def check_indexed(signals: Source) -> None:
    """Check that signals have an index, by which their codes are cached.

    Raises:
        MisconfigurationException: If they are a stream.
    """
    if isinstance(signals, Stream):
        raise MisconfigurationException(
            f"signals() returns {type(signals).__name__}, a stream, but codes of signals are cached by index; return a "
            "data set with an index, or a stream of codes from codes()"
        )


class TransformedSource(Source):
    """Signals that are transformed at each reading.

    Args:
        signals: Pairs of signal and target.
        transform: Of a signal.
        encode: Codes of a batch of signals and their targets, if encoding is done at reading too.
    """

    def __init__(
        self,
        signals: Source,
        transform: Callable[[Tensor], Tensor],
        encode: Callable[[Tensor, Any], Tensor] | None = None,
    ) -> None:
        self.signals = signals
        self.transform = transform
        self.encode = encode
        self.loader = signals.loader
        self.log = signals.log

    def __len__(self) -> int:
        return len(self.signals)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        return self._made(*self.signals[index])

    def collate(self, batch: Any) -> Any:
        """As the signals, whose bad files are left out."""
        return collate_good(batch, default_collate)

    def fetch(self, indices: Sequence[int], key: RandomKey) -> Any:
        """Pairs, each drawn by itself, and bad files as the signals have them."""
        if self.log is None:
            return self.fetch_each(indices, key)
        items = self.signals.fetch(indices, key)  # there may be more, in place of bad ones
        with keep_random_state():
            for number, item in enumerate(items):
                key.of("transform", indices[min(number, len(indices) - 1)], number).seed_globally()
                if isinstance(item, Mended):
                    items[number] = item._replace(example=self._made(*item.example))
                elif not isinstance(item, BadFile):
                    items[number] = self._made(*item)
        return items

    def describe(self, index: int) -> str:
        """As the signals."""
        return self.signals.describe(index)

    def fingerprint(self) -> str:
        """As the signals."""
        return self.signals.fingerprint()

    def _made(self, signal: Tensor, target: Any) -> tuple[Tensor, Any]:
        signal = self.transform(signal)
        return (signal if self.encode is None else self.encode(signal[None], [target])[0]), target


class PaddedSource(TransformedSource):
    """Transformed signals of different size, encoded at reading; batches are ``(code, target, grid_size)``, padded."""

    def collate(self, batch: Any) -> Any:
        """Batch of some codes and targets."""
        return collate_good(batch, _padded)


def _padded(pairs: list[tuple[Tensor, Any]]) -> tuple[Tensor, Any, Tensor]:
    codes, targets = zip(*pairs, strict=True)
    code, grid_size = pad_codes(codes)
    return code, default_collate(list(targets)), grid_size
