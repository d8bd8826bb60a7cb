"""What a packed code needs to be known of: how many bits each channel takes, and what they mean."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_BITS = 56
"""Bits of a value: a word of 64 holds them with up to 7 of the byte before."""


class Channels(NamedTuple):
    """The channels of some codes, each an array with a value a channel.

    Attributes:
        widths: Bits of a value, int64.
        lows: What is added to the bits, int64: the least value.
        once: Whether one position stands for all, bool.
        escapes: Bits that stand for "not there", int64; -1 if no value is absent.
        absent: Value that says "not there", int64.
    """

    widths: NDArray[Any]
    lows: NDArray[Any]
    once: NDArray[Any]
    escapes: NDArray[Any]
    absent: NDArray[Any]


def bits_of(channels: Channels, positions: NDArray[Any]) -> NDArray[Any]:
    """Bits of codes of so many positions, int64.

    Example:
        >>> two = np.array([4, 3])
        >>> channels = Channels(two, two * 0, np.array([False, True]), two * 0 - 1, two * 0)
        >>> bits_of(channels, np.array([1, 10]))
        array([ 7, 43])
    """
    each = int(channels.widths[~channels.once].sum())
    return positions.astype(np.int64) * each + int(channels.widths[channels.once].sum()) * (positions > 0)
