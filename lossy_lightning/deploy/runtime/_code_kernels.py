"""How codes enter: integers become bits or numbers by tables, one for each channel."""

from typing import Any

import numpy as np

from lossy_lightning.bitstream.compile import kernel


@kernel
def encode_bits(step: Any, codes: Any, first: Any, ints: Any, words: Any, scratch: Any) -> Any:
    """Words of codes: each code's row of a table, shifted to its place. Entries come word by word.

    Returns:
        Whether all codes were in range.
    """
    target, entries, width = np.uint64(step[2]), np.uint64(step[4]), np.uint64(step[5])
    places, tables, sizes = np.uint64(step[6]), np.uint64(step[7]), np.uint64(step[8])
    lows, ends, shifts = np.uint64(step[9]), np.uint64(step[10]), np.uint64(step[11])
    bad = np.uint64(0)
    for p in range(np.uint64(step[3])):
        begin = np.uint64(0)
        for w in range(width):
            end = np.uint64(ints[ends + w])
            word = np.uint64(0)
            for e in range(begin, end):
                code = codes[np.uint64(first) + np.uint64(ints[places + p * entries + e])]
                value = np.uint64(np.int64(code) - np.int64(ints[lows + e]))
                inside = value < np.uint64(ints[sizes + e])
                bad |= np.uint64(not inside)
                row = np.uint64(ints[tables + e]) + (value if inside else np.uint64(0))
                word |= words[row] << np.uint64(ints[shifts + e])
            scratch[target + p * width + w] = word
            begin = end
    return bad == 0


@kernel
def encode_reals(step: Any, codes: Any, first: Any, ints: Any, constants: Any, floats: Any) -> Any:
    """Numbers of codes, by a table of as many numbers a value as the code has features; without one, the code itself.

    Returns:
        Whether all codes were in range.
    """
    target, positions, entries, channels = step[2], step[3], step[4], step[5]
    places, tables, sizes, lows, at, lengths = step[6], step[7], step[8], step[9], step[10], step[11]
    for p in range(positions):
        base = target + p * channels
        for e in range(entries):
            code = codes[first + ints[places + p * entries + e]]
            value = code - ints[lows + e]
            if value < 0 or value >= ints[sizes + e]:
                return False
            if tables < 0:
                floats[base + ints[at + e]] = np.float32(code)
                continue
            length = ints[lengths + e]
            row = ints[tables + e] + value * length
            for i in range(length):
                floats[base + ints[at + e] + i] = constants[row + i]
    return True
