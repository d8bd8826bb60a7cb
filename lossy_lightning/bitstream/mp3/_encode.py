"""Coding of levels: how many bits they take, and which tables take least (ISO 11172-3, 2.4.1.7, annex C.1.5.4)."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

from functools import cache

import numpy as np

from .._bits import window
from ..compile import kernel
from ._bands import LONG_BANDS
from ._codes import LINBITS, pair_codes, quad_codes
from ._huffman import QUAD_BITS, ROW_OF_TABLE, ROWS
from ._side_info import find_regions

_NUM_CODES = len(ROWS)
#: Words and lengths of all codes, without signs: of pairs by row and ``x << 4 | y``, of quadruples by table and bits.
#: ``largest`` is the largest value of a row, ``zero`` the length of a quadruple of zeros.
ENCODING = np.dtype(
    [
        ("words", np.int64, (_NUM_CODES, 256)),
        ("lengths", np.int64, (_NUM_CODES, 256)),
        ("quad_words", np.int64, (2, 16)),
        ("quad_lengths", np.int64, (2, 16)),
        ("largest", np.int64, _NUM_CODES),
    ]
)
#: Tables that a row's code has, those of fewest linbits first.
_TABLES_OF_ROW = np.array(
    [[table for table in range(32) if ROW_OF_TABLE[table] == row][:1] for row in range(_NUM_CODES)]
).ravel()
_FIRST_LONG = _NUM_CODES - 2  # rows of the codes with linbits
_QUAD_SHIFT = np.uint64(64 - QUAD_BITS)
_IMPOSSIBLE = np.int64(1) << 40  # more bits than anything takes
_TRIED_STARTS = 10  # levels behind the first place of quadruples, at which they may begin instead


@cache
def encoding():
    """Build the tables, once: an array of one record."""
    built = np.zeros(1, ENCODING)
    for code, words in pair_codes().items():
        row, pair = ROWS[code], words[:, 2] << 4 | words[:, 3]
        built["words"][0, row, pair], built["lengths"][0, row, pair] = words[:, 0], words[:, 1]
        built["largest"][0, row] = words[:, 2].max()
    for table, words in enumerate(quad_codes()):
        built["quad_words"][0, table, words[:, 2]] = words[:, 0]
        built["quad_lengths"][0, table, words[:, 2]] = words[:, 1]
    return built


@kernel
def pair_index(x, y):
    """Index of a pair of absolute values in ``words`` and ``lengths``."""
    return min(x, 15) << 4 | min(y, 15)


@kernel
def pairs_bits(levels, start, stop, table, codes):
    """Bits of the pairs of a region in a table's code; more than anything takes if it has no such values."""
    row, linbits = np.int64(ROW_OF_TABLE[table]), np.int64(LINBITS[table])
    if row == -2:
        return _IMPOSSIBLE if stop > start else np.int64(0)
    bits, most = np.int64(0), 0 if row < 0 else codes.largest[row] + (np.int64(1) << linbits) - 1
    for i in range(start, stop, 2):
        x, y = abs(np.int64(levels[i])), abs(np.int64(levels[i + 1]))
        if max(x, y) > most:
            return _IMPOSSIBLE
        if row >= 0:
            bits += codes.lengths[row, pair_index(x, y)] + (x > 0) + (y > 0)
            if linbits > 0:
                bits += linbits * ((x >= 15) + np.int64(y >= 15))
    return bits


@kernel
def quads_bits(levels, start, stop, table, codes):
    """Bits of quadruples in table A or B; more than anything takes if a value is larger than 1."""
    bits = np.int64(0)
    for i in range(start, stop, 4):
        quad = np.int64(0)
        for k in range(i, i + 4):
            value = abs(np.int64(levels[k]))
            if value > 1:
                return _IMPOSSIBLE
            quad = quad << 1 | value
            bits += value
        bits += codes.quad_lengths[table, quad]
    return bits


@kernel
def _end_of_levels(levels):
    """Index behind the last level that is not 0."""
    end = 576
    while end > 0 and levels[end - 1] == 0:
        end -= 1
    return end


