"""Scale factor bands of Layer III, and which spectral line belongs to which."""

from typing import NamedTuple

import torch
from torch import Tensor

#: Lines of each long and each short band, by sampling rate; the last one has no scale factor of its own.
_LSF_LONG = (6, 6, 6, 6, 6, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 38, 46, 52, 60, 68, 58, 54)
_LSF_SHORT = (4, 4, 4, 6, 8, 10, 12, 14, 18, 24, 30, 40, 18)
_LONG = {
    44_100: (4, 4, 4, 4, 4, 4, 6, 6, 8, 8, 10, 12, 16, 20, 24, 28, 34, 42, 50, 54, 76, 158),
    48_000: (4, 4, 4, 4, 4, 4, 6, 6, 6, 8, 10, 12, 16, 18, 22, 28, 34, 40, 46, 54, 54, 192),
    32_000: (4, 4, 4, 4, 4, 4, 6, 6, 8, 10, 12, 16, 20, 24, 30, 38, 46, 56, 68, 84, 102, 26),
    22_050: _LSF_LONG,
    24_000: (6, 6, 6, 6, 6, 6, 8, 10, 12, 14, 16, 18, 22, 26, 32, 38, 46, 54, 62, 70, 76, 36),
    16_000: _LSF_LONG,
    11_025: _LSF_LONG,
    12_000: _LSF_LONG,
    8_000: (12, 12, 12, 12, 12, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 76, 90, 2, 2, 2, 2, 2),
}
_SHORT = {
    44_100: (4, 4, 4, 4, 6, 8, 10, 12, 14, 18, 22, 30, 56),
    48_000: (4, 4, 4, 4, 6, 6, 10, 12, 14, 16, 20, 26, 66),
    32_000: (4, 4, 4, 4, 6, 8, 12, 16, 20, 26, 34, 42, 12),
    22_050: (4, 4, 4, 6, 6, 8, 10, 14, 18, 26, 32, 42, 18),
    24_000: (4, 4, 4, 6, 8, 10, 12, 14, 18, 24, 32, 44, 12),
    16_000: _LSF_SHORT,
    11_025: _LSF_SHORT,
    12_000: _LSF_SHORT,
    8_000: (8, 8, 8, 12, 16, 20, 24, 28, 36, 2, 2, 2, 26),
}
_PRETAB = (0,) * 11 + (1, 1, 1, 1, 2, 2, 3, 3, 3, 2)
_PLACES = 39  # of scale factors: 13 short bands of 3 windows
LONG, SHORT, MIXED = range(3)


class Bands(NamedTuple):
    """Where spectral lines stand in a file, and which scale factors they take, by kind of block.

    Lines of short blocks are counted by frequency, and in it by window: line ``3 f + w``. Long band ``b`` has its scale
    factor in *place* ``b``, short band ``b`` of window ``w`` in place ``3 b + w``; the last bands have places, too.

    Attributes:
        order: ``(3, 576)``, place in the file of each line.
        place: ``(3, 576)``, place of the scale factor of each line.
        window: ``(3, 39)``, window of each place, 3 if it is of a long band.
        pretab: ``(39,)``, what ``preflag`` adds to each scale factor of a long block.
        long_lines: Lines of the long part of a mixed block.
    """

    order: Tensor
    place: Tensor
    window: Tensor
    pretab: Tensor
    long_lines: int


def bands(sample_rate: int, device: torch.device) -> Bands:
    """The bands of a sampling rate.

    Raises:
        ValueError: If Layer III has no such rate.
    """
    if sample_rate not in _LONG:
        raise ValueError(f"Layer III has the sampling rates {sorted(_LONG)} Hz; got {sample_rate}")
    order, place, window, pretab, long_lines = _TABLES[sample_rate]
    return Bands(order.to(device), place.to(device), window.to(device), pretab.to(device), long_lines)


def _bands(sample_rate: int) -> Bands:
    num_long = 8 if sample_rate >= 32_000 else 6
    kinds = [_kind(sample_rate, *parts) for parts in ((22, 13), (0, 0), (num_long, 3))]
    order, place, window = (torch.tensor(rows) for rows in zip(*kinds, strict=True))
    pretab = torch.tensor(_PRETAB + (0,) * (_PLACES - len(_PRETAB)))
    return Bands(order, place, window, pretab, sum(_LONG[sample_rate][:num_long]))


def _kind(sample_rate: int, num_long: int, first_short: int) -> tuple[list[int], list[int], list[int]]:
    """Tables of a kind of block, which has the first long bands, and short ones from one on."""
    place = [band for band, width in enumerate(_LONG[sample_rate][:num_long]) for _ in range(width)]
    order = list(range(len(place)))
    for band, width in enumerate(_SHORT[sample_rate][first_short:], first_short):
        start = len(order)
        order += [start + w * width + f for f in range(width) for w in range(3)]
        place += [3 * band + w for _ in range(width) for w in range(3)]
    return order, place, [3 if p < num_long else p % 3 for p in range(_PLACES)]


_TABLES = {rate: _bands(rate) for rate in _LONG}
