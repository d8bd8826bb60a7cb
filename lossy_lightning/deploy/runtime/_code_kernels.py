"""How codes enter: integers become bits or numbers by tables, one for each channel."""

from typing import Any

import numpy as np

from lossy_lightning.bitstream.compile import kernel


@kernel
def encode_bits(
    step: Any, count: Any, codes: Any, first: Any, size: Any, ints: Any, words: Any, scratch: Any, stride: Any
) -> Any:
    """Words of codes: each code's row of a table, shifted to its place. Entries come word by word.

    Returns:
        The first example that has a code out of range, else ``count``.
    """
    entries, width, places = np.uint64(step[4]), np.uint64(step[5]), np.uint64(step[6])
    tables, sizes, lows = np.uint64(step[7]), np.uint64(step[8]), np.uint64(step[9])
    ends, shifts, apart = np.uint64(step[10]), np.uint64(step[11]), np.uint64(step[12])
    found = count
    for e in range(count):
        base, made = first + e * size, np.uint64(step[2]) + e * stride
        bad = np.uint64(0)
        for p in range(np.uint64(step[3])):
            begin, place = np.uint64(0), places + p * entries
            for w in range(width):
                end = np.uint64(ints[ends + w])
                word = np.uint64(0)
                if apart > 0:  # the codes themselves, less the least, so many bits apart
                    low, many = np.int64(ints[lows]), np.uint64(ints[sizes])
                    for i in range(end - begin):
                        code = codes[base + np.uint64(ints[place + begin + i])]
                        value = np.uint64(np.int64(code) - low)
                        bad |= np.uint64(value >= many)
                        word |= value << (i * apart)
                else:
                    for i in range(begin, end):
                        code = codes[base + np.uint64(ints[place + i])]
                        value = np.uint64(np.int64(code) - np.int64(ints[lows + i]))
                        inside = value < np.uint64(ints[sizes + i])
                        bad |= np.uint64(not inside)
                        row = np.uint64(ints[tables + i]) + (value if inside else np.uint64(0))
                        word |= words[row] << np.uint64(ints[shifts + i])
                scratch[made] = word
                made += np.uint64(1)
                begin = end
        if bad > 0:
            found = min(found, e)
    return found


@kernel
def encode_reals(
    step: Any, count: Any, codes: Any, first: Any, size: Any, ints: Any, constants: Any, floats: Any, stride: Any
) -> Any:
    """Numbers of codes, by a table of as many numbers a value as the code has features; without one, the code itself.

    Returns:
        The first example that has a code out of range, else ``count``.
    """
    entries, channels, places = np.uint64(step[4]), np.uint64(step[5]), np.uint64(step[6])
    sizes, lows, ats, lengths = np.uint64(step[8]), np.uint64(step[9]), np.uint64(step[10]), np.uint64(step[11])
    found = count
    for e in range(count):
        base, begin, bad = np.uint64(step[2]) + e * stride, first + e * size, np.uint64(0)
        for p in range(np.uint64(step[3])):
            for i in range(entries):
                code = codes[begin + np.uint64(ints[places + p * entries + i])]
                value = np.uint64(np.int64(code) - np.int64(ints[lows + i]))
                inside = value < np.uint64(ints[sizes + i])
                bad |= np.uint64(not inside)
                at = base + np.uint64(ints[ats + i])
                if step[7] < 0:
                    floats[at] = np.float32(code)
                    continue
                length = np.uint64(ints[lengths + i])
                row = np.uint64(ints[np.uint64(step[7]) + i]) + (value if inside else np.uint64(0)) * length
                for k in range(length):
                    floats[at + k] = constants[row + k]
            base += channels
        if bad > 0:
            found = min(found, e)
    return found
