"""Huffman tables: from a DHT segment to look-up tables, kept by their bytes so that equal tables are built once."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from .._bits import load64, top_bits
from .._memory import Kept
from ..compile import inlined, kernel

SLOTS = 16  # a scan uses at most eight tables, so the ones in use are never evicted
SYMBOL_BITS = 9  # first look-up of a code
FAST_BITS = 10  # look-up of codes together with their additional bits
FAST_READ = 18  # bits that such a look-up uses up at most

_ENDS = 1 << 23  # the end of the block in an entry of ``fast``
_SYMBOL_SHIFT = np.uint64(64 - SYMBOL_BITS)
_FAST_SHIFT = np.uint64(64 - FAST_BITS)
_U1, _U8, _U32, _U48 = (np.uint64(i) for i in (1, 8, 32, 48))


#: A decoding table. ``key`` is its class, 16 counts and symbols, as in DHT; ``stamp`` is when it was last asked for, 0
#: in an empty slot. ``symbols`` holds ``length << 8 | symbol`` by the next ``SYMBOL_BITS`` bits, 0 if the code is
#: longer or none; ``limits`` the least 16-bit window that is no code of that length or shorter, ``offsets`` what to add
#: to such a code to get its index in DHT order. ``fast``, by the next ``FAST_BITS`` bits, holds a DC difference, or one
#: or two AC coefficients and whether the block ends behind them; 0 if those bits are not enough. From the top: 16
#: bits last value, 16 bits first one, and four bytes: a mask of what of the window is to be added to the last one; the
#: distance of the index behind them from the current one, to which the end of the block adds 128; the distance of the
#: first one; and the length. A single coefficient is both first and last, a run of 16 zeros one of 0.
TABLE = np.dtype(
    [
        ("key", np.uint8, 1 + 16 + 256),
        ("stamp", np.int64),
        ("symbols", np.uint16, 1 << SYMBOL_BITS),
        ("limits", np.int64, 17),
        ("offsets", np.int64, 17),
        ("has_fast", np.int64),
        ("fast", np.uint64, 1 << FAST_BITS),
    ],
    align=True,
)

#: Tables, with those that earlier calls have built: most files share the same few.
kept_tables = Kept(lambda: np.zeros(SLOTS, TABLE))


@inlined
def extend(value, size):
    """A coefficient from its additional bits (T.81 F.2.2.1, EXTEND)."""
    if size == 0:
        return np.int64(0)
    return value if value >> (size - 1) else value - (1 << size) + 1


@kernel
def count_codes(data, start):
    """Number of codes of the table whose 16 counts start at ``start`` (T.81 B.2.4.2)."""
    total = 0
    for i in range(16):
        total += data[start + i]
    return total


@kernel
def find_table(tables, table_class, data, start):
    """Slot of the table of that class at ``start`` of ``data``, built if new; -1 if it is no Huffman code."""
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
    same, first, length = np.uint64(0), np.uint64(start), np.uint64(size)
    while same + _U8 <= length and load64(table.key, same + _U1) == load64(data, first + same):
        same += _U8
    while same < length and table.key[same + _U1] == data[first + same]:
        same += _U1
    return same == length


@kernel
def _build(table):
    """Canonical codes of a table (T.81 C.2): first look-up, limits of longer codes. False if it is no code."""
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
    """Length and symbol of the code at the top of a window; length 0 if there is none (T.81 F.2.2.3, DECODE)."""
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
    """Build the table of codes with their additional bits, if it is not there yet.

    A value is linear in its bits once its sign is known: bits not known are taken as 0 here and added when it is read.
    """
    if table.has_fast:
        return
    table.has_fast = 1
    needed = np.empty(1 << FAST_BITS, np.int64)  # bits of the code and the sign
    for index in range(1 << FAST_BITS):
        bits = np.uint64(index) << _FAST_SHIFT
        length, symbol = next_symbol(table, bits)
        run, size = symbol >> 4, symbol & 15
        needed[index] = length + min(size, 1)
        ends = table.key[0] != 0 and symbol == 0
        if length == 0 or needed[index] > FAST_BITS or length + size > FAST_READ or (size == 0 and 0 < run < 15):
            table.fast[index] = 0
        else:
            value = extend(top_bits(bits << np.uint64(length), np.uint64(size)), size)
            table.fast[index] = _entry(value, value, run, run, length + size, ends)
    if table.key[0] != 0:
        _pair(table.fast.copy(), needed, table.fast)


@kernel
def _entry(first, last, first_run, last_run, length, ends):
    mask = (1 << max(0, length - FAST_BITS)) - 1
    values = np.uint64((last & 0xFFFF) << 16 | (first & 0xFFFF)) << _U32
    return values | np.uint64(mask << 24 | (ends << 7 | last_run + 1) << 16 | first_run << 8 | length)


@kernel
def _pair(singles, needed, fast):
    """Join each symbol with the one after it, if the bits left are enough for that one's code and sign."""
    for index in range(1 << FAST_BITS):
        entry = np.int64(singles[index])
        length = entry & 63
        rest = (index << length) & ((1 << FAST_BITS) - 1)
        after = np.int64(singles[rest])
        together = length + (after & 63)
        if entry == 0 or entry & _ENDS or after == 0 or needed[rest] > FAST_BITS - length or together > FAST_READ:
            continue
        value, run, ends = entry >> 48, (entry >> 8) & 255, after & _ENDS != 0
        last, last_run = (value, run) if ends else (after >> 48, run + 1 + ((after >> 8) & 255))
        fast[index] = _entry(value, last, run, last_run, together, ends)
