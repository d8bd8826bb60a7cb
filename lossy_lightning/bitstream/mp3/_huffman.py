"""Decoding of a granule's levels: Huffman codes of pairs and of quadruples (ISO 11172-3, 2.4.1.7 and 2.4.3.4.6)."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from .._bits import refill, top_bits
from ..compile import inlined, kernel
from ._codes import CODE_OF_TABLE, LINBITS, pair_codes, quad_codes

FAST_BITS = 12  # look-up of codes together with their signs; four of them need no more bits than one refill gives
MOST_BITS = 288 * (19 + 2 * (1 + 13))  # of a granule's pairs, so that reading stops soon behind a stream's end

_SHIFT = np.uint64(64 - FAST_BITS)
_ZERO, _ONE, _2, _4, _8, _16, _32, _48, _63, _64 = (np.uint64(i) for i in (0, 1, 2, 4, 8, 16, 32, 48, 63, 64))
_LAST_QUAD, _LAST_QUADS, _END = np.uint64(572), np.uint64(568), np.uint64(576)
_LENGTH, _ADVANCE, _ESCAPE = np.uint64(63), np.uint64(15), np.uint64(1 << 15)
_ROWS = {code: row for row, code in enumerate((1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 24))}

#: Row of each table's code, -1 for table 0 (all zeros), -2 for 4 and 14 (not allowed).
_ROW_OF_TABLE = np.array([_ROWS[code] if code else -2 if i else -1 for i, code in enumerate(CODE_OF_TABLE.tolist())])


def _store(lanes: int) -> Callable[..., Any]:
    def store(typing_context, array, index, values):

        def build(context, builder, signature, arguments):
            view = cgutils.create_struct_proxy(array)(context, builder, value=arguments[0])
            small = builder.trunc(arguments[2], ir.IntType(8 * lanes)) if lanes < 8 else arguments[2]
            wide = builder.sext(
                builder.bitcast(small, ir.VectorType(ir.IntType(8), lanes)), ir.VectorType(ir.IntType(16), lanes)
            )
            place = builder.bitcast(builder.gep(view.data, [arguments[1]]), wide.type.as_pointer())
            builder.store(wide, place, align=2)
            return context.get_dummy_value()

        return types.none(array, types.uint64, types.uint64), build

    return store


#: Write the lowest four bytes of a number, lowest first, as int16 with sign, from an index of an int16 array on.
store4: Callable[..., Any] = intrinsic(_store(4))
#: The same of eight bytes.
store8: Callable[..., Any] = intrinsic(_store(8))


class Tables(NamedTuple):
    """Look-up tables of all codes.

    Attributes:
        fast: uint64 ``(codes, 2**12)``, by the next bits: one or two pairs with their signs. From the top: 32 bits of
            values, first one lowest; 16 bits length of the first pair alone; 1 bit that says that the pair must be read
            by ``plain``; 7 bits number of values; 8 bits length.
        plain: uint16 ``(codes, 2**12)``: ``length << 8 | x << 4 | y`` of a pair without signs, 0 if its code is longer.
        long: uint16: the same by the next bits of those codes that have longer words.
        long_of: int64 ``(codes, 2)``: where in ``long`` a code's words are, and for how many bits.
        quads: uint64 ``(2, 2**12)``: eight values of two quadruples, first one lowest.
        quad_lengths: uint32 ``(2, 2**12)``: 16 bits length of the first quadruple alone, 8 bits number of values, and 8
            bits length.
    """

    fast: NDArray[np.uint64]
    plain: NDArray[np.uint16]
    long: NDArray[np.uint16]
    long_of: NDArray[np.int64]
    quads: NDArray[np.uint64]
    quad_lengths: NDArray[np.uint32]


@cache
def tables() -> Tables:
    """Build the tables, once."""
    codes = pair_codes()
    fast, plain = np.zeros((len(_ROWS), 1 << FAST_BITS), np.uint64), np.zeros((len(_ROWS), 1 << FAST_BITS), np.uint16)
    long, long_of = [np.zeros(0, np.uint16)], np.zeros((len(_ROWS), 2), np.int64)
    for code, row in _ROWS.items():
        words = codes[code]
        entries = (words[:, 1] << 8 | words[:, 2] << 4 | words[:, 3]).astype(np.uint16)
        plain[row] = _by_bits(words, entries, FAST_BITS)
        longest = int(words[:, 1].max())
        words, entries = words[words[:, 1] > FAST_BITS], entries[words[:, 1] > FAST_BITS]
        if len(words):
            long_of[row] = sum(map(len, long)), longest
            above = int(((words[:, 0] + 1) << (longest - words[:, 1])).max())
            long.append(_by_bits(words, entries, longest)[:above])
        fast[row] = _fast_pairs(codes[code], escape=code >= 16)
    quads, lengths = zip(*map(_fast_quads, quad_codes()), strict=True)
    return Tables(fast, plain, np.concatenate(long), long_of, np.stack(quads), np.stack(lengths))


def _by_bits(words: NDArray[np.int64], entries: NDArray[Any], size: int) -> NDArray[Any]:
    """The entry of the word that each number of ``size`` bits begins with; 0 if there is none."""
    found = np.zeros(1 << size, entries.dtype)
    for (word, length, *_), entry in zip(words.tolist(), entries, strict=True):
        if length <= size:
            found[word << (size - length) : (word + 1) << (size - length)] = entry
    return found


def _signed(words: NDArray[np.int64], values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Words with a sign bit for each value that is not 0, and the values with sign."""
    for i in range(values.shape[1]):
        has = values[:, i] != 0
        negative, signs = words[has].copy(), np.ones_like(values)
        negative[:, 0] = 2 * negative[:, 0] + 1
        words = words.copy()
        words[has, 0] *= 2
        words[has, 1] += 1
        negative[:, 1] += 1
        signs[:, i] = -1
        words = np.concatenate([words, negative])
        values = np.concatenate([values, (values * signs)[has]])
    return words, values


