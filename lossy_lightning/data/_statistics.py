"""Samples of a split, and the statistics of codes, channel by channel."""

import hashlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossy_lightning.core import CodeSpec, CodeStatistics
from lossy_lightning.data.source import SAMPLE, Source, Stream, stack_by_size
from lossy_lightning.functional import crop

_AT_ONCE = 64


def evenly_spaced(total: int, max_count: int) -> list[int]:
    """At most ``max_count`` indices below ``total``, evenly spaced, the first and the last among them."""
    return sorted({round(index) for index in np.linspace(0, total - 1, min(max_count, total)).tolist()})


def read_sample(examples: Source, max_examples: int) -> Iterator[tuple[Any, ...]]:
    """Batches of at most ``max_examples`` evenly spaced examples, the same at each call.

    Args:
        examples: Pairs of signal (or code) and target; of a stream, the first are taken.
        max_examples: Number of examples.

    Yields:
        ``(signals, targets)``, or batches as the source makes them, which may have more.
    """
    if isinstance(examples, Stream):
        with SAMPLE.everywhere():
            pairs = list(islice(examples, max_examples))
        for start in range(0, len(pairs), _AT_ONCE):
            yield from stack_by_size(pairs[start : start + _AT_ONCE])
        return
    indices = evenly_spaced(len(examples), max_examples)
    for start in range(0, len(indices), _AT_ONCE):
        yield from examples.sample(indices[start : start + _AT_ONCE])


def moments(codes: Tensor, spec: CodeSpec) -> Tensor:
    """Sum, sum of squares and count of each channel of codes ``(N, C, *grid)``: ``(3, C)``, float64.

    Values that say "not there" do not count.
    """
    channels = codes.transpose(0, 1).flatten(1).double()
    count = torch.full_like(channels[:, 0], channels.shape[1])
    for field in spec.fields:
        if field.absent is not None:
            own = spec.channels(field.name)
            there = channels[own] != field.absent
            channels[own] *= there
            count[own] = there.sum(1).double()
    return torch.stack([channels.sum(1), channels.square().sum(1), count])


def statistics_of(moments: Tensor) -> CodeStatistics:
    """Mean and standard deviation of added `moments`; zeros for channels without a value."""
    total, square, count = moments
    count = count.clamp(min=1)
    std = (square / count - (total / count).square()).clamp(min=0).sqrt()
    return CodeStatistics((total / count).float(), std.float())


def sample_statistics(
    examples: Source, spec: CodeSpec, encode: Callable[[Tensor, Any], Tensor] | None
) -> CodeStatistics:
    """Statistics of the codes of 1 024 evenly spaced examples; padding does not count.

    Args:
        examples: Pairs of signal (or code) and target.
        spec: Of the codes.
        encode: Codes of a batch of signals and their targets; None if the examples are codes.
    """
    total: Tensor | float = 0.0
    for values, targets, *grid_size in read_sample(examples, 1024):
        codes = values if encode is None else encode(values, targets)
        whole = [crop(c, size)[None] for c, size in zip(codes, grid_size[0].tolist(), strict=True)] if grid_size else []
        total = sum((moments(part, spec) for part in whole or [codes]), total)
    return statistics_of(torch.as_tensor(total))


def fingerprint_examples(examples: Source) -> str:
    """Text that tells two splits apart: their length, their fingerprint, and a hash of 64 examples of `read_sample`."""
    digest = hashlib.sha256(f"2 {examples.fingerprint()}".encode())  # the number is of what caches hold
    for signals, *targets in read_sample(examples, 64):
        digest.update(f"{signals.dtype}{tuple(signals.shape)}{targets}".encode())
        digest.update(signals.contiguous().numpy().tobytes())
    count = "stream of" if isinstance(examples, Stream) else len(examples)
    return f"{count} examples {digest.hexdigest()}"
