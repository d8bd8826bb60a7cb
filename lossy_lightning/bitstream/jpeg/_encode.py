"""Coefficients to symbols, symbols to Huffman codes, codes to bytes (T.81 annexes C, F and K.2)."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from ..compile import entry, kernel
from ._tables import NATURAL_ORDER

RESTART = 8  # instead of a token's table: a restart marker stands here
TOKEN = np.dtype([("table", np.uint8), ("symbol", np.uint8), ("size", np.uint8), ("value", np.uint16)])


@entry
def tokenize(values, units, num_mcus, per_row, interval, tokens):
    """The symbols of a sequential scan with their additional bits (T.81 F.1.2).

    Returns:
        Number of tokens.
    """
    count = 0
    predictions = np.zeros(4, np.int64)
    for mcu in range(num_mcus):
        if interval > 0 and mcu > 0 and mcu % interval == 0:
            predictions[:] = 0
            count = _token(tokens, count, RESTART, (mcu // interval - 1) & 7, 0)
        for u in range(len(units)):
            unit = units[u]
            base = unit.first + mcu // per_row * unit.row_step + mcu % per_row * unit.column_step
            dc = np.int64(values[base])
            count = _token(tokens, count, unit.dc, 0, dc - predictions[unit.order])
            predictions[unit.order] = dc
            run = 0
            for k in range(1, 64):
                value = np.int64(values[base + NATURAL_ORDER[k]])
                if value == 0:
                    run += 1
                    continue
                while run > 15:
                    count = _token(tokens, count, unit.ac, 15, 0)
                    run -= 16
                count = _token(tokens, count, unit.ac, run, value)
                run = 0
            if run > 0:
                count = _token(tokens, count, unit.ac, 0, 0)
    return count


@kernel
def _token(tokens, count, table, run, value):
    size, magnitude = 0, abs(value)
    while magnitude >> size:
        size += 1
    token = tokens[count]
    token.table, token.size = table, size
    token.symbol = run if table == RESTART else run << 4 | min(size, 15)  # size 16 is refused by the writer
    token.value = value if value >= 0 else value + (1 << size) - 1
    return count + 1


@entry
def optimal_counts(frequencies):
    """Counts of code lengths 1 to 16 and the symbols in order of length, for a table as in DHT (T.81 K.2)."""
    weights = np.zeros(257, np.int64)
    weights[:256] = frequencies
    weights[256] = 1  # takes the code of all ones, which is reserved
    lengths, others = np.zeros(257, np.int64), np.full(257, -1)
    while True:
        first, second = _least(weights, -1), 0
        second = _least(weights, first)
        if second < 0:
            break
        weights[first] += weights[second]
        weights[second] = 0
        _lengthen(lengths, others, first)
        last = first
        while others[last] >= 0:
            last = others[last]
        others[last] = second
        _lengthen(lengths, others, second)
    counts = np.zeros(258, np.int64)
    for symbol in range(257):
        counts[lengths[symbol]] += 1
    _limit_to_16(counts)
    symbols = np.zeros(256, np.uint8)
    index = 0
    for length in range(1, 258):
        for symbol in range(256):
            if lengths[symbol] == length:
                symbols[index] = symbol
                index += 1
    return counts[1:17], symbols[:index]


@kernel
def _least(weights, excluded):
    """The last symbol of least weight above 0 (T.81 figure K.1), -1 if there is none."""
    least = -1
    for i in range(257):
        if i != excluded and weights[i] > 0 and (least < 0 or weights[i] <= weights[least]):
            least = i
    return least


@kernel
def _lengthen(lengths, others, symbol):
    while symbol >= 0:
        lengths[symbol] += 1
        symbol = others[symbol]


@kernel
def _limit_to_16(counts):
    """Shorten codes to 16 bits and take out the reserved one (T.81 figure K.3)."""
    for length in range(257, 16, -1):
        while counts[length] > 0:
            shorter = length - 2
            while counts[shorter] == 0:
                shorter -= 1
            counts[length] -= 2
            counts[length - 1] += 1
            counts[shorter + 1] += 2
            counts[shorter] -= 1
    length = 16
    while counts[length] == 0:
        length -= 1
    counts[length] -= 1


@entry
def emit(tokens, codes, lengths, out):
    """Write tokens as entropy-coded bytes (T.81 F.1.2.3): their number.

    Args:
        tokens: What to write.
        codes: Code of each table's symbols.
        lengths: Lengths of these codes.
        out: Room for eight bytes a token, and eight more.
    """
    count, bits, held = 0, np.uint64(0), np.uint64(0)
    for token in tokens:
        if token.table == RESTART:
            count = _flush(out, count, bits, held)
            out[count], out[count + 1] = 0xFF, 0xD0 + token.symbol
            count, bits, held = count + 2, np.uint64(0), np.uint64(0)
            continue
        for value, size in (
            (np.uint64(codes[token.table, token.symbol]), np.uint64(lengths[token.table, token.symbol])),
            (np.uint64(token.value), np.uint64(token.size)),
        ):
            bits = (bits << size) | value
            held += size
        while held >= np.uint64(8):
            held -= np.uint64(8)
            count = _put(out, count, np.uint8(bits >> held))
    return _flush(out, count, bits, held)


@kernel
def _put(out, count, byte):
    out[count] = byte
    if byte == 0xFF:
        out[count + 1] = 0
        return count + 2
    return count + 1


@kernel
def _flush(out, count, bits, held):
    """Fill the last byte with ones."""
    if held == np.uint64(0):
        return count
    spare = np.uint64(8) - held
    return _put(out, count, np.uint8((bits << spare) | ((np.uint64(1) << spare) - np.uint64(1))))