def _join(words: NDArray[np.int64], values: NDArray[np.int64], usable: NDArray[np.bool_]) -> tuple[NDArray[Any], ...]:
    """By the next bits: values of one or two words as bytes, their number, their length, and that of the first one."""
    count = values.shape[1]
    packed = ((values & 255) << (8 * np.arange(count))).sum(1).astype(np.uint64)
    length = _by_bits(words, np.where(usable, words[:, 1], 0), FAST_BITS)
    first = _by_bits(words, np.where(usable, packed, 0), FAST_BITS)
    rest = (np.arange(1 << FAST_BITS) << length) & ((1 << FAST_BITS) - 1)
    together = length + length[rest]
    two = (length > 0) & (length[rest] > 0) & (together <= FAST_BITS)
    both = first | np.where(two, first[rest] << np.uint64(8 * count), np.uint64(0))
    number = np.where(length > 0, np.where(two, 2 * count, count), 0)
    return both, number, np.where(two, together, length), length


def _fast_pairs(code: NDArray[np.int64], escape: bool) -> NDArray[np.uint64]:
    words, values = _signed(code[:, :2], code[:, 2:])
    both, number, length, first = _join(words, values, abs(values).max(1) < (15 if escape else 16))
    told = first << 16 | np.where(number == 0, int(_ESCAPE), 0) | number << 8 | length
    entries: NDArray[np.uint64] = both << _32 | told.astype(np.uint64)
    return entries


