"""What a packed network does with numbers: float32, positions first, channels last."""

from typing import Any

import numpy as np

from lossy_lightning.bitstream.compile import inlined, kernel
from lossy_lightning.deploy.runtime._tiles import POSITIONS, TILES, number_tile

#: Kinds of elementwise arithmetic, in the order of `lossy_lightning.deploy._chains`.
MULTIPLY, ADD, AFFINE, LEAKY, CLAMP, ROUND, DIVIDE, SUBTRACT = range(8)


_WIDE, _NARROW = TILES


def _block(positions: int) -> Any:
    """A kernel of so many output positions, or examples, at once, of one group of channels."""
    wide, narrow = (number_tile(tile, positions) for tile in TILES)

    @inlined
    def block(
        step: Any, group: Any, p: Any, next_p: Any, offset: Any, next_offset: Any,
        ints: Any, constants: Any, floats: Any, sums: Any, patch: Any,
    ) -> Any:  # fmt: skip
        num_taps, outputs = np.uint64(step[4]), np.uint64(step[6])
        taps, depth, made = np.uint64(step[8]), np.uint64(step[11]), np.uint64(step[12])
        count, size = num_taps * depth, np.uint64(len(sums) // POSITIONS)
        rounded = (made + np.uint64(_NARROW - 1)) // np.uint64(_NARROW) * np.uint64(_NARROW)
        weights, bias = np.uint64(step[9]) + group * count * rounded, np.uint64(step[10]) + group * rounded
        for j in range(np.uint64(positions)):
            first, at = taps + (p + j * next_p) * num_taps, np.uint64(j)
            for tap in range(num_taps):
                place = offset + j * next_offset + np.uint64(ints[first + tap]) + group * depth
                for c in range(depth):
                    patch[at] = floats[place + c]
                    at += np.uint64(positions)
        o = np.uint64(0)
        while o + np.uint64(_WIDE) <= rounded:
            wide(patch, count, constants, weights + o * count, bias + o, sums, size, o)
            o += np.uint64(_WIDE)
        while o < rounded:
            narrow(patch, count, constants, weights + o * count, bias + o, sums, size, o)
            o += np.uint64(_NARROW)
        for j in range(np.uint64(positions)):
            at = np.uint64(step[2]) + offset + j * next_offset + (p + j * next_p) * outputs + group * made
            for c in range(made):
                floats[at + c] = sums[j * size + c]

    return block


_several, _single = _block(POSITIONS), _block(1)


@kernel
def real_product(
    step: Any, count: Any, ints: Any, constants: Any, floats: Any, stride: Any, sums: Any, patch: Any
) -> Any:
    """A convolution or linear layer of numbers, several positions or, if there are fewer, several examples at once."""
    at_once, one, nothing = np.uint64(POSITIONS), np.uint64(1), np.uint64(0)
    positions = np.uint64(step[3])
    over_examples = positions < at_once
    outer, inner = (positions, count) if over_examples else (count, positions)
    next_p, next_offset = (nothing, stride) if over_examples else (one, nothing)
    for group in range(np.uint64(step[7])):
        for a in range(outer):
            b = nothing
            while b < inner:
                p, e = (a, b) if over_examples else (b, a)
                if b + at_once <= inner:
                    _several(step, group, p, next_p, e * stride, next_offset, ints, constants, floats, sums, patch)
                    b += at_once
                else:
                    _single(step, group, p, next_p, e * stride, next_offset, ints, constants, floats, sums, patch)
                    b += one


@kernel
def lookup(
    step: Any, count: Any, codes: Any, begin: Any, size: Any, ints: Any, constants: Any, floats: Any, stride: Any
) -> Any:
    """Rows of a table added up, one for each code that an output position sees.

    Returns:
        The first example that has a code out of range, else ``count``.
    """
    positions, num_taps, dim, places = np.uint64(step[3]), np.uint64(step[4]), np.uint64(step[5]), np.uint64(step[6])
    starts, per_position, table = np.uint64(step[7]), np.uint64(step[8]), step[9]
    low, high, absent = step[10], step[11], step[12]
    found = count
    for e in range(count):
        first, target = begin + e * size, np.uint64(step[2]) + e * stride
        for p in range(positions):
            for d in range(dim):
                floats[target + d] = 0
            for tap in range(num_taps):
                place = ints[places + p * num_taps + tap]
                if place < 0:
                    continue
                value = codes[first + np.uint64(place)]
                if value == absent:
                    continue
                if value < low or value > high:
                    found = min(found, e)
                    continue
                at = np.uint64(table + (ints[starts + p * per_position + tap] + value) * np.int64(dim))
                for d in range(dim):
                    floats[target + d] += constants[at + d]
            target += dim
    return found


@kernel
def pooling(step: Any, count: Any, ints: Any, floats: Any, stride: Any) -> Any:
    """Maximum, or sum divided by a number, over taps; taps off the grid count as zero in a sum, and in no maximum."""
    num_taps, channels, taps = np.uint64(step[4]), np.uint64(step[5]), np.uint64(step[6])
    divisor = np.float32(step[7])
    for e in range(count):
        source, found = np.uint64(step[1]) + e * stride, np.uint64(step[2]) + e * stride
        for p in range(np.uint64(step[3])):
            for c in range(channels):
                floats[found + c] = 0
            first = True
            for tap in range(num_taps):
                position = ints[taps + p * num_taps + tap]
                if position < 0:
                    continue
                row = source + np.uint64(position) * channels
                if step[7] > 0 or first:
                    for c in range(channels):
                        floats[found + c] += floats[row + c]
                else:
                    for c in range(channels):
                        floats[found + c] = max(floats[found + c], floats[row + c])
                first = False
            if step[7] > 0:
                for c in range(channels):
                    floats[found + c] /= divisor
            found += channels


@kernel
def elementwise(step: Any, count: Any, constants: Any, floats: Any, stride: Any) -> Any:
    """One operation of each value with a constant of its channel, or of its position and channel."""
    channels, kind, first = np.uint64(step[4]), step[5], np.uint64(step[6])
    second, per_position = np.uint64(step[7]), np.uint64(step[8])
    for e in range(count):
        x, y = np.uint64(step[1]) + e * stride, np.uint64(step[2]) + e * stride
        a, b = first, second
        for _ in range(np.uint64(step[3])):
            if kind == MULTIPLY:
                for c in range(channels):
                    floats[y + c] = floats[x + c] * constants[a + c]
            elif kind == ADD:
                for c in range(channels):
                    floats[y + c] = floats[x + c] + constants[a + c]
            elif kind == SUBTRACT:
                for c in range(channels):
                    floats[y + c] = floats[x + c] - constants[a + c]
            elif kind == DIVIDE:
                for c in range(channels):
                    floats[y + c] = floats[x + c] / constants[a + c]
            elif kind == AFFINE:  # rounded once, as by the fused instruction of processors
                for c in range(channels):
                    product = np.float64(floats[x + c]) * np.float64(constants[a + c])
                    floats[y + c] = np.float32(product + np.float64(constants[b + c]))
            elif kind == LEAKY:
                for c in range(channels):
                    given = floats[x + c]
                    floats[y + c] = given if given > 0 else given * constants[a + c]
            elif kind == CLAMP:
                for c in range(channels):
                    floats[y + c] = min(max(floats[x + c], constants[a + c]), constants[b + c])
            else:
                for c in range(channels):
                    floats[y + c] = np.rint(floats[x + c])
            x, y, a, b = x + channels, y + channels, a + per_position, b + per_position


@kernel
def addition(step: Any, count: Any, floats: Any, stride: Any) -> Any:
    """Two tensors of one layout added, or the second subtracted, or both multiplied."""
    size, kind = np.uint64(step[4]), step[5]
    for e in range(count):
        offset = e * stride
        one, other, made = np.uint64(step[1]) + offset, np.uint64(step[2]) + offset, np.uint64(step[3]) + offset
        if kind == ADD:
            for i in range(size):
                floats[made + i] = floats[one + i] + floats[other + i]
        elif kind == SUBTRACT:
            for i in range(size):
                floats[made + i] = floats[one + i] - floats[other + i]
        else:
            for i in range(size):
                floats[made + i] = floats[one + i] * floats[other + i]


@kernel
def gathering(step: Any, count: Any, ints: Any, constants: Any, floats: Any, stride: Any) -> Any:
    """Values in another order, run by run of neighbours; where there are none, constants."""
    table = np.uint64(step[4])
    for e in range(count):
        source, made, fill = np.uint64(step[1]) + e * stride, np.uint64(step[2]) + e * stride, np.uint64(step[5])
        for run in range(np.uint64(step[3])):
            place = ints[table + np.uint64(2) * run]
            size = np.uint64(ints[table + np.uint64(2) * run + np.uint64(1)])
            if place >= 0:
                for i in range(size):
                    floats[made + i] = floats[source + np.uint64(place) + i]
            else:
                for i in range(size):
                    floats[made + i] = constants[fill + i]
            made += size
            fill += size
