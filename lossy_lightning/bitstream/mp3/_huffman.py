"""Decoding of a granule's levels: Huffman codes of pairs and of quadruples (ISO 11172-3, 2.4.1.7 and 2.4.3.4.6)."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from .._bits import refill, top_bits
from ..compile import inlined, kernel
from ._codes import CODE_OF_TABLE, LINBITS, pair_codes, quad_codes

FAST_BITS = 10  # look-up of codes of pairs with their signs
QUAD_BITS = 10  # look-up of codes of quadruples with their signs; the longest has so many
PLAIN_BITS = 12  # look-up of a code without signs
MOST_BITS = 288 * (19 + 2 * (1 + 13))  # of a granule's pairs, so that reading stops soon behind a stream's end

_FAST_SHIFT, _QUAD_SHIFT, _PLAIN_SHIFT = (np.uint64(64 - size) for size in (FAST_BITS, QUAD_BITS, PLAIN_BITS))
_ZERO, _ONE, _2, _3, _6, _7, _8, _63, _64 = (np.uint64(i) for i in (0, 1, 2, 3, 6, 7, 8, 63, 64))
_PAIRS, _LAST_QUAD, _LAST_QUADS = np.uint64(288), np.uint64(286), np.uint64(284)
_LENGTH, _USED = np.uint64(63), np.uint64(31)  # of a length as a shift takes it, and as a number: one less instruction
_ESCAPE = np.uint32(1 << 8)
ROWS = {code: row for row, code in enumerate((1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 24))}

#: Row of each table's code, -1 for table 0 (all zeros), -2 for 4 and 14 (not allowed).
ROW_OF_TABLE = np.array([ROWS[code] if code else -2 if i else -1 for i, code in enumerate(CODE_OF_TABLE.tolist())])


def _store(lanes: int, size: int) -> Callable[..., Any]:
    """Write ``lanes`` numbers of ``size`` bits with sign, the highest bits of 32, last one highest."""

    def store(typing_context, array, index, entry):

        def build(context, builder, signature, arguments):
            view = cgutils.create_struct_proxy(array)(context, builder, value=arguments[0])
            width = 32 if lanes * size > 16 else 16
            number = builder.trunc(
                builder.lshr(arguments[2], ir.Constant(ir.IntType(32), 32 - width)), ir.IntType(width)
            )
            vector = ir.VectorType(number.type, lanes)
            first = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
            order = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
            each = builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), order)
            up = [size * (lanes - 1 - i) for i in range(lanes)]
            signed = builder.ashr(
                builder.shl(each, ir.Constant(vector, up)), ir.Constant(vector, [width - size] * lanes)
            )
            levels = builder.trunc(signed, ir.VectorType(ir.IntType(16), lanes)) if width > 16 else signed
            place = builder.bitcast(builder.gep(view.data, [arguments[1]]), levels.type.as_pointer())
            builder.store(levels, place, align=2)
            return context.get_dummy_value()

        return types.none(array, types.uint64, types.uint32), build

    return store


#: Write the four numbers of 5 bits at the top of an entry, first one lowest, from an index of an int16 array on.
store4: Callable[..., Any] = intrinsic(_store(4, 5))
#: The same of eight numbers of 2 bits.
store8: Callable[..., Any] = intrinsic(_store(8, 2))


#: Look-up tables of all codes. ``fast``, by the next bits: one or two pairs with their signs. From the top: 20 bits
#: values, first one lowest; bit 8 says that the pair must be read by ``plain``; 2 bits number of pairs; 6 bits length.
#: ``plain``: ``length << 8 | x << 4 | y`` of a pair without signs, 0 if its code is longer; then it is in ``long`` by
#: the next ``long_bits``, from ``long_start`` on. ``quads``: one or two quadruples. From the top: 16 bits values, first
#: one lowest; 8 bits length of the first quadruple alone; 2 bits number of quadruples; 6 bits length.
TABLES = np.dtype(
    [
        ("fast", np.uint32, (len(ROWS), 1 << FAST_BITS)),
        ("quads", np.uint32, (2, 1 << QUAD_BITS)),
        ("plain", np.uint16, (len(ROWS), 1 << PLAIN_BITS)),
        ("long", np.uint16, 13_000),
        ("long_start", np.uint64, len(ROWS)),
        ("long_bits", np.uint64, len(ROWS)),
    ]
)


@cache
def tables() -> NDArray[np.void]:
    """Build the tables, once: an array of one record."""
    built, used = np.zeros(1, TABLES), 0
    codes = pair_codes()
    for code, row in ROWS.items():
        words = codes[code]
        entries = (words[:, 1] << 8 | words[:, 2] << 4 | words[:, 3]).astype(np.uint16)
        built["plain"][0, row] = _by_bits(words, entries, PLAIN_BITS)
        built["fast"][0, row] = _fast_pairs(words, escape=code >= 16)
        longest, is_long = int(words[:, 1].max()), words[:, 1] > PLAIN_BITS
        if is_long.any():
            words, entries = words[is_long], entries[is_long]
            above = int(((words[:, 0] + 1) << (longest - words[:, 1])).max())
            built["long"][0, used : used + above] = _by_bits(words, entries, longest)[:above]
            built["long_start"][0, row], built["long_bits"][0, row] = used, longest
            used += above
    for table, words in enumerate(quad_codes()):
        built["quads"][0, table] = _fast_quads(words)
    return built


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


def _join(
    words: NDArray[np.int64], values: NDArray[np.int64], usable: NDArray[np.bool_], size: int, bits: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """By the next ``bits``: an entry of one or two words, values of ``size`` bits; their number, the first's length."""
    count = values.shape[1]
    packed = ((values & ((1 << size) - 1)) << (size * np.arange(count))).sum(1)
    length = _by_bits(words, np.where(usable, words[:, 1], 0), bits)
    first = _by_bits(words, np.where(usable, packed, 0), bits)
    rest = (np.arange(1 << bits) << length) & ((1 << bits) - 1)
    together = length + length[rest]
    two = (length > 0) & (length[rest] > 0) & (together <= bits)
    both = first | np.where(two, first[rest] << (size * count), 0)
    number = np.where(length > 0, 1 + two, 0)
    entries = both << (32 - 2 * size * count) | number << 6 | np.where(two, together, length)
    return entries, number, length


