"""Look-up tables of the Huffman codes of pairs and of quadruples (ISO 11172-3, 2.4.1.7 and 2.4.3.4.6)."""

from functools import cache
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._codes import CODE_OF_TABLE, pair_codes, quad_codes

QUAD_BITS = 10  # look-up of codes of quadruples with their signs; the longest has so many
PLAIN_BITS = 12  # look-up of a code of pairs without signs

#: Bits of the look-up of each code of pairs with their signs: more for codes of large levels, whose words are longer.
FAST_BITS = dict.fromkeys((1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12), 10) | dict.fromkeys((13, 15, 16), 11) | {24: 12}
ROWS = {code: row for row, code in enumerate(FAST_BITS)}

#: Row of each table's code, -1 for table 0 (all zeros), -2 for 4 and 14 (not allowed).
ROW_OF_TABLE = np.array([ROWS[code] if code else -2 if i else -1 for i, code in enumerate(CODE_OF_TABLE.tolist())])


_FAST_ENDS = list(accumulate((1 << bits for bits in FAST_BITS.values()), initial=0))
_ROW = np.maximum(ROW_OF_TABLE, 0)
#: Byte of the look-ups that those of each table begin with.
FAST_START = np.array(_FAST_ENDS, np.uint64)[_ROW] * np.uint64(4)
#: By how much to shift a window of 64 bits to the right for an index of each table's look-up.
FAST_SHIFT = (64 - np.array(list(FAST_BITS.values()))).astype(np.uint64)[_ROW]

#: Look-up tables of all codes. ``fast``, code after code, by the next ``FAST_BITS``: one or two pairs with their signs.
#: From the top: 20 bits values, first one lowest; 4 bits length of the first pair alone; 2 bits number of pairs; 6 bits
#: length. It is 0 if the pair must be read by ``plain``: ``length << 8 | x << 4 | y`` of a pair without signs, 0 if its
#: code is longer; then it is in ``long`` by the next ``long_bits``, from ``long_start`` on. ``quads``: one or two
#: quadruples. From the top: 16 bits values, first one lowest; 8 bits length of the first quadruple alone; 2 bits number
#: of quadruples; 6 bits length.
TABLES = np.dtype(
    [
        ("fast", np.uint32, _FAST_ENDS[-1]),
        ("quads", np.uint32, (2, 1 << QUAD_BITS)),
        ("plain", np.uint16, (len(ROWS), 1 << PLAIN_BITS)),
        ("long", np.uint16, 13_000),
        ("long_start", np.uint64, len(ROWS)),
        ("long_bits", np.uint64, len(ROWS)),
    ]
)

FAST_BYTES = 4 * (_FAST_ENDS[-1] + (2 << QUAD_BITS))  # of the look-ups that most codes need


@cache
def tables() -> NDArray[np.void]:
    """Build the tables, once: an array of one record."""
    built, used = np.zeros(1, TABLES), 0
    codes = pair_codes()
    for code, row in ROWS.items():
        words = codes[code]
        entries = (words[:, 1] << 8 | words[:, 2] << 4 | words[:, 3]).astype(np.uint16)
        built["plain"][0, row] = _by_bits(words, entries, PLAIN_BITS)
        built["fast"][0, _FAST_ENDS[row] : _FAST_ENDS[row + 1]] = _fast_pairs(words, code >= 16, FAST_BITS[code])
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


def _fast_pairs(code: NDArray[np.int64], escape: bool, bits: int) -> NDArray[np.int64]:
    words, values = _signed(code[:, :2], code[:, 2:])
    entries, number, first = _join(words, values, abs(values).max(1) < (15 if escape else 16), 5, bits)
    return np.where(number > 0, entries | first << 8, 0)


def _fast_quads(code: NDArray[np.int64]) -> NDArray[np.int64]:
    words, values = _signed(code[:, :2], code[:, 2:] >> np.arange(3, -1, -1) & 1)
    entries, _, first = _join(words, values, np.ones(len(words), np.bool_), 2, QUAD_BITS)
    return entries | first << 8