@kernel
def zero_quads(levels, granule, version, rate, bits, spare, spare_at, tables, codes):
    """Quadruples of zeros behind the levels that make the granule's own choices give ``bits``; -1 if they do not.

    Stuffing follows the quadruples only if no reader takes it for another one.
    """
    end, pairs_end = _end_of_levels(levels), 2 * np.int64(granule.big_values)
    if pairs_end > 576:
        return np.int64(-1)
    first, second = find_regions(granule, version, rate)
    bits -= pairs_bits(levels, 0, min(first, pairs_end), granule.table_select[0], codes)
    bits -= pairs_bits(levels, min(first, pairs_end), min(second, pairs_end), granule.table_select[1], codes)
    bits -= pairs_bits(levels, min(second, pairs_end), pairs_end, granule.table_select[2], codes)
    quads_end = max(pairs_end, pairs_end + (end - pairs_end + 3) // 4 * 4)
    if quads_end > 576:
        return np.int64(-1)
    bits -= quads_bits(levels, pairs_end, quads_end, granule.count1_table, codes)
    zero = codes.quad_lengths[granule.count1_table, 0]
    if bits < 0 or bits % zero != 0 or quads_end + 4 * (bits // zero) > 576:
        return np.int64(-1)
    if granule.stuffing > 0 and quads_end + 4 * (bits // zero) <= 572:
        next_bits = window(spare, np.uint64(spare_at))
        length = (tables.quads[np.uint64(granule.count1_table), next_bits >> _QUAD_SHIFT] >> np.uint32(8)) & 31
        if length <= granule.stuffing:
            return np.int64(-1)
    return bits // zero


@kernel
def choose(levels, granule, version, rate, codes):
    """Choose where quadruples begin, regions and tables of least bits: the bits."""
    start, best, best_start = np.int64(_end_of_levels(levels)), _IMPOSSIBLE, 0
    start += start & 1
    while start >= 2 and abs(levels[start - 2]) <= 1 and abs(levels[start - 1]) <= 1:
        start -= 2
    for first in range(start, start + _TRIED_STARTS, 2):
        bits = _choose_tables(levels, first, granule, version, rate, codes)
        if bits < best:
            best, best_start = bits, first
    return _choose_tables(levels, best_start, granule, version, rate, codes)


@kernel
def _choose_tables(levels, start, granule, version, rate, codes):
    """Choose regions and tables of least bits if quadruples begin at ``start``: the bits."""
    quads_end = max(start, start + (_end_of_levels(levels) - start + 3) // 4 * 4)
    if quads_end > 576:  # so it is if it begins there
        return _IMPOSSIBLE
    a, b = quads_bits(levels, start, quads_end, 0, codes), quads_bits(levels, start, quads_end, 1, codes)
    granule.count1_table = b < a
    granule.big_values = start // 2
    granule.region0_count, granule.region1_count = 0, 0
    costs = np.zeros((_NUM_CODES + 2, 24), np.int64)  # up to each band: of each code, values above 15, and largest one
    edges = np.full(24, 576)
    if granule.block_type == 0:
        edges[:23] = LONG_BANDS[version, rate]
    else:
        edges[0], edges[1] = 0, find_regions(granule, version, rate)[0]
    _sum_up(levels, start, edges, costs, codes)
    if granule.block_type != 0:
        bits0, granule.table_select[0] = _cheapest(costs, 0, 1)
        bits1, granule.table_select[1] = _cheapest(costs, 1, 2)
        return min(a, b) + bits0 + bits1
    best = _IMPOSSIBLE
    for count0 in range(16):
        for count1 in range(8):
            if count0 + count1 + 2 > 22:
                break
            bits0, table0 = _cheapest(costs, 0, count0 + 1)
            bits1, table1 = _cheapest(costs, count0 + 1, count0 + count1 + 2)
            bits2, table2 = _cheapest(costs, count0 + count1 + 2, 22)
            if bits0 + bits1 + bits2 < best:
                best = bits0 + bits1 + bits2
                granule.region0_count, granule.region1_count = count0, count1
                granule.table_select[0], granule.table_select[1], granule.table_select[2] = table0, table1, table2
            if edges[count0 + count1 + 2] >= start:
                break
        if edges[count0 + 1] >= start:
            break
    return min(a, b) + best


@kernel
def _sum_up(levels, stop, edges, costs, codes):
    """Fill in what the pairs up to each edge cost; the last two rows: values of 15 and more, and the band's largest."""
    for band in range(1, 24):
        costs[:-1, band] = costs[:-1, band - 1]
        for i in range(min(edges[band - 1], stop), min(edges[band], stop), 2):
            x, y = abs(np.int64(levels[i])), abs(np.int64(levels[i + 1]))
            pair, signs = pair_index(x, y), np.int64(x > 0) + np.int64(y > 0)
            for row in range(_NUM_CODES):
                costs[row, band] += codes.lengths[row, pair] + signs
            costs[_NUM_CODES, band] += np.int64(x >= 15) + np.int64(y >= 15)
            costs[_NUM_CODES + 1, band] = max(costs[_NUM_CODES + 1, band], max(x, y))
    for row in range(_NUM_CODES):
        costs[row, 0] = codes.largest[row]


@kernel
def _cheapest(costs, first, last):
    """Bits and table of the bands ``first`` to ``last`` in the best code."""
    largest = np.int64(0)
    for band in range(first + 1, last + 1):
        largest = max(largest, costs[_NUM_CODES + 1, band])
    if largest == 0:
        return np.int64(0), np.int64(0)
    best, table = _IMPOSSIBLE, np.int64(0)
    for row in range(_NUM_CODES):
        chosen, linbits = _TABLES_OF_ROW[row], np.int64(0)
        if row >= _FIRST_LONG:
            while 15 + (np.int64(1) << LINBITS[chosen]) - 1 < largest:
                chosen += 1
            linbits = LINBITS[chosen]
        elif largest > costs[row, 0]:
            continue
        bits = costs[row, last] - (costs[row, first] if first > 0 else 0)
        bits += linbits * (costs[_NUM_CODES, last] - costs[_NUM_CODES, first])
        if bits < best:
            best, table = bits, np.int64(chosen)
    return best, table