def _fast_pairs(code: NDArray[np.int64], escape: bool) -> NDArray[np.int64]:
    words, values = _signed(code[:, :2], code[:, 2:])
    entries, number, _ = _join(words, values, abs(values).max(1) < (15 if escape else 16), 5, FAST_BITS)
    return entries | np.where(number == 0, int(_ESCAPE), 0)


def _fast_quads(code: NDArray[np.int64]) -> NDArray[np.int64]:
    words, values = _signed(code[:, :2], code[:, 2:] >> np.arange(3, -1, -1) & 1)
    entries, _, first = _join(words, values, np.ones(len(words), np.bool_), 2, QUAD_BITS)
    return entries | first << 8


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
def _pair(bits, count, row, linbits, tables, out, i):
    """A pair that ``fast`` does not hold: window and count behind it; at most 19 + 2 * 14 bits are used."""
    entry = np.int64(tables.plain[row, bits >> _PLAIN_SHIFT])
    if entry == 0:
        entry = np.int64(tables.long[tables.long_start[row] + (bits >> (_64 - tables.long_bits[row]))])
    length = np.uint64(entry >> 8)
    bits, count = bits << length, count - length
    x, y = (entry >> 4) & 15, entry & 15
    if x > 0:
        bits, count, x = _linear(bits, count, x, linbits)
    if y > 0:
        bits, count, y = _linear(bits, count, y, linbits)
    out[_2 * i], out[_2 * i + _ONE] = x, y
    return bits, count