def _fast_quads(code: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    words, values = _signed(code[:, :2], code[:, 2:] >> np.arange(3, -1, -1) & 1)
    both, number, length, first = _join(words, values, np.ones(len(words), np.bool_))
    return both, (first << 16 | number << 8 | length).astype(np.uint32)


@inlined
def _linear(bits, count, value, linbits):
    """What linbits and sign bit make of an absolute value, which is not 0: window and count behind them."""
    if value == 15 and linbits > _ZERO:
        value += top_bits(bits, linbits)
        bits, count = bits << linbits, count - linbits
    if bits >> _63:
        value = -value
    return bits << _ONE, count - _ONE, value


@kernel
def _pair(bits, count, row, linbits, plain, long, long_of, out, i):
    """A pair that ``fast`` does not hold: window and count behind it; at most 19 + 2 * 14 bits are used."""
    entry = np.int64(plain[row, bits >> _SHIFT])
    if entry == 0:
        entry = np.int64(long[np.uint64(long_of[row, 0]) + (bits >> (_64 - np.uint64(long_of[row, 1])))])
    length = np.uint64(entry >> 8)
    bits, count = bits << length, count - length
    x, y = (entry >> 4) & 15, entry & 15
    if x > 0:
        bits, count, x = _linear(bits, count, x, linbits)
    if y > 0:
        bits, count, y = _linear(bits, count, y, linbits)
    out[i], out[i + _ONE] = x, y
    return bits, count


@inlined
def _pairs(stream, bits, count, index, row, linbits, fast, plain, long, long_of, out, i, stop):
    """Pairs from ``i`` to ``stop`` in one table's code: the running window behind them."""
    while i + _16 <= stop:
        bits, count, index = refill(stream, bits, count, index)
        seen = _ZERO
        for _ in range(4):
            entry = fast[row, bits >> _SHIFT]
            store4(out, i, entry >> _32)
            bits <<= entry & _LENGTH
            count -= entry & _LENGTH
            i += (entry >> _8) & _ADVANCE
            seen |= entry
        if seen & _ESCAPE:  # an entry of such a pair uses up nothing, so the window still begins with it
            bits, count, index = refill(stream, bits, count, index)
            bits, count = _pair(bits, count, row, linbits, plain, long, long_of, out, i)
            i += _2
    while i < stop:
        bits, count, index = refill(stream, bits, count, index)
        entry = fast[row, bits >> _SHIFT]
        if entry & _ESCAPE:
            bits, count = _pair(bits, count, row, linbits, plain, long, long_of, out, i)
            i += _2
            continue
        store4(out, i, entry >> _32)
        length = entry & _LENGTH if i + _4 <= stop else (entry >> _16) & _LENGTH
        bits <<= length
        count -= length
        i += (entry >> _8) & _ADVANCE
    return bits, count, index


@inlined
def _quadruples(stream, bits, count, index, end, quads, lengths, table, out, i):
    """Quadruples from ``i`` on, until the bit ``end``: where they end, and how many bits are left."""
    left = np.int64(end - ((index << np.uint64(3)) - count))
    while i <= _LAST_QUADS:
        bits, count, index = refill(stream, bits, count, index)
        length = _ZERO
        for _ in range(4):
            entry = np.uint64(lengths[table, bits >> _SHIFT])
            length = entry & _LENGTH
            if np.int64(length) > left or i > _LAST_QUADS:
                break
            store8(out, i, quads[table, bits >> _SHIFT])
            bits <<= length
            count -= length
            left -= np.int64(length)
            i += (entry >> _8) & _ADVANCE
        if np.int64(length) > left:
            break
    while left > 0 and i <= _LAST_QUAD:
        bits, count, index = refill(stream, bits, count, index)
        length = np.uint64(lengths[table, bits >> _SHIFT]) >> _16
        if np.int64(length) > left:
            break  # encoders end so, and decoders drop what is not whole
        store8(out, i, quads[table, bits >> _SHIFT])
        bits <<= length
        count -= length
        left -= np.int64(length)
        i += _4
    return i, left


@kernel
def read_levels(stream, position, end, granule, bounds, tables, out):
    """The 576 levels of a granule and channel.

    Args:
        stream: Main data; at least ``MOST_BITS`` bits stand behind ``end``, whatever they are.
        position: Bit that the first code begins with.
        end: Bit behind the granule.
        granule: Its side information.
        bounds: Where its regions of ``big_values`` end, in levels.
        tables: `Tables`.
        out: int16, written from its start on; eight more than 576 levels are touched.

    Returns:
        Bits that are left: negative if the pairs end behind ``end``. None are -MOST_BITS or less, which says that a
        table is none.
    """
    fast, plain, long, long_of, quads, lengths = tables
    index = position >> np.uint64(3)
    bits, count = _ZERO, _ZERO
    bits, count, index = refill(stream, bits, count, index)
    bits, count = bits << (position & np.uint64(7)), count - (position & np.uint64(7))
    i = _ZERO
    for region in range(3):
        stop = np.uint64(min(bounds[region], 2 * np.int64(granule.big_values)))
        if i >= stop:
            continue
        table = np.int64(granule.table_select[region])
        row = _ROW_OF_TABLE[table]
        if row >= 0:
            bits, count, index = _pairs(
                stream, bits, count, index, np.uint64(row), np.uint64(LINBITS[table]), fast, plain, long, long_of,
                out, i, stop,
            )  # fmt: skip
        elif row == -1:
            for k in range(i, stop):
                out[k] = 0
        else:
            return -MOST_BITS
        i = stop
    i, left = _quadruples(stream, bits, count, index, end, quads, lengths, np.uint64(granule.count1_table), out, i)
    for k in range(i, _END):
        out[k] = 0
    return left
