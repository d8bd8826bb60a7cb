"""What a packed network does with numbers: float32, positions first, channels last."""

from typing import Any

import numpy as np
from numba import njit

from lossy_lightning.bitstream.compile import inlined, kernel

#: Kinds of elementwise arithmetic, in the order of `lossy_lightning.deploy._chains`.
MULTIPLY, ADD, AFFINE, LEAKY, CLAMP, ROUND, DIVIDE, SUBTRACT = range(8)


# A multiplication and the addition behind it may be rounded once: sums of products are in no defined order anyway.
_summing: Any = njit(nogil=True, error_model="numpy", fastmath={"contract"})


@_summing  # type: ignore[untyped-decorator]
def _add_rows(x: Any, y: Any, depth: Any, weights: Any, start: Any, outputs: Any, of_x: Any, of_y: Any) -> Any:
    """Add ``x @ weights`` to ``of_x``, and ``y @ weights`` to ``of_y``: two positions for each weight that is read."""
    k = np.uint64(0)
    one, two, three, four = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    while k + four <= depth:
        a, b, c, d = x[k], x[k + one], x[k + two], x[k + three]
        e, f, g, h = y[k], y[k + one], y[k + two], y[k + three]
        row = start + k * outputs
        row_b, row_c, row_d = row + outputs, row + two * outputs, row + three * outputs
        for o in range(outputs):
            at_a, at_b, at_c, at_d = weights[row + o], weights[row_b + o], weights[row_c + o], weights[row_d + o]
            of_x[o] += a * at_a + b * at_b + c * at_c + d * at_d
            of_y[o] += e * at_a + f * at_b + g * at_c + h * at_d
        k += four
    while k < depth:
        a, e, row = x[k], y[k], start + k * outputs
        for o in range(outputs):
            of_x[o] += a * weights[row + o]
            of_y[o] += e * weights[row + o]
        k += one


@inlined
def _patch(ints: Any, taps: Any, num_taps: Any, floats: Any, source: Any, channels: Any, depth: Any, patch: Any) -> Any:
    """Copy ``depth`` channels of all positions that an output position sees; zeros off the grid."""
    at = np.uint64(0)
    for tap in range(num_taps):
        position = ints[taps + tap]
        row = np.uint64(source + max(position, 0) * channels)
        for c in range(np.uint64(depth)):
            patch[at + c] = floats[row + c] if position >= 0 else np.float32(0)
        at += np.uint64(depth)


@kernel
def real_product(step: Any, ints: Any, constants: Any, floats: Any, sums: Any, patches: Any) -> Any:
    """A convolution or linear layer of numbers, group by group, two positions at a time."""
    source, target, positions, num_taps = step[1], step[2], step[3], step[4]
    channels, outputs, groups, taps, weights, bias = step[5], step[6], step[7], step[8], step[9], step[10]
    depth, made = channels // groups, outputs // groups
    whole = num_taps * depth
    x, y, of_x, of_y = patches[:whole], patches[whole : 2 * whole], sums[:made], sums[made : 2 * made]
    for p in range(0, positions, 2):
        other = min(p + 1, positions - 1)
        for group in range(groups):
            first = source + group * depth
            _patch(ints, taps + p * num_taps, num_taps, floats, first, channels, depth, x)
            _patch(ints, taps + other * num_taps, num_taps, floats, first, channels, depth, y)
            of_x[:] = constants[bias + group * made : bias + (group + 1) * made]
            of_y[:] = of_x
            start = np.uint64(weights + group * whole * made)
            _add_rows(x, y, np.uint64(whole), constants, start, np.uint64(made), of_x, of_y)
            at, behind = target + p * outputs + group * made, target + other * outputs + group * made
            floats[at : at + made] = of_x
            floats[behind : behind + made] = of_y


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
    """Values in another order, run by run of neighbours; where there are none, constants."""
    source, target, runs, table, fill = step[1], step[2], step[3], step[4], step[5]
    at = 0
    for run in range(runs):
        place, size = ints[table + 2 * run], ints[table + 2 * run + 1]
        made = floats[target + at : target + at + size]
        if place >= 0:
            made[:] = floats[source + place : source + place + size]
        else:
            made[:] = constants[fill + at : fill + at + size]
        at += size
