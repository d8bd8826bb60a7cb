"""Huffman tables: from a DHT segment to look-up tables, kept by their bytes so that equal tables are built once."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from ._bits import extend
from ._compile import inlined, kernel

SLOTS = 16  # a scan uses at most eight tables, so the ones in use are never evicted
SYMBOL_BITS = 9  # first look-up of a code
FAST_BITS = 11  # look-up of codes together with their additional bits

_SYMBOL_SHIFT = np.uint64(64 - SYMBOL_BITS)
_U48 = np.uint64(48)


#: A decoding table. ``key`` is its class, 16 counts and symbols, as in DHT; ``stamp`` is when it was last asked for, 0
#: in an empty slot. ``symbols`` holds ``length << 8 | symbol`` by the next ``SYMBOL_BITS`` bits, 0 where the code is
#: longer or none; ``limits`` the least 16-bit window that is no code of that length or shorter, ``offsets`` what to add
#: to such a code to get its index in DHT order. ``fast``, by the next ``FAST_BITS`` bits, holds coefficients: see
#: `fast_dc_entry` and `fast_ac_entry`; 0 where those bits are not enough.
TABLE = np.dtype(
    [
        ("key", np.uint8, 1 + 16 + 256),
        ("stamp", np.int64),
        ("symbols", np.uint16, 1 << SYMBOL_BITS),
        ("limits", np.int64, 17),
        ("offsets", np.int64, 17),
        ("has_fast", np.int64),
        ("fast", np.uint32, 1 << FAST_BITS),
    ],
    align=True,
)


@kernel
def count_codes(data, start):
    """Number of codes of the table whose 16 counts start at ``start`` (T.81 B.2.4.2)."""
    total = 0
    for i in range(16):
        total += data[start + i]
    return total


@kernel
def find_table(tables, table_class, data, start):
    """Slot of the table of that class at ``start`` of ``data``, built where new; -1 where it is no Huffman code."""
    size = 16 + count_codes(data, start)
    oldest, newest = 0, np.int64(0)
    found = -1
    for slot in range(len(tables)):
        table = tables[slot]
        newest = max(newest, table.stamp)
        if table.stamp < tables[oldest].stamp:
            oldest = slot
        if table.stamp > 0 and table.key[0] == table_class and _is_key(table, data, start, size):
            found = slot
    if found < 0:
        found = oldest
        tables[found].stamp = 0
        tables[found].key[0] = table_class
        for i in range(size):
            tables[found].key[1 + i] = data[start + i]
        if not _build(tables[found]):
            return -1
    tables[found].stamp = newest + 1
    return found


@kernel
def _is_key(table, data, start, size):
    same = 0
    while same < size and table.key[1 + same] == data[start + same]:
        same += 1
    return same == size


@kernel
def _build(table):
    """Canonical codes of a table (T.81 C.2): first look-up, limits of longer codes. False where it is no code."""
    table.has_fast = 0
    table.symbols[:] = 0
    code, index = 0, 0
    for length in range(1, 17):
        table.offsets[length] = index - code
        for _ in range(table.key[length]):
            symbol = np.int64(table.key[17 + index])
            if table.key[0] == 0 and symbol > 15:  # longer differences are lossless JPEG's (T.81 F.1.2.1, H.1.2.2)
                return False
            if code >= (1 << length) - 1:  # a code of all ones is reserved (T.81 C.2)
                return False
            if length <= SYMBOL_BITS:
                spare = SYMBOL_BITS - length
                table.symbols[code << spare : (code + 1) << spare] = length << 8 | symbol
            code += 1
            index += 1
        table.limits[length] = code << (16 - length)
        code <<= 1
    return True


@inlined
def next_symbol(table, bits):
    """Length and symbol of the code at the top of a window; length 0 where there is none (T.81 F.2.2.3, DECODE)."""
    entry = np.int64(table.symbols[bits >> _SYMBOL_SHIFT])
    if entry != 0:
        return entry >> 8, entry & 255
    return _long_symbol(table, np.int64(bits >> _U48))


@kernel
def _long_symbol(table, code):
    for length in range(SYMBOL_BITS + 1, 17):
        if code < table.limits[length]:
            index = (code >> (16 - length)) + table.offsets[length]
            return np.int64(length), np.int64(table.key[17 + (index & 255)])
    return np.int64(0), np.int64(0)


@kernel
def build_fast(table):
    """Build the table of codes with their additional bits, where it is not there yet."""
    if table.has_fast:
        return
    table.has_fast = 1
    _fill_fast(table.key, table.fast)
    if table.key[0] != 0:
        _pair(table.fast.copy(), table.fast)


@kernel
def _fill_fast(key, fast):
    """Entries of single symbols: each code followed by each value that still fits."""
    fast[:] = 0
    code, index = 0, 0
    for length in range(1, FAST_BITS + 1):
        for _ in range(key[length]):
            symbol = np.int64(key[17 + index])
            size = symbol & 15
            spare = FAST_BITS - length - size
            if spare >= 0:
                for value in range(1 << size):
                    entry = _entry(key[0], symbol >> 4, size, extend(value, size), length + size)
                    first = ((code << size) + value) << spare
                    for i in range(first, first + (1 << spare)):
                        fast[i] = entry
            code += 1
            index += 1
        code <<= 1


@kernel
def _entry(table_class, run, size, value, length):
    if table_class == 0:
        return fast_dc_entry(value, length)
    if size == 0 and run < 15:
        return fast_ac_entry(0, 0, 0, 0, length, True) if run == 0 else np.uint32(0)
    return fast_ac_entry(value, 0, run, run, length, False) if -128 <= value < 128 else np.uint32(0)


@kernel
def fast_dc_entry(difference, length):
    """16 bits difference, 16 bits length of code and additional bits."""
    return np.uint32(((difference & 0xFFFF) << 16) | length)


@kernel
def fast_ac_entry(first, second, first_run, second_run, length, ends):
    """One or two coefficients, and whether the block ends behind them.

    From the top: 8 bits first coefficient, 8 bits second one, 5 and 4 bits their distances from the current index,
    1 bit end of block, so that it adds 64 to the index, 6 bits length, as a shift takes it. An entry of one coefficient
    has both at the same place, and the first one is written last; a run of 16 zeros is a coefficient of 0.
    """
    values = ((first & 255) << 24) | ((second & 255) << 16)
    return np.uint32(values | (second_run << 11) | (first_run << 7) | (ends << 6) | length)


@kernel
def _pair(singles, fast):
    """Join each symbol with the one after it, where both fit."""
    for index in range(1 << FAST_BITS):
        entry = np.int64(singles[index])
        after = np.int64(singles[(index << (entry & 63)) & ((1 << FAST_BITS) - 1)])
        length = (entry & 63) + (after & 63)
        if entry == 0 or entry & 64 or after == 0 or length > FAST_BITS:
            continue
        first, run = entry >> 24, (entry >> 7) & 15
        if after & 64:
            fast[index] = fast_ac_entry(first, 0, run, run, length, True)
        else:
            fast[index] = fast_ac_entry(first, after >> 24, run, run + 1 + ((after >> 7) & 15), length, False)
