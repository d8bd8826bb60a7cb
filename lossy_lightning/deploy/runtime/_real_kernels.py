"""What a packed network does with numbers: float32, positions first, channels last."""

from typing import Any

import numpy as np
from numba import njit

from lossy_lightning.bitstream.compile import kernel

#: Kinds of elementwise arithmetic, in the order of `lossy_lightning.deploy._chains`.
MULTIPLY, ADD, AFFINE, LEAKY, CLAMP, ROUND, DIVIDE, SUBTRACT = range(8)


# A multiplication and the addition behind it may be rounded once: sums of products are in no defined order anyway.
_summing: Any = njit(nogil=True, error_model="numpy", fastmath={"contract"})


@_summing  # type: ignore[untyped-decorator]
def _add_rows(values: Any, at: Any, depth: Any, weights: Any, start: Any, outputs: Any, sums: Any) -> Any:
    """Add ``values @ weights`` to ``sums``."""
    k = np.uint64(0)
    one, two, three, four = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    while k + four <= depth:
        a, b, c, d = values[at + k], values[at + k + one], values[at + k + two], values[at + k + three]
        row = start + k * outputs
        row_b, row_c, row_d = row + outputs, row + two * outputs, row + three * outputs
        for o in range(outputs):
            sums[o] += a * weights[row + o] + b * weights[row_b + o] + c * weights[row_c + o] + d * weights[row_d + o]
        k += four
    while k < depth:
        e, last = values[at + k], start + k * outputs
        for o in range(outputs):
            sums[o] += e * weights[last + o]
        k += one


@kernel
def real_product(step: Any, ints: Any, constants: Any, floats: Any, sums: Any) -> Any:
    """A convolution or linear layer of numbers, group by group."""
    source, target, positions, num_taps = step[1], step[2], step[3], step[4]
    channels, outputs, groups, taps, weights, bias = step[5], step[6], step[7], step[8], step[9], step[10]
    depth, made = channels // groups, outputs // groups
    for p in range(positions):
        for group in range(groups):
            for o in range(made):
                sums[o] = constants[bias + group * made + o]
            for tap in range(num_taps):
                position = ints[taps + p * num_taps + tap]
                if position >= 0:
                    at = np.uint64(source + position * channels + group * depth)
                    start = np.uint64(weights + (group * num_taps + tap) * depth * made)
                    _add_rows(floats, at, np.uint64(depth), constants, start, np.uint64(made), sums)
            for o in range(made):
                floats[target + p * outputs + group * made + o] = sums[o]


@kernel
def lookup(step: Any, codes: Any, first: Any, ints: Any, constants: Any, floats: Any) -> Any:
    """Rows of a table added up, one for each code that an output position sees.

    Returns:
        Whether all codes were in range.
    """
    target, positions, num_taps, dim, places = step[2], step[3], step[4], step[5], step[6]
    starts, starts_per_position, table, low, high, absent = step[7], step[8], step[9], step[10], step[11], step[12]
    for p in range(positions):
        sums = floats[target + p * dim : target + (p + 1) * dim]
        sums[:] = 0
        for tap in range(num_taps):
            place = ints[places + p * num_taps + tap]
            if place < 0:
                continue
            value = codes[first + place]
            if value == absent:
                continue
            if value < low or value > high:
                return False
            at = table + (ints[starts + p * starts_per_position + tap] + value) * dim
            row = constants[at : at + dim]
            for d in range(dim):
                sums[d] += row[d]
    return True


@kernel
def pooling(step: Any, ints: Any, floats: Any) -> Any:
    """Maximum, or sum divided by a number, over taps; taps off the grid count as zero in a sum, and in no maximum."""
    source, target, positions, num_taps, channels, taps = step[1], step[2], step[3], step[4], step[5], step[6]
    divisor = np.float32(step[7])
    for p in range(positions):
        found = floats[target + p * channels : target + (p + 1) * channels]
        found[:] = 0
        first = True
        for tap in range(num_taps):
            position = ints[taps + p * num_taps + tap]
            if position < 0:
                continue
            row = floats[source + position * channels : source + (position + 1) * channels]
            if step[7] > 0 or first:
                for c in range(channels):
                    found[c] += row[c]
            else:
                for c in range(channels):
                    found[c] = max(found[c], row[c])
            first = False
        if step[7] > 0:
            for c in range(channels):
                found[c] /= divisor


@kernel
def elementwise(step: Any, constants: Any, floats: Any) -> Any:
    """One operation of each value with a constant of its channel, or of its position and channel."""
    source, target, positions, channels = step[1], step[2], step[3], step[4]
    kind, first, second, per_position = step[5], step[6], step[7], step[8]
    for p in range(positions):
        x = floats[source + p * channels : source + (p + 1) * channels]
        y = floats[target + p * channels : target + (p + 1) * channels]
        a = constants[first + p * per_position : first + p * per_position + channels]
        b = constants[second + p * per_position : second + p * per_position + channels]
        if kind == MULTIPLY:
            for c in range(channels):
                y[c] = x[c] * a[c]
        elif kind == ADD:
            for c in range(channels):
                y[c] = x[c] + a[c]
        elif kind == SUBTRACT:
            for c in range(channels):
                y[c] = x[c] - a[c]
        elif kind == DIVIDE:
            for c in range(channels):
                y[c] = x[c] / a[c]
        elif kind == AFFINE:  # rounded once, as by the fused instruction of processors
            for c in range(channels):
                y[c] = np.float32(np.float64(x[c]) * np.float64(a[c]) + np.float64(b[c]))
        elif kind == LEAKY:
            for c in range(channels):
                y[c] = x[c] if x[c] > 0 else x[c] * a[c]
        elif kind == CLAMP:
            for c in range(channels):
                y[c] = min(max(x[c], a[c]), b[c])
        else:
            for c in range(channels):
                y[c] = np.rint(x[c])


@kernel
def addition(step: Any, floats: Any) -> Any:
    """Two tensors of one layout added, or the second subtracted, or both multiplied."""
    one, other, target, size, kind = step[1], step[2], step[3], step[4], step[5]
    a, b, made = floats[one : one + size], floats[other : other + size], floats[target : target + size]
    if kind == ADD:
        for i in range(size):
            made[i] = a[i] + b[i]
    elif kind == SUBTRACT:
        for i in range(size):
            made[i] = a[i] - b[i]
    else:
        for i in range(size):
            made[i] = a[i] * b[i]


@kernel
def gathering(step: Any, ints: Any, constants: Any, floats: Any) -> Any:
    """Values in another order; where there is none, a constant."""
    source, target, size, places, fill = step[1], step[2], step[3], step[4], step[5]
    for i in range(size):
        place = ints[places + i]
        floats[target + i] = floats[source + place] if place >= 0 else constants[fill + i]
