"""Values to bits and back; bits of a byte are taken from its low end on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossy_lightning.bitstream.compile import entry
from lossy_lightning.bitstream.packed.channels import Channels, bits_of


def pack(values: NDArray[Any], positions: NDArray[Any], channels: Channels) -> NDArray[Any]:
    """Bits of some codes, one after the other without a gap.

    Args:
        values: Of all codes in one row, int64: each ``(channels, positions)``.
        positions: Of each code's grid, int64.
        channels: Of the codes; no value lies outside of what they hold.

    Returns:
        Bytes, uint8; the last is filled up with zeros.

    Example:
        >>> one = np.ones(1, np.int64)
        >>> nibbles = Channels(one * 4, one * -8, one < 0, one * -1, one * 0)
        >>> packed = pack(np.array([-8, 7, 0]), np.array([3]), nibbles)
        >>> packed.nbytes, unpack(packed, np.array([0]), np.array([3]), nibbles, np.empty(3, np.int8), np.array([0]))
        (2, array([-8,  7,  0], dtype=int8))
    """
    total = int(bits_of(channels, positions).sum())
    out = np.zeros(-(-total // 8), np.uint8)
    _pack(values, positions, *channels, out)
    return out


def unpack(
    data: NDArray[Any],
    starts: NDArray[Any],
    positions: NDArray[Any],
    channels: Channels,
    out: NDArray[Any],
    places: NDArray[Any],
) -> NDArray[Any]:
    """Some of the codes that `pack` packed.

    Args:
        data: Bytes, uint8.
        starts: First bit of each code in them, int64.
        positions: Of each code's grid, int64.
        channels: Of the codes.
        out: What the values are written to, one row of any integers that hold them.
        places: Where each code begins there, int64.

    Returns:
        ``out``.
    """
    _unpack(data, starts, positions, *channels, out, places)
    return out


@entry
def _pack(values: Any, positions: Any, widths: Any, lows: Any, once: Any, escapes: Any, absent: Any, out: Any) -> None:
    word, held, byte, first = np.uint64(0), 0, 0, 0
    for count in positions:
        for channel in range(widths.size):
            width = widths[channel]
            stored = min(count, 1) if once[channel] else count
            for position in range(stored if width else 0):
                value = values[first + position]
                bits = value - lows[channel]
                if escapes[channel] >= 0 and value == absent[channel]:
                    bits = escapes[channel]
                word |= np.uint64(bits) << np.uint64(held)
                held += width
                while held >= 8:
                    out[byte] = word & np.uint64(255)
                    word >>= np.uint64(8)
                    byte += 1
                    held -= 8
            first += count
    if held:
        out[byte] = word


@entry
def _unpack(
    data: Any,
    starts: Any,
    positions: Any,
    widths: Any,
    lows: Any,
    once: Any,
    escapes: Any,
    absent: Any,
    out: Any,
    places: Any,
) -> None:
    for code in range(starts.size):
        byte, skipped = starts[code] >> 3, starts[code] & 7
        word, held = np.uint64(0), 0
        if skipped:
            word, held = np.uint64(data[byte]) >> np.uint64(skipped), 8 - skipped
            byte += 1
        place, count = places[code], positions[code]
        for channel in range(widths.size):
            width = widths[channel]
            mask = (np.uint64(1) << np.uint64(width)) - np.uint64(1)
            stored = min(count, 1) if once[channel] else count
            for position in range(stored):
                while held < width:
                    word |= np.uint64(data[byte]) << np.uint64(held)
                    byte += 1
                    held += 8
                bits = np.int64(word & mask)
                word >>= np.uint64(width)
                held -= width
                value = lows[channel] + bits
                if bits == escapes[channel]:
                    value = absent[channel]
                out[place + position] = value
            for position in range(stored, count):
                out[place + position] = out[place]
            place += count
