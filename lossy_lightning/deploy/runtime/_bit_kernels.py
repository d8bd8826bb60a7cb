"""Products and poolings of bits: what a packed network does with words of 64 signs.

A bit of 1 stands for +1, one of 0 for -1. The products of ``count`` signs add up to ``count - 2 * (differing bits)``.
Constants and features lie in flat buffers, of which each kernel is told where its parts begin.
"""

from typing import Any

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from lossy_lightning.bitstream.compile import inlined, kernel


def _ones(typing: Any, word: Any) -> Any:
    """Number of bits of a word that are 1. LLVM makes one instruction of it, or table look-ups by vector shuffles."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), code


ones: Any = intrinsic(_ones)


@inlined
def gather(taps: Any, first: Any, num_taps: Any, width: Any, words: Any, source: Any, patch: Any, rows: Any) -> Any:
    """Copy the words that an output position sees into ``patch``, and which rows of the weights they meet.

    Returns:
        How many taps lie on the grid; others are the padding of zeros, which adds nothing.
    """
    found = np.uint64(0)
    for tap in range(num_taps):
        position = taps[first + tap]
        if position >= 0:
            at = source + np.uint64(position) * width
            for w in range(width):
                patch[found * width + w] = words[at + w]
                rows[found * width + w] = tap * width + w
            found += np.uint64(1)
    return found


@inlined
def gather_few(taps: Any, first: Any, num_taps: Any, span: Any, words: Any, source: Any, patch: Any, rows: Any) -> Any:
    """The same of positions of few bits, which lie side by side in a word; all taps are on the grid.

    Returns:
        How many words there are.
    """
    found, word, shift = np.uint64(0), np.uint64(0), np.uint64(0)
    for tap in range(num_taps):
        if shift + span > np.uint64(64):
            patch[found], rows[found] = word, found
            found += np.uint64(1)
            word, shift = np.uint64(0), np.uint64(0)
        word |= words[source + np.uint64(taps[first + tap])] << shift
        shift += span
    patch[found], rows[found] = word, found
    return found + np.uint64(1)


@inlined
def differing(patch: Any, rows: Any, count: Any, weights: Any, start: Any, outputs: Any, sums: Any) -> Any:
    """Number of differing bits between a patch and the weights of each output, into ``sums``."""
    for o in range(outputs):
        sums[o] = 0
    i = np.uint64(0)
    one, four = np.uint64(1), np.uint64(4)
    while i + four <= count:
        a, b, c, d = patch[i], patch[i + one], patch[i + np.uint64(2)], patch[i + np.uint64(3)]
        at_a, at_b = start + rows[i] * outputs, start + rows[i + one] * outputs
        at_c, at_d = start + rows[i + np.uint64(2)] * outputs, start + rows[i + np.uint64(3)] * outputs
        for o in range(outputs):
            sums[o] += (
                ones(a ^ weights[at_a + o])
                + ones(b ^ weights[at_b + o])
                + ones(c ^ weights[at_c + o])
                + ones(d ^ weights[at_d + o])
            )
        i += four
    while i < count:
        e, at = patch[i], start + rows[i] * outputs
        for o in range(outputs):
            sums[o] += ones(e ^ weights[at + o])
        i += one


@inlined
def differing_masked(
    patch: Any, rows: Any, count: Any, weights: Any, start: Any, masks: Any, outputs: Any, sums: Any, sizes: Any
) -> Any:
    """The same among the bits that a mask of each output chooses, such as those of its group of channels."""
    for o in range(outputs):
        sums[o] = 0
        sizes[o] = 0
    for i in range(count):
        word, at = patch[i], rows[i] * outputs
        for o in range(outputs):
            mask = weights[masks + at + o]
            sums[o] += ones((word ^ weights[start + at + o]) & mask)
            sizes[o] += ones(mask)


@kernel
def bit_product(
    step: Any, words: Any, ints: Any, scratch: Any, floats: Any, sums: Any, sizes: Any, patch: Any, rows: Any
) -> Any:
    """Sums of products of signs: thresholds make bits of them, or they are stored as numbers.

    See `_assembly` for the layout of a step. Indices are unsigned: of signed ones each is tested for the end that it
    counts from, and no loop becomes vector instructions.
    """
    source, target, num_taps = np.uint64(step[1]), np.uint64(step[2]), np.uint64(step[4])
    width, channels, outputs, taps = np.uint64(step[5]), step[6], np.uint64(step[7]), np.uint64(step[8])
    weights, thresholds, per_position = np.uint64(step[9]), np.uint64(step[11]), np.uint64(step[12])
    out_words, real, span = np.uint64(step[13]), np.uint64(step[14]), np.uint64(step[15])
    for p in range(np.uint64(step[3])):
        if span > 0:
            count = gather_few(ints, taps + p * num_taps, num_taps, span, scratch, source, patch, rows)
            total = step[4] * channels
        else:
            found = gather(ints, taps + p * num_taps, num_taps, width, scratch, source, patch, rows)
            count = found * width
            total = np.int64(found) * channels
        factor = 2
        if step[10] >= 0:
            masks = np.uint64(step[10])
            differing_masked(patch, rows, count, words, weights, masks, outputs, sums, sizes)
            for o in range(outputs):
                sums[o] = np.uint64(2 * np.int64(sums[o]) - np.int64(sizes[o]))
            total, factor = 0, 1
        else:
            differing(patch, rows, count, words, weights, outputs, sums)
        if real > 0:
            for o in range(real):
                floats[target + p * real + o] = np.float32(total - factor * np.int64(sums[o]))
        else:
            at = thresholds + p * per_position
            for w in range(out_words):
                scratch[target + p * out_words + w] = _reached(sums, total, factor, ints, at, w)


@inlined
def _reached(sums: Any, total: Any, factor: Any, ints: Any, at: Any, w: Any) -> Any:
    """A word of 64 sums, ``total`` less ``factor`` times what was counted: 1 for those that reach their threshold."""
    word, first = np.uint64(0), w * np.uint64(64)
    for o in range(np.uint64(64)):
        reached = total - factor * np.int64(sums[first + o]) >= np.int64(ints[at + first + o])
        word |= np.uint64(reached) << o
    return word


@kernel
def bit_pooling(step: Any, ints: Any, words: Any, scratch: Any) -> Any:
    """Maximum of bits over taps, then those flipped of which the minimum is meant (a falling function of the sums)."""
    source, target, positions, num_taps = step[1], step[2], step[3], step[4]
    width, taps, flips = step[5], step[6], step[7]
    for p in range(positions):
        for w in range(width):
            word = np.uint64(0)
            for tap in range(num_taps):
                position = ints[taps + p * num_taps + tap]
                if position >= 0:
                    word |= scratch[source + position * width + w]
            scratch[target + p * width + w] = word ^ words[flips + w]


@kernel
def bit_gathering(step: Any, ints: Any, words: Any, scratch: Any) -> Any:
    """Words at other positions; where there is none, those of the padding."""
    source, target, positions, width, places, fill = step[1], step[2], step[3], step[4], step[5], step[6]
    for p in range(positions):
        position = ints[places + p]
        for w in range(width):
            if position >= 0:
                scratch[target + p * width + w] = scratch[source + position * width + w]
            else:
                scratch[target + p * width + w] = words[fill + w]


@kernel
def bit_thresholds(step: Any, constants: Any, words: Any, scratch: Any, floats: Any) -> Any:
    """Bits of numbers ``(positions, channels)``: 1 from a threshold on, then flipped."""
    source, target, channels = np.uint64(step[1]), np.uint64(step[2]), np.uint64(step[4])
    width, thresholds, per_position = np.uint64(step[5]), np.uint64(step[6]), np.uint64(step[7])
    flips, flips_per_position = np.uint64(step[8]), np.uint64(step[9])
    for p in range(np.uint64(step[3])):
        at, base = thresholds + p * per_position, source + p * channels
        for w in range(width):
            word, first = np.uint64(0), w * np.uint64(64)
            for c in range(min(np.uint64(64), channels - first)):
                reached = floats[base + first + c] >= constants[at + first + c]
                word |= np.uint64(reached) << c
            scratch[target + p * width + w] = word ^ words[flips + p * flips_per_position + w]


@kernel
def bit_reading(step: Any, constants: Any, scratch: Any, floats: Any) -> Any:
    """Numbers of bits: of each channel one value for 0 and one for 1."""
    source, target, positions, channels, width, values = step[1], step[2], step[3], step[4], step[5], step[6]
    for p in range(positions):
        for c in range(channels):
            bit = (scratch[source + p * width + (c >> 6)] >> np.uint64(c & 63)) & np.uint64(1)
            floats[target + p * channels + c] = constants[values + 2 * c + np.int64(bit)]
