"""Bits of side information, scale factors and levels: the inverse of what the reader does."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from ..compile import kernel
from ._bands import MPEG1_BITS, MPEG2_BITS, MPEG2_RANGES, PARTITIONS
from ._codes import LINBITS
from ._encode import pair_index
from ._huffman import ROW_OF_TABLE
from ._scale_factors import GROUPS
from ._side_info import find_regions


@kernel
def put(out, at, value, size):
    """Write a number of ``size`` bits into zeros, from the bit ``at`` on: the bit behind it."""
    value = np.int64(value)
    while size > 0:
        room = 8 - (at & 7)
        count = min(room, size)
        out[at >> 3] |= ((value >> (size - count)) & ((1 << count) - 1)) << (room - count)
        at += count
        size -= count
    return at


@kernel
def copy_bits(source, start, out, at, count):
    """Copy bits one by one."""
    for i in range(start, start + count):
        at = put(out, at, source[i >> 3] >> (7 - (i & 7)) & 1, 1)


@kernel
def _add(runs, count, first, last, size):
    runs[count, 0], runs[count, 1], runs[count, 2] = first, last, size
    return count + 1


@kernel
def scale_factor_runs(granule, version, intensity, scfsi, runs):
    """Runs of scale factors in the order of the stream, into ``runs``: first place, last one, bits; how many runs."""
    compress, count = np.int64(granule.scalefac_compress), np.int64(0)
    if version == 0:
        lower, upper = np.int64(MPEG1_BITS[0, compress]), np.int64(MPEG1_BITS[1, compress])
        if granule.block_type == 2 and granule.mixed:
            count = _add(runs, _add(runs, 0, 0, 8, lower), 9, 18, lower)
            return _add(runs, count, 18, 36, upper)
        if granule.block_type == 2:
            return _add(runs, _add(runs, 0, 0, 18, lower), 18, 36, upper)
        for group in range(4):
            if not scfsi & (8 >> group):
                count = _add(runs, count, GROUPS[group], GROUPS[group + 1], lower if group < 2 else upper)
        return count
    half, place = np.int64(intensity), np.int64(0)
    kind = 1 + np.int64(granule.mixed) if granule.block_type == 2 else 0
    for partition in range(4):
        stop = place + np.int64(PARTITIONS[MPEG2_RANGES[half, compress], kind, partition])
        size = np.int64(MPEG2_BITS[half, compress, partition])
        if kind == 2 and partition == 0:
            count = _add(runs, _add(runs, 0, 0, 6, size), 9, stop + 3, size)
            place = stop + 3
        else:
            count = _add(runs, count, place, stop, size)
            place = stop
    return count


@kernel
def scale_factor_bits(granule, version, intensity, scfsi, runs):
    """Bits of a granule's scale factors under its ``scalefac_compress``; -1 if one does not fit."""
    bits = np.int64(0)
    for run in range(scale_factor_runs(granule, version, intensity, scfsi, runs)):
        for place in range(runs[run, 0], runs[run, 1]):
            if np.int64(granule.scale_factors[place]) >> runs[run, 2] != 0:
                return np.int64(-1)
        bits += (runs[run, 1] - runs[run, 0]) * runs[run, 2]
    return bits


@kernel
def choose_compress(granule, version, intensity, scfsi, runs):
    """Choose the ``scalefac_compress`` of least bits for a granule: the bits, -1 if there is none."""
    kept, best, chosen = np.int64(granule.scalefac_compress), np.int64(-1), np.int64(0)
    for compress in range(16 if version == 0 else 512):
        if version > 0 and (compress & 1 != kept & 1 if intensity else (compress >= 500) != (granule.preflag == 1)):
            continue  # it says more than sizes
        granule.scalefac_compress = compress
        bits = scale_factor_bits(granule, version, intensity, scfsi, runs)
        if bits >= 0 and (best < 0 or bits < best):
            best, chosen = bits, np.int64(compress)
    granule.scalefac_compress = chosen
    return best


@kernel
def pack_granule(out, at, levels, granule, version, rate, intensity, scfsi, zeros, runs, codes):
    """Write scale factors and levels, and ``zeros`` quadruples of zeros behind them: the bit behind all."""
    for run in range(scale_factor_runs(granule, version, intensity, scfsi, runs)):
        for place in range(runs[run, 0], runs[run, 1]):
            at = put(out, at, granule.scale_factors[place], runs[run, 2])
    first, second = find_regions(granule, version, rate)
    pairs_end, end = 2 * np.int64(granule.big_values), np.int64(576)
    for k in range(0, pairs_end, 2):
        table = granule.table_select[0 if k < first else 1 if k < second else 2]
        row = ROW_OF_TABLE[table]
        if row >= 0:
            at = _pack_pair(out, at, levels[k], levels[k + 1], np.int64(row), np.int64(LINBITS[table]), codes)
    while end > pairs_end and levels[end - 1] == 0:
        end -= 1
    i, zeros = pairs_end, np.int64(zeros)
    while i < end or zeros > 0:
        zeros -= i >= end
        at = _pack_quad(out, at, levels, i, np.int64(granule.count1_table), codes)
        i += 4
    return at


@kernel
def _pack_pair(out, at, x, y, row, linbits, codes):
    x, y = np.int64(x), np.int64(y)
    pair = pair_index(abs(x), abs(y))
    at = put(out, at, codes.words[row, pair], codes.lengths[row, pair])
    for value in (x, y):
        if value != 0:
            if linbits > 0 and abs(value) >= 15:
                at = put(out, at, abs(value) - 15, linbits)
            at = put(out, at, value < 0, 1)
    return at


@kernel
def _pack_quad(out, at, levels, first, table, codes):
    quad = np.int64(0)
    for i in range(first, first + 4):
        quad = quad << 1 | (levels[i] != 0)
    at = put(out, at, codes.quad_words[table, quad], codes.quad_lengths[table, quad])
    for i in range(first, first + 4):
        if levels[i] != 0:
            at = put(out, at, levels[i] < 0, 1)
    return at


@kernel
def pack_side_info(out, at, version, channels, frame, granules, first):
    """Write the side information of a frame whose granules are those from ``first`` on."""
    at = put(out, at, frame.main_data_begin, 9 if version == 0 else 8)
    if version == 0:
        at = put(out, at, frame.private_bits, 5 if channels == 1 else 3)
        for channel in range(channels):
            at = put(out, at, frame.scfsi[channel], 4)
    else:
        at = put(out, at, frame.private_bits, channels)
    for i in range(first, first + channels * (2 if version == 0 else 1)):
        granule = granules[i]
        at = put(out, at, granule.part2_3_length, 12)
        at = put(out, at, granule.big_values, 9)
        at = put(out, at, granule.global_gain, 8)
        at = put(out, at, granule.scalefac_compress, 4 if version == 0 else 9)
        at = put(out, at, granule.block_type != 0, 1)
        if granule.block_type != 0:
            at = put(out, at, granule.block_type, 2)
            at = put(out, at, granule.mixed, 1)
            for region in range(2):
                at = put(out, at, granule.table_select[region], 5)
            for window in range(3):
                at = put(out, at, granule.subblock_gain[window], 3)
        else:
            for region in range(3):
                at = put(out, at, granule.table_select[region], 5)
            at = put(out, at, granule.region0_count, 4)
            at = put(out, at, granule.region1_count, 3)
        if version == 0:
            at = put(out, at, granule.preflag, 1)
        at = put(out, at, granule.scalefac_scale, 1)
        at = put(out, at, granule.count1_table, 1)
