"""Scale factor bands, and how many bits their scale factors have."""

import numpy as np
from numpy.typing import NDArray

NUM_PLACES = 39  # for scale factors: 3 windows of 13 short bands

#: Sampling rates in Hz by version (MPEG-1, 2, 2.5) and index (ISO 11172-3, 2.4.2.3; ISO 13818-3, 2.4.2.3).
SAMPLE_RATES = ((44_100, 48_000, 32_000), (22_050, 24_000, 16_000), (11_025, 12_000, 8_000))

_16_KHZ = (6, 6, 6, 6, 6, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 38, 46, 52, 60, 68, 58, 54)
_16_KHZ_SHORT = (4, 4, 4, 6, 8, 10, 12, 14, 18, 24, 30, 40, 18)
#: Widths of the long bands of each rate (ISO 11172-3, table B.8; ISO 13818-3, table B.2).
_LONG_WIDTHS = (
    (4, 4, 4, 4, 4, 4, 6, 6, 8, 8, 10, 12, 16, 20, 24, 28, 34, 42, 50, 54, 76, 158),
    (4, 4, 4, 4, 4, 4, 6, 6, 6, 8, 10, 12, 16, 18, 22, 28, 34, 40, 46, 54, 54, 192),
    (4, 4, 4, 4, 4, 4, 6, 6, 8, 10, 12, 16, 20, 24, 30, 38, 46, 56, 68, 84, 102, 26),
    _16_KHZ,
    (6, 6, 6, 6, 6, 6, 8, 10, 12, 14, 16, 18, 22, 26, 32, 38, 46, 54, 62, 70, 76, 36),
    _16_KHZ,
    _16_KHZ,
    _16_KHZ,
    (12, 12, 12, 12, 12, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 76, 90, 2, 2, 2, 2, 2),
)
#: Widths of the short bands of each rate, of one window.
_SHORT_WIDTHS = (
    (4, 4, 4, 4, 6, 8, 10, 12, 14, 18, 22, 30, 56),
    (4, 4, 4, 4, 6, 6, 10, 12, 14, 16, 20, 26, 66),
    (4, 4, 4, 4, 6, 8, 12, 16, 20, 26, 34, 42, 12),
    (4, 4, 4, 6, 6, 8, 10, 14, 18, 26, 32, 42, 18),
    (4, 4, 4, 6, 8, 10, 12, 14, 18, 24, 32, 44, 12),
    _16_KHZ_SHORT,
    _16_KHZ_SHORT,
    _16_KHZ_SHORT,
    (8, 8, 8, 12, 16, 20, 24, 28, 36, 2, 2, 2, 26),
)
#: Where each long band begins, and the last one ends, by version and index of the rate.
LONG_BANDS = np.cumsum(np.pad(_LONG_WIDTHS, ((0, 0), (1, 0))), 1).reshape(3, 3, 23)
#: Where each short band begins in a window, and the last one ends.
SHORT_BANDS = np.cumsum(np.pad(_SHORT_WIDTHS, ((0, 0), (1, 0))), 1).reshape(3, 3, 14)

#: Bits of the lower and of the upper scale factors of MPEG-1, by ``scalefac_compress`` (ISO 11172-3, 2.4.2.7).
MPEG1_BITS = np.array(
    [[0, 0, 0, 0, 3, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4], [0, 1, 2, 3, 0, 1, 2, 3, 1, 2, 3, 1, 2, 3, 2, 3]], np.uint8
)
#: Scale factors in each of MPEG-2's four partitions, by range of ``scalefac_compress`` (three ranges, and three of a
#: right channel in intensity stereo) and kind of block (long, short, mixed) (ISO 13818-3, 2.4.3.2).
PARTITIONS = np.array(
    [
        [[6, 5, 5, 5], [9, 9, 9, 9], [6, 9, 9, 9]],
        [[6, 5, 7, 3], [9, 9, 12, 6], [6, 9, 12, 6]],
        [[11, 10, 0, 0], [18, 18, 0, 0], [15, 18, 0, 0]],
        [[7, 7, 7, 0], [12, 12, 12, 0], [6, 15, 12, 0]],
        [[6, 6, 6, 3], [12, 9, 9, 6], [6, 12, 9, 6]],
        [[8, 8, 5, 0], [15, 12, 9, 0], [6, 18, 9, 0]],
    ],
    np.uint8,
)


def mpeg2_bits() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Range, and bits of a scale factor in each partition, by ``scalefac_compress``.

    Returns:
        Ranges uint8 ``(2, 512)`` and bits uint8 ``(2, 512, 4)``; the second half is that of a right channel in
        intensity stereo.
    """
    ranges, bits = np.zeros((2, 512), np.uint8), np.zeros((2, 512, 4), np.uint8)
    for value in range(512):
        if value < 400:
            found = 0, (value // 80, value // 16 % 5, value // 4 % 4, value % 4)
        elif value < 500:
            found = 1, ((value - 400) // 20, (value - 400) // 4 % 5, value % 4, 0)
        else:
            found = 2, ((value - 500) // 3, (value - 500) % 3, 0, 0)
        ranges[0, value], bits[0, value] = found
        half = value // 2  # the last bit is the intensity scale
        if half < 180:
            found = 3, (half // 36, half // 6 % 6, half % 6, 0)
        elif half < 244:
            found = 4, ((half - 180) // 16, (half - 180) // 4 % 4, half % 4, 0)
        else:
            found = 5, ((half - 244) // 3, (half - 244) % 3, 0, 0)
        ranges[1, value], bits[1, value] = found
    return ranges, bits


MPEG2_RANGES, MPEG2_BITS = mpeg2_bits()


def intensity_bits(granules: NDArray[np.void]) -> NDArray[np.int16]:
    """Bits of the scale factors of MPEG-2 right channels in intensity stereo, ``(granules,)`` to ``(granules, 39)``."""
    kind = np.where(granules["block_type"] == 2, 1 + granules["mixed"], 0)
    compress = granules["scalefac_compress"]
    ends = PARTITIONS[MPEG2_RANGES[1, compress], kind].cumsum(1)
    place = np.arange(NUM_PLACES)
    order = place - 3 * ((kind == 2)[:, None] & (place >= 9))  # a mixed block's short bands begin at place 9
    partition = (order[:, :, None] >= ends[:, None, :]).sum(2)
    bits = np.pad(MPEG2_BITS[1, compress], ((0, 0), (0, 1)))
    return np.take_along_axis(bits, partition, 1).astype(np.int16)