@inlined
def _pairs(stream, bits, count, index, row, linbits, tables, out, i, stop):
    """Pairs ``i`` to ``stop`` in one table's code: the running window behind them."""
    fast = tables.fast[row]
    while i + _8 <= stop:
        bits, count, index = refill(stream, bits, count, index)
        seen = np.uint32(0)
        for _ in range(4):
            entry = fast[bits >> _FAST_SHIFT]
            store4(out, _2 * i, entry)
            bits <<= np.uint64(entry) & _LENGTH
            count -= np.uint64(entry) & _USED
            i += np.uint64((entry >> np.uint32(6)) & np.uint32(3))
            seen |= entry
        if seen & _ESCAPE:  # an entry of such a pair uses up nothing, so the window still begins with it
            bits, count, index = refill(stream, bits, count, index)
            bits, count = _pair(bits, count, row, linbits, tables, out, i)
            i += _ONE
    while i < stop:
        bits, count, index = refill(stream, bits, count, index)
        entry = fast[bits >> _FAST_SHIFT]
        pairs = np.uint64((entry >> np.uint32(6)) & np.uint32(3))
        if entry & _ESCAPE or i + pairs > stop:
            bits, count = _pair(bits, count, row, linbits, tables, out, i)
            i += _ONE
            continue
        store4(out, _2 * i, entry)
        bits <<= np.uint64(entry) & _LENGTH
        count -= np.uint64(entry) & _USED
        i += pairs
    return bits, count, index


@inlined
def _quadruples(stream, bits, count, index, end, tables, table, out, i):
    """Quadruples from pair ``i`` on, until the bit ``end``: the pair behind them, and how many bits are left."""
    quads = tables.quads[table]
    left = np.int64(end - ((index << _3) - count))
    whole: Any = True
    while whole and i <= _LAST_QUADS:
        bits, count, index = refill(stream, bits, count, index)
        for _ in range(4):
            entry = quads[bits >> _QUAD_SHIFT]
            used = np.uint64(entry) & _USED
            whole = np.int64(used) <= left and i <= _LAST_QUADS
            if not whole:
                break
            store8(out, _2 * i, entry)
            bits <<= np.uint64(entry) & _LENGTH
            count -= used
            left -= np.int64(used)
            i += np.uint64((entry >> np.uint32(5)) & np.uint32(6))
    while left > 0 and i <= _LAST_QUAD:
        bits, count, index = refill(stream, bits, count, index)
        entry = quads[bits >> _QUAD_SHIFT]
        used = np.uint64((entry >> np.uint32(8)) & np.uint32(31))
        if np.int64(used) > left:
            break  # encoders end so, and decoders drop what is not whole
        store8(out, _2 * i, entry)
        bits <<= used
        count -= used
        left -= np.int64(used)
        i += _2
    return i, left


@kernel
def read_levels(stream, position, end, granule, first, second, tables, out):
    """The 576 levels of a granule and channel.

    Args:
        stream: Main data; at least ``MOST_BITS`` bits stand behind ``end``, whatever they are.
        position: Bit that the first code begins with.
        end: Bit behind the granule.
        granule: Its side information.
        first: Where the first region of ``big_values`` ends, in levels.
        second: Where the second region ends.
        tables: A record of ``TABLES``.
        out: int16, written from its start on; eight more than 576 levels are touched.

    Returns:
        Bits that are left: negative if the pairs end behind ``end``. None are -MOST_BITS or less, which says that a
        table is none.
    """
    bits, count, index = refill(stream, _ZERO, _ZERO, position >> _3)
    bits, count = bits << (position & _7), count - (position & _7)
    i, pairs = _ZERO, np.int64(granule.big_values)
    for region in range(3):
        stop = np.uint64(min(pairs, first >> 1 if region == 0 else second >> 1 if region == 1 else pairs))
        if i >= stop:
            continue
        table = np.int64(granule.table_select[region])
        row = ROW_OF_TABLE[table]
        if row >= 0:
            bits, count, index = _pairs(
                stream, bits, count, index, np.uint64(row), np.uint64(LINBITS[table]), tables, out, i, stop
            )
        elif row == -1:
            for k in range(_2 * i, _2 * stop):
                out[k] = 0
        else:
            return -MOST_BITS
        i = stop
    i, left = _quadruples(stream, bits, count, index, end, tables, np.uint64(granule.count1_table), out, i)
    for k in range(_2 * i, _2 * _PAIRS):
        out[k] = 0
    return left
