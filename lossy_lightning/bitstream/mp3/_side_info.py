"""Side information of a frame (ISO 11172-3, 2.4.1.7; ISO 13818-3, 2.4.1.7), and the CRC that protects it."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._bits import top_bits
from .._status import OK
from ..compile import inlined, kernel
from ._addresses import bits_at
from ._bands import LONG_BANDS
from ._layout import BAD_BIG_VALUES, BAD_BLOCK_TYPE

#: Bytes of side information, by version (MPEG-1, 2, 2.5) and channels.
SIDE_BYTES = np.array([[0, 17, 32], [0, 9, 17], [0, 9, 17]])
_LONG_BANDS = np.pad(
    LONG_BANDS, ((0, 0), (0, 0), (0, 16)), constant_values=576
)  # region counts may lead behind the end


def _crc_table():
    """CRC-16 of each byte, generator x^16 + x^15 + x^2 + 1."""
    values = np.arange(256) << 8
    for _ in range(8):
        values = (values << 1) ^ np.where(values & 0x8000, 0x8005, 0)
    return (values & 0xFFFF).astype(np.uint16)


_CRC = _crc_table()


@kernel
def crc_of(data, start, size):
    """CRC of the last two bytes of the header at ``start`` and of the side information, which follows it and a CRC.

    Source:
        ISO 11172-3, 2.4.3.1.
    """
    crc = np.int64(0xFFFF)
    for i in range(start + 2, start + 6 + size):
        if i < start + 4 or i >= start + 6:
            crc = ((crc << 8) & 0xFFFF) ^ np.int64(_CRC[(crc >> 8) ^ np.int64(data[i])])
    return crc


@kernel
def crc_is_right(data, start, size):
    """Whether the CRC behind the header at ``start`` is what it must be."""
    return crc_of(data, start, size) == (np.int64(data[start + 4]) << 8 | np.int64(data[start + 5]))


@inlined
def _take(position, size):
    """A number of ``size`` bits, 57 at most, and the position behind it."""
    return position + np.uint64(size), top_bits(bits_at(position), np.uint64(size))


@kernel
def read_side_info(position, version, channels, frame, granules, first):
    """The side information at ``position``: into ``frame`` and ``granules``, from the one with number ``first`` on.

    Returns:
        What is wrong.
    """
    if version == 0:
        position, frame.main_data_begin = _take(position, 9)
        position, frame.private_bits = _take(position, 5 if channels == 1 else 3)
        for channel in range(channels):
            position, frame.scfsi[channel] = _take(position, 4)
    else:
        position, frame.main_data_begin = _take(position, 8)
        position, frame.private_bits = _take(position, channels)
    error = OK
    for i in range(first, first + channels * (2 if version == 0 else 1)):
        position, wrong = _read_granule(position, version, granules[i])
        error = wrong if error == OK else error
    return error


@inlined
def _read_granule(position, version, granule):
    """Side information of one granule and channel: position behind it, and what is wrong."""
    bits = bits_at(position)
    compress_bits = np.uint64(4) if version == 0 else np.uint64(9)
    granule.part2_3_length = top_bits(bits, np.uint64(12))
    granule.big_values = top_bits(bits << np.uint64(12), np.uint64(9))
    granule.global_gain = top_bits(bits << np.uint64(21), np.uint64(8))
    granule.scalefac_compress = top_bits(bits << np.uint64(29), compress_bits)
    switching = top_bits(bits << (np.uint64(29) + compress_bits), np.uint64(1))
    position += np.uint64(30) + compress_bits
    bits = bits_at(position)
    error = OK if granule.big_values <= 288 else BAD_BIG_VALUES
    granule.stuffing = 0
    if switching:
        granule.block_type = top_bits(bits, np.uint64(2))
        granule.mixed = top_bits(bits << np.uint64(2), np.uint64(1))
        granule.table_select[0] = top_bits(bits << np.uint64(3), np.uint64(5))
        granule.table_select[1] = top_bits(bits << np.uint64(8), np.uint64(5))
        granule.table_select[2] = 0
        for window_number in range(3):
            shift = np.uint64(13 + 3 * window_number)
            granule.subblock_gain[window_number] = top_bits(bits << shift, np.uint64(3))
        granule.region0_count, granule.region1_count = 0, 0
        if granule.block_type == 0:
            error = BAD_BLOCK_TYPE
    else:
        granule.block_type, granule.mixed = 0, 0
        for region in range(3):
            granule.table_select[region] = top_bits(bits << np.uint64(5 * region), np.uint64(5))
            granule.subblock_gain[region] = 0
        granule.region0_count = top_bits(bits << np.uint64(15), np.uint64(4))
        granule.region1_count = top_bits(bits << np.uint64(19), np.uint64(3))
    position += np.uint64(22)
    bits <<= np.uint64(22)
    if version == 0:
        granule.preflag = top_bits(bits, np.uint64(1))
        bits <<= np.uint64(1)
        position += np.uint64(1)
    else:
        granule.preflag = 0  # until the scale factors are read
    granule.scalefac_scale = top_bits(bits, np.uint64(1))
    granule.count1_table = top_bits(bits << np.uint64(1), np.uint64(1))
    return position + np.uint64(2), error


@inlined
def find_regions(granule, version, rate):
    """Where the first two regions of a granule's ``big_values`` end, in levels (ISO 11172-3, 2.4.2.7)."""
    if granule.block_type == 0:
        first = np.int64(granule.region0_count) + 1
        second = first + np.int64(granule.region1_count) + 1
        return _LONG_BANDS[version, rate, first], _LONG_BANDS[version, rate, second]
    if granule.block_type == 2:
        return np.int64(72) if version == 2 and rate == 2 else np.int64(36), np.int64(576)
    return _LONG_BANDS[version, rate, 8], np.int64(576)
