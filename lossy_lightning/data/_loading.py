"""Loaders of a datamodule."""

from typing import Any

import torch
from lightning.pytorch.overrides.distributed import UnrepeatedDistributedSampler
from torch.utils.data import DataLoader

from lossy_lightning.data.source import Source, Stream


def make_loader(source: Source, training: bool, batch_size: int, num_workers: int) -> DataLoader[Any]:
    """Loader of a source: shuffled in training; otherwise each example comes once, on any number of ranks.

    A stream shuffles and shares out its examples itself.
    """
    indexed = not isinstance(source, Stream)
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    # Lightning would repeat examples to give all ranks the same number.
    once = indexed and distributed and not training
    return source.loader(
        source,
        batch_size=batch_size,
        shuffle=indexed and training,
        sampler=UnrepeatedDistributedSampler(source, shuffle=False) if once else None,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=torch.cuda.is_available(),
        collate_fn=source.collate,
    )
