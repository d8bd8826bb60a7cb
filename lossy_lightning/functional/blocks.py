"""Blocks of a signal: cutting, joining, padding and cropping."""

from collections.abc import Sequence
from itertools import chain
from math import prod

import torch
from torch import Tensor

_MOST_PADDED = 2**29  # bytes


def to_blocks(signal: Tensor, block: tuple[int, ...]) -> Tensor:
    """Cut a signal into non-overlapping blocks; the last ones are padded by replication.

    Args:
        signal: ``(..., channels, *size)``, as many sizes as ``block`` has.
        block: Samples of a block along each axis.

    Returns:
        ``(..., *grid, channels * prod(block))`` with ``grid = ceil(size / block)``; channel first within a block.

    Example:
        >>> to_blocks(torch.arange(16).view(1, 4, 4), (2, 2))[0, 1]
        tensor([2, 3, 6, 7])
    """
    signal = pad_to_multiple(signal, block)
    first = signal.ndim - len(block)
    split = chain.from_iterable((signal.shape[first + i] // width, width) for i, width in enumerate(block))
    parts = signal.reshape(*signal.shape[:first], *split)
    batch = list(range(first - 1))
    grid = list(range(first, parts.ndim, 2))
    inner = list(range(first + 1, parts.ndim, 2))
    return parts.permute(*batch, *grid, first - 1, *inner).flatten(-len(block) - 1)


def pad_to_multiple(signal: Tensor, multiple: Sequence[int]) -> Tensor:
    """Repeat the last samples along each of the last axes until their sizes are multiples.

    Example:
        >>> pad_to_multiple(torch.tensor([1, 2, 3]), (4,))
        tensor([1, 2, 3, 3])
    """
    for axis, width in enumerate(multiple, start=signal.ndim - len(multiple)):
        size = signal.shape[axis]
        if size % width:
            index = torch.arange(-(-size // width) * width, device=signal.device).clamp(max=size - 1)
            signal = signal.index_select(axis, index)
    return signal


def mirror_to(signal: Tensor, size: int, axis: int) -> Tensor:
    """Extend a signal along an axis to a size: the samples before the last one follow it in reverse, then the first.

    Example:
        >>> mirror_to(torch.tensor([1, 2, 3]), 6, -1)
        tensor([1, 2, 3, 2, 1, 1])
    """
    count = signal.shape[axis]
    if count >= size:
        return signal
    index = torch.arange(size, device=signal.device)
    return signal.index_select(axis, torch.where(index < count, index, (2 * count - 2 - index).clamp(min=0)))


def from_blocks(blocks: Tensor, block: tuple[int, ...]) -> Tensor:
    """Put blocks together again, the inverse of `to_blocks` for sizes that are multiples of the block.

    Args:
        blocks: ``(..., *grid, channels * prod(block))``.
        block: Samples of a block along each axis.

    Returns:
        The signal ``(..., channels, *(grid * block))``.
    """
    rank = len(block)
    batch, grid = blocks.shape[: -rank - 1], blocks.shape[-rank - 1 : -1]
    channels = blocks.shape[-1] // prod(block)
    parts = blocks.reshape(*batch, *grid, channels, *block)
    first = len(batch)
    pairs = chain.from_iterable((first + i, first + rank + 1 + i) for i in range(rank))
    sizes = (cells * width for cells, width in zip(grid, block, strict=True))
    return parts.permute(*range(first), first + rank, *pairs).reshape(*batch, channels, *sizes)


def crop(signal: Tensor, size: Sequence[int]) -> Tensor:
    """The first ``size`` samples along each of the last axes: ``(..., *larger)`` to ``(..., *size)``.

    Raises:
        ValueError: If there are fewer samples.
    """
    for axis, length in enumerate(size, start=signal.ndim - len(size)):
        if not 0 <= length <= signal.shape[axis]:
            sizes = tuple(signal.shape[signal.ndim - len(size) :])
            raise ValueError(f"a signal of sizes {sizes} is cropped to at most these; got {tuple(size)}")
        signal = signal.narrow(axis, 0, length)
    return signal


def pad_codes(codes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Batch of codes of different size; the ends of each are padded with the first value of each channel, a valid one.

    Args:
        codes: Each ``(C, *grid)``, of one C and one number of axes.

    Returns:
        The batch ``(N, C, *largest grid)``, and each code's own grid ``(N, axes)``, int64.

    Raises:
        ValueError: If the batch takes more than 512 MiB, and more than four times what its codes do: a very wide and a
            very high one would ask for gigabytes.

    Example:
        >>> batch, grid_size = pad_codes([torch.ones(1, 2), torch.zeros(1, 3)])
        >>> batch.shape, grid_size.flatten()
        (torch.Size([2, 1, 3]), tensor([2, 3]))
    """
    grid_size = torch.tensor([code.shape[1:] for code in codes])
    if len({code.shape for code in codes}) == 1:
        return torch.stack(list(codes)), grid_size
    largest = grid_size.amax(0).tolist()
    padded = len(codes) * len(codes[0]) * prod(largest) * codes[0].element_size()
    own = sum(code.nbytes for code in codes)
    if padded > max(_MOST_PADDED, 4 * own):
        raise ValueError(
            f"a batch of {len(codes)} codes of {own} bytes takes {padded} padded to the grid {tuple(largest)}, more "
            f"than the budget of {_MOST_PADDED} bytes, or four times the codes: crop them, or take smaller batches"
        )
    batch = codes[0].new_empty((len(codes), len(codes[0]), *largest))
    for row, code in zip(batch, codes, strict=True):
        row[...] = code.flatten(1)[:, 0].view(-1, *[1] * len(largest))
        crop(row, code.shape[1:]).copy_(code)
    return batch, grid_size
