"""Huffman tables: from a DHT segment to look-up tables, kept by their bytes so that equal tables are built once."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ._bits import extend

SLOTS = 16  # a scan uses at most eight tables, so the ones in use are never evicted
SYMBOL_BITS = 9  # first look-up of a code
FAST_BITS = 11  # look-up of codes together with their additional bits

END_OF_BLOCK = np.uint64(63)  # the advance of an entry that ends its block; it leaves any block

_SYMBOL_SHIFT = np.uint64(64 - SYMBOL_BITS)
_U4, _U6, _U8, _U10, _U13, _U14, _U19, _U25, _U48 = (np.uint64(i) for i in (4, 6, 8, 10, 13, 14, 19, 25, 48))
_LOW4, _LOW5, _LOW6, _LOW8 = (np.uint64((1 << i) - 1) for i in (4, 5, 6, 8))


class HuffmanTables(NamedTuple):
    """Slots of decoding tables, least recently used out first.

    Attributes:
        keys: The table's class, 16 counts and symbols, as in DHT.
        stamps: When the slot was last asked for; 0 for an empty slot. The last entry is the clock.
        symbols: ``length << 8 | symbol`` by the next ``SYMBOL_BITS`` bits; 0 where the code is longer or none.
        limits: Least 16-bit window that is no code of that length or shorter.
        offsets: What to add to a code of that length to get its index in DHT order.
        fast: By the next ``FAST_BITS`` bits: see `fast_dc_entry` and `fast_ac_entry`; 0 where that is not enough.
        has_fast: Whether ``fast`` is built.
        singles: Work space of `build_fast_ac`.
    """

    keys: NDArray[np.uint8]
    stamps: NDArray[np.int64]
    symbols: NDArray[np.uint16]
    limits: NDArray[np.int64]
    offsets: NDArray[np.int64]
    fast: NDArray[np.uint32]
    has_fast: NDArray[np.bool_]
    singles: NDArray[np.uint32]


def empty_tables() -> HuffmanTables:
    """Room for ``SLOTS`` tables, none of them filled."""
    return HuffmanTables(
        keys=np.zeros((SLOTS, 1 + 16 + 256), np.uint8),
        stamps=np.zeros(SLOTS + 1, np.int64),
        symbols=np.zeros((SLOTS, 1 << SYMBOL_BITS), np.uint16),
        limits=np.zeros((SLOTS, 17), np.int64),
        offsets=np.zeros((SLOTS, 17), np.int64),
        fast=np.zeros((SLOTS, 1 << FAST_BITS), np.uint32),
        has_fast=np.zeros(SLOTS, np.bool_),
        singles=np.zeros(1 << FAST_BITS, np.uint32),
    )


@njit(nogil=True, cache=True)
def count_codes(data, start):
    """Number of codes of the table whose 16 counts start at ``start`` (T.81 B.2.4.2)."""
    total = 0
    for i in range(16):
        total += data[start + i]
    return total


@njit(nogil=True, cache=True)
def find_table(tables, table_class, data, start):
    """Slot of the table of that class at ``start`` of ``data``, built where it is new; -1 where it is no Huffman code."""
    size = 16 + count_codes(data, start)
    tables.stamps[SLOTS] += 1
    oldest = 0
    for slot in range(SLOTS):
        key = tables.keys[slot]
        if tables.stamps[slot] > 0 and key[0] == table_class:
            same = 0
            while same < size and key[1 + same] == data[start + same]:
                same += 1
            if same == size:
                tables.stamps[slot] = tables.stamps[SLOTS]
                return slot
        if tables.stamps[slot] < tables.stamps[oldest]:
            oldest = slot
    tables.stamps[oldest] = 0
    key = tables.keys[oldest]
    key[0] = table_class
    for i in range(size):
        key[1 + i] = data[start + i]
    if not build_symbols(key, tables.symbols[oldest], tables.limits[oldest], tables.offsets[oldest]):
        return -1
    tables.has_fast[oldest] = False
    tables.stamps[oldest] = tables.stamps[SLOTS]
    return oldest


@njit(nogil=True, cache=True)
def build_symbols(key, symbols, limits, offsets):
    """Canonical codes of a table (T.81 C.2): the first look-up, and limits for longer codes. False where it is no code."""
    symbols[:] = 0
    code, index = 0, 0
    for length in range(1, 17):
        offsets[length] = index - code
        for _ in range(key[length]):
            symbol = key[17 + index]
            if key[0] == 0 and symbol > 15:  # DC differences have at most 15 bits (T.81 F.1.2.1.2, 12-bit samples)
                return False
            if length <= SYMBOL_BITS and code >> length == 0:
                spare = SYMBOL_BITS - length
                for entry in range(code << spare, (code + 1) << spare):
                    symbols[entry] = length << 8 | symbol
            code += 1
            index += 1
        if code >= 1 << length and index > 0 and key[length] > 0:  # all ones is no code either (T.81 C.2)
            return False
        limits[length] = code << (16 - length)
        code <<= 1
    return True


@njit(nogil=True, cache=True)
def next_symbol(symbols, limits, offsets, keys, slot, bits):
    """Length and symbol of the code at the top of a window; length 0 where there is none (T.81 F.2.2.3, DECODE)."""
    entry = np.int64(symbols[slot, bits >> _SYMBOL_SHIFT])
    if entry != 0:
        return entry >> 8, entry & 255
    code = np.int64(bits >> _U48)
    for length in range(1, 17):
        if code < limits[slot, length]:
            index = (code >> (16 - length)) + offsets[slot, length]
            return np.int64(length), np.int64(keys[slot, 17 + (index & 255)])
    return np.int64(0), np.int64(0)


@njit(nogil=True, cache=True)
def build_fast(tables, slot):
    """Build the table of codes with their additional bits, where it is not there yet."""
    if tables.has_fast[slot]:
        return
    tables.has_fast[slot] = True
    if tables.keys[slot, 0] == 0:
        _fill_fast(tables.keys[slot], tables.fast[slot])
    else:
        _fill_fast(tables.keys[slot], tables.singles)
        _pair(tables.singles, tables.fast[slot])


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def _entry(table_class, run, size, value, length):
    if table_class == 0:
        return fast_dc_entry(value, length)
    if size == 0:
        return fast_ac_entry(0, 0, 0, 0, 63, length) if run == 0 else np.uint32(0)
    return fast_ac_entry(value, 0, run, run, run + 1, length) if -64 <= value < 64 else np.uint32(0)


@njit(nogil=True, cache=True)
def fast_dc_entry(difference, length):
    """16 bits difference, 16 bits length of code and additional bits."""
    return np.uint32(((difference & 0xFFFF) << 16) | length)


@njit(nogil=True, cache=True)
def fast_ac_entry(first, second, first_run, second_offset, advance, length):
    """Up to two coefficients: where to put them and what follows.

    From the top: 7 bits first coefficient, 6 bits second one (written before the first, so that an entry of one
    coefficient may overwrite itself), 5 and 4 bits their distance from the current index, 6 bits advance of the
    index, 4 bits length.
    """
    values = ((first & 127) << 25) | ((second & 63) << 19)
    return np.uint32(values | (second_offset << 14) | (first_run << 10) | (advance << 4) | length)


@njit(nogil=True, cache=True)
def _pair(singles, fast):
    """Join each symbol with the one after it, where both fit."""
    for index in range(1 << FAST_BITS):
        entry = np.int64(singles[index])
        length, advance = entry & 15, (entry >> 4) & 63
        after = np.int64(singles[(index << length) & ((1 << FAST_BITS) - 1)])
        length += after & 15
        fast[index] = entry
        if entry == 0 or advance == 63 or after == 0 or length > FAST_BITS:
            continue
        first, run = entry >> 25, (entry >> 10) & 15
        if (after >> 4) & 63 == 63:
            fast[index] = fast_ac_entry(first, 0, run, run, 63, length)
            continue
        second = np.int64(np.int32(after)) >> 25
        if -32 <= second < 32:
            offset = advance + ((after >> 10) & 15)
            fast[index] = fast_ac_entry(first, second, run, offset, offset + 1, length)
