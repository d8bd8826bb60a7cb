"""Products and poolings of bits: what a packed network does with words of 64 signs.

A bit of 1 stands for +1, one of 0 for -1. The products of ``count`` signs add up to ``count - 2 * (differing bits)``.
Constants and features lie in flat buffers, of which each kernel is told where its parts begin.
"""

from typing import Any

import numpy as np

from lossy_lightning.bitstream.compile import inlined, kernel
from lossy_lightning.deploy.runtime._tiles import POSITIONS, TILES, at_least, bit_tile, reached

_WIDE, _NARROW = TILES


@inlined
def gather(
    ints: Any, taps: Any, num_taps: Any, width: Any, words: Any, offset: Any, patch: Any, j: Any, positions: Any
) -> Any:
    """Copy the words that an output position sees into its column of ``patch``."""
    at = j
    for tap in range(num_taps):
        place = offset + np.uint64(ints[taps + tap])
        for w in range(width):
            patch[at] = words[place + w]
            at += positions


@inlined
def gather_few(
    ints: Any, taps: Any, num_taps: Any, span: Any, words: Any, offset: Any, patch: Any, j: Any, positions: Any
) -> Any:
    """The same of positions of few bits, which lie side by side in a word."""
    at, word, shift = j, np.uint64(0), np.uint64(0)
    for tap in range(num_taps):
        if shift + span > np.uint64(64):
            patch[at] = word
            at += positions
            word, shift = np.uint64(0), np.uint64(0)
        word |= words[offset + np.uint64(ints[taps + tap])] << shift
        shift += span
    patch[at] = word


