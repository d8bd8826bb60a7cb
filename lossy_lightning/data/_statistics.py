"""Samples of a split, and the statistics of codes, channel by channel."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lossy_lightning.core import CodeStatistics, InputError
from lossy_lightning.functional import crop


def evenly_spaced(total: int, most: int) -> list[int]:
    """At most ``most`` indices below ``total``, evenly spaced, the first and the last among them."""
    return sorted({round(index) for index in np.linspace(0, total - 1, min(most, total)).tolist()})


def stack_by_size(pairs: list[tuple[Tensor, Any]]) -> Iterator[tuple[Tensor, tuple[Any, ...]]]:
    """Batches of signals and their targets: one where the signals have one size, else one each.

    Raises:
        ValueError: Where an example is no pair of a tensor and a target.
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


def read_sample(examples: Dataset[Any], most: int) -> Iterator[tuple[Any, ...]]:
    """Batches of at most ``most`` evenly spaced examples, the same at each call; torch's random numbers stay.

    Args:
        examples: Pairs of signal (or code) and target; if it has a ``collate``, it makes whole batches itself.
        most: Number of examples.

    Yields:
        ``(signals, targets)``, or the batches that the data set makes, which may have more.
    """
    indices = evenly_spaced(len(examples), most)  # type: ignore[arg-type]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # examples may be cropped at random
        for start in range(0, len(indices), 64):
            part = indices[start : start + 64]
            if hasattr(examples, "collate"):
                yield examples.collate(examples.__getitems__(part))  # type: ignore[attr-defined]
            else:
                yield from stack_by_size([examples[index] for index in part])


def moments(codes: Tensor) -> Tensor:
    """Sum, sum of squares and count of each channel of codes ``(N, C, *grid)``: ``(3, C)``, float64."""
    channels = codes.transpose(0, 1).flatten(1).double()
    count = torch.full_like(channels[:, 0], channels.shape[1])
    return torch.stack([channels.sum(1), channels.square().sum(1), count])


def statistics_of(moments: Tensor) -> CodeStatistics:
    """Mean and standard deviation of added `moments`."""
    total, square, count = moments
    std = (square / count - (total / count).square()).clamp(min=0).sqrt()
    return CodeStatistics((total / count).float(), std.float())


def sample_statistics(examples: Dataset[Any], encode: Callable[[Tensor, Any], Tensor] | None) -> CodeStatistics:
    """Statistics of the codes of 1 024 evenly spaced examples; padding does not count.

    Args:
        examples: Pairs of signal (or code) and target.
        encode: Codes of a batch of signals and their targets; None where the examples are codes.
    """
    total: Tensor | float = 0.0
    for values, targets, *grid_size in read_sample(examples, 1024):
        codes = values if encode is None else encode(values, targets)
        whole = [crop(c, size)[None] for c, size in zip(codes, grid_size[0].tolist(), strict=True)] if grid_size else []
        total = sum(map(moments, whole or [codes]), total)
    return statistics_of(torch.as_tensor(total))
