"""Resampling of sounds, part by part."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from math import ceil, gcd

import numpy as np
from numpy.typing import NDArray

_AT_ONCE = 2**18  # samples of a part
_HALF = 10  # periods of the lower rate on each side of the filter, as SciPy has it
MAX_RATIO = 2**18  # of the reduced numbers of a ratio: the filter of a greater one takes more than 40 MiB


def ratio(rate: int, wanted: int) -> tuple[int, int]:
    """Numbers of the reduced ratio of the wanted rate to a rate."""
    common = gcd(rate, wanted)
    return wanted // common, rate // common


def block_length(rate: int, wanted: int) -> int:
    """Samples that `resample` takes at a time."""
    down = ratio(rate, wanted)[1]
    return max(1, _AT_ONCE // down) * down


def resample(blocks: Iterable[NDArray[np.float32]], rate: int, wanted: int) -> Iterator[NDArray[np.float32]]:
    """Resample a sound that comes block by block, by a polyphase filter; the result does not depend on the blocks.

    Args:
        blocks: ``(channels, samples)``, all of `block_length` but for the last.
        rate: Of the blocks, in Hz.
        wanted: Rate of the result.

    Yields:
        Parts of the resampled sound.
    """
    if rate == wanted:
        yield from blocks
        return
    from scipy.signal import resample_poly  # slow to import

    up, down = ratio(rate, wanted)
    pad = ceil(ceil(_HALF * max(up, down) / up) / down) * down  # that a block sees of its neighbours
    window, skip = _filter(up, down), pad // down * up
    before: NDArray[np.float32] | None = None
    total, made = 0, 0
    for block in _with_end(blocks):
        if before is None:
            before = np.zeros((len(block), pad), np.float32)
        is_end = not block.shape[1]
        total += block.shape[1]
        held = np.concatenate([before, block, np.zeros((len(block), 2 * pad if is_end else 0), np.float32)], 1)
        count = max(0, held.shape[1] - 2 * pad) // down * down
        wanted_samples = ceil(total * up / down) - made if is_end else count // down * up
        if count > 0:
            part = resample_poly(held[:, : count + 2 * pad], up, down, 1, window)[:, skip : skip + wanted_samples]
            made += part.shape[1]
            yield part.astype(np.float32, copy=False)
        before = held[:, count:]


def _with_end(blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """The blocks, and an empty one."""
    last = None
    for last in blocks:
        yield last
    if last is not None:
        yield last[:, :0]


@lru_cache(4)
def _filter(up: int, down: int) -> NDArray[np.float32]:
    """The low-pass of `scipy.signal.resample_poly`, which takes longer to make than a clip to filter."""
    from scipy.signal import firwin  # slow to import

    low_pass: NDArray[np.float32] = firwin(
        2 * _HALF * max(up, down) + 1, 1 / max(up, down), window=("kaiser", 5.0)
    ).astype(np.float32)
    return low_pass