def _block(positions: int) -> Any:
    """A kernel of so many output positions, or examples, at once: bits of their sums, or the sums as numbers."""
    wide, narrow = (bit_tile(tile, positions, masked=False) for tile in TILES)
    masked = bit_tile(_NARROW, positions, masked=True)
    grouped = positions == 1  # groups are rare: one kernel for them is enough

    @inlined
    def block(
        step: Any, p: Any, next_p: Any, word_at: Any, next_word: Any, float_at: Any, next_float: Any,
        words: Any, ints: Any, scratch: Any, floats: Any, sums: Any, patch: Any,
    ) -> Any:  # fmt: skip
        target, num_taps, width, span = np.uint64(step[2]), np.uint64(step[4]), np.uint64(step[5]), np.uint64(step[6])
        outputs, taps, weights, masks = np.uint64(step[7]), np.uint64(step[8]), np.uint64(step[9]), np.uint64(step[10])
        limits, out_words, real = np.uint64(step[11]), np.uint64(step[12]), np.uint64(step[13])
        total, count, size = step[14], np.uint64(step[15]), np.uint64(len(sums) // POSITIONS)
        for j in range(np.uint64(positions)):
            first, offset = taps + (p + j * next_p) * num_taps, word_at + j * next_word
            if span > 0:
                gather_few(ints, first, num_taps, span, scratch, offset, patch, j, np.uint64(positions))
            else:
                gather(ints, first, num_taps, width, scratch, offset, patch, j, np.uint64(positions))
        o = np.uint64(0)
        if grouped and step[10] >= 0:
            while o < outputs:
                masked(patch, count, words, weights + o * count, masks + o * count, sums, size, o)
                o += np.uint64(_NARROW)
        while o + np.uint64(_WIDE) <= outputs:
            wide(patch, count, words, weights + o * count, masks, sums, size, o)
            o += np.uint64(_WIDE)
        while o < outputs:
            narrow(patch, count, words, weights + o * count, masks, sums, size, o)
            o += np.uint64(_NARROW)
        for j in range(np.uint64(positions)):
            position, row = p + j * next_p, j * size
            limit = np.uint64(ints[limits + position])
            if real > 0:
                made = target + float_at + j * next_float + position * real
                for c in range(real):
                    floats[made + c] = np.float32(total - 2 * np.int64(sums[row + c]) - np.int64(ints[limit + c]))
            made = target + word_at + j * next_word + position * out_words
            for w in range(out_words):
                word = np.uint64(0)
                for part in range(np.uint64(8)):
                    eight = w * np.uint64(64) + part * np.uint64(8)
                    if eight < outputs:
                        word |= reached(sums, row + eight, total, ints, limit + eight) << (part * np.uint64(8))
                scratch[made + w] = word

    return block


_several, _single = _block(POSITIONS), _block(1)


@kernel
def bit_product(
    step: Any, count: Any, words: Any, ints: Any, scratch: Any, stride: Any, floats: Any, float_stride: Any,
    sums: Any, patch: Any,
) -> Any:  # fmt: skip
    """Products of signs of some examples, several positions or, if there are fewer, several examples at once.

    See `_assembly` for the layout of a step. Indices are unsigned: of signed ones each is tested for the end that it
    counts from.
    """
    at_once, one, nothing = np.uint64(POSITIONS), np.uint64(1), np.uint64(0)
    positions = np.uint64(step[3])
    over_examples = positions < at_once
    outer, inner = (positions, count) if over_examples else (count, positions)
    next_p = nothing if over_examples else one
    next_word, next_float = (stride, float_stride) if over_examples else (nothing, nothing)
    for a in range(outer):
        b = nothing
        while b < inner:
            p, e = (a, b) if over_examples else (b, a)
            told = (p, next_p, e * stride, next_word, e * float_stride, next_float)
            if b + at_once <= inner and step[10] < 0:
                _several(step, *told, words, ints, scratch, floats, sums, patch)
                b += at_once
            else:
                _single(step, *told, words, ints, scratch, floats, sums, patch)
                b += one


@kernel
def bit_pooling(step: Any, count: Any, ints: Any, words: Any, scratch: Any, stride: Any) -> Any:
    """Maximum of bits over taps, then those flipped of which the minimum is meant (a falling function of the sums)."""
    num_taps, width, taps, flips = np.uint64(step[4]), np.uint64(step[5]), np.uint64(step[6]), np.uint64(step[7])
    for e in range(count):
        source, at = np.uint64(step[1]) + e * stride, np.uint64(step[2]) + e * stride
        for p in range(np.uint64(step[3])):
            first = taps + p * num_taps
            for w in range(width):
                word = np.uint64(0)
                for tap in range(num_taps):
                    position = ints[first + tap]
                    if position >= 0:
                        word |= scratch[source + np.uint64(position) * width + w]
                scratch[at] = word ^ words[flips + w]
                at += np.uint64(1)


@kernel
def bit_gathering(step: Any, count: Any, ints: Any, words: Any, scratch: Any, stride: Any) -> Any:
    """Words at other positions; where there is none, those of the padding."""
    width, places, fill = np.uint64(step[4]), np.uint64(step[5]), np.uint64(step[6])
    for e in range(count):
        source, at = np.uint64(step[1]) + e * stride, np.uint64(step[2]) + e * stride
        for p in range(np.uint64(step[3])):
            position = ints[places + p]
            for w in range(width):
                if position >= 0:
                    scratch[at] = scratch[source + np.uint64(position) * width + w]
                else:
                    scratch[at] = words[fill + w]
                at += np.uint64(1)


@kernel
def bit_thresholds(
    step: Any, count: Any, constants: Any, words: Any, scratch: Any, stride: Any, floats: Any, float_stride: Any
) -> Any:
    """Bits of numbers ``(positions, channels)``: 1 from a threshold on, then flipped."""
    channels, width, thresholds = np.uint64(step[4]), np.uint64(step[5]), np.uint64(step[6])
    per_position, flips, flips_per_position = np.uint64(step[7]), np.uint64(step[8]), np.uint64(step[9])
    for e in range(count):
        base, made = np.uint64(step[1]) + e * float_stride, np.uint64(step[2]) + e * stride
        for p in range(np.uint64(step[3])):
            at = thresholds + p * per_position
            for w in range(width):
                first = w * np.uint64(64)
                word = _bits_of(floats, base + first, constants, at + first, min(np.uint64(64), channels - first))
                scratch[made] = word ^ words[flips + p * flips_per_position + w]
                made += np.uint64(1)
            base += channels


@inlined
def _bits_of(floats: Any, base: Any, constants: Any, at: Any, channels: Any) -> Any:
    """A word of so many numbers: 1 for those that reach their threshold."""
    word, c = np.uint64(0), np.uint64(0)
    while c + np.uint64(8) <= channels:
        word |= at_least(floats, base + c, constants, at + c) << c
        c += np.uint64(8)
    while c < channels:
        word |= np.uint64(floats[base + c] >= constants[at + c]) << c
        c += np.uint64(1)
    return word


@kernel
def bit_reading(
    step: Any, count: Any, constants: Any, scratch: Any, stride: Any, floats: Any, float_stride: Any
) -> Any:
    """Numbers of bits: of each channel one value for 0 and one for 1."""
    channels, width, values = np.uint64(step[4]), np.uint64(step[5]), np.uint64(step[6])
    for e in range(count):
        source, at = np.uint64(step[1]) + e * stride, np.uint64(step[2]) + e * float_stride
        for _ in range(np.uint64(step[3])):
            for c in range(channels):
                word = scratch[source + (c >> np.uint64(6))]
                bit = (word >> (c & np.uint64(63))) & np.uint64(1)
                floats[at + c] = constants[values + np.uint64(2) * c + bit]
            source += width
            at += channels
