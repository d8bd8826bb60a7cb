"""Splits of a data set before they are encoded."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import Dataset, Subset, default_collate

from lossy_lightning.functional import pad_codes

Split = Literal["train", "val", "test"]
Examples = Dataset[tuple[Tensor, Any]]
"""Pairs of signal (or code) and target."""


def take_split(
    source: Callable[[Split], Examples | None], split: Split, val_fraction: float, seed: int
) -> Examples | None:
    """A split of a data set; where it has no "val", a seeded part of "train" is taken.

    Args:
        source: Gives the data set's own splits, None where there is none.
        split: The split to take.
        val_fraction: Share of "train" that becomes "val".
        seed: Of the choice.

    Returns:
        The split; None where it would be empty.
    """
    own = source(split)
    if own is not None and (split != "train" or source("val") is not None):
        return own
    train = own if split == "train" else source("train") if split == "val" else None
    if train is None:
        return None
    total = len(train)  # type: ignore[arg-type]
    order = torch.randperm(total, generator=torch.Generator().manual_seed(seed)).tolist()
    count = round(total * val_fraction)
    if split == "train" and count == 0:
        return train
    chosen = order[:count] if split == "val" else order[count:]
    return Subset(train, sorted(chosen)) if chosen else None


class TransformedDataset(Dataset[tuple[Tensor, Any]]):
    """Signals that are transformed at each reading.

    Args:
        signals: Pairs of signal and target.
        transform: Of a signal.
        encode: Codes of a batch of signals and their targets, where encoding is done at reading too.
    """

    def __init__(
        self,
        signals: Examples,
        transform: Callable[[Tensor], Tensor],
        encode: Callable[[Tensor, Any], Tensor] | None = None,
    ) -> None:
        self.signals = signals
        self.transform = transform
        self.encode = encode

    def __len__(self) -> int:
        return len(self.signals)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        signal, target = self.signals[index]
        signal = self.transform(signal)
        return (signal if self.encode is None else self.encode(signal[None], [target])[0]), target


class PaddedDataset(TransformedDataset):
    """Transformed signals of different size, encoded at reading; batches are ``(code, target, grid_size)``, padded."""

    @staticmethod
    def collate(pairs: list[tuple[Tensor, Any]]) -> tuple[Tensor, Any, Tensor]:
        """Batch of some codes and targets."""
        codes, targets = zip(*pairs, strict=True)
        code, grid_size = pad_codes(codes)
        return code, default_collate(list(targets)), grid_size
