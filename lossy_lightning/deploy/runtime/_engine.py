"""The one entry point of packed networks: all steps of a program for each example."""

from typing import Any

import numpy as np

from lossy_lightning.bitstream.compile import entry
from lossy_lightning.deploy.runtime._bit_kernels import (
    bit_gathering,
    bit_pooling,
    bit_product,
    bit_reading,
    bit_thresholds,
)
from lossy_lightning.deploy.runtime._code_kernels import encode_bits, encode_reals
from lossy_lightning.deploy.runtime._real_kernels import (
    addition,
    elementwise,
    gathering,
    lookup,
    pooling,
    real_product,
)
from lossy_lightning.deploy.runtime._tiles import POSITIONS

#: Kinds of steps.
(
    ENCODE_BITS,
    ENCODE_REALS,
    LOOKUP,
    BIT_PRODUCT,
    BIT_POOLING,
    BIT_GATHERING,
    BIT_THRESHOLDS,
    BIT_READING,
    REAL_PRODUCT,
    POOLING,
    ELEMENTWISE,
    ADDITION,
    GATHERING,
) = range(13)


@entry
def run(
    steps: Any,
    codes: Any,
    begin: Any,
    end: Any,
    words: Any,
    ints: Any,
    constants: Any,
    num_words: Any,
    num_floats: Any,
    widest: Any,
    deepest: Any,
    block: Any,
    result: Any,
    output: Any,
) -> Any:
    """Logits of some examples of a batch, some at once, whose features stay in the cache.

    Args:
        steps: ``(steps, 16)`` int64, a kind and what it needs each.
        codes: ``(N, size)`` int32.
        begin: First example.
        end: Behind the last.
        words: Constants of bits, uint64.
        ints: Whole constants, int32.
        constants: Real constants, float32.
        num_words: Words that the features of an example take.
        num_floats: Numbers that they take.
        widest: Greatest number of outputs of a layer.
        deepest: Greatest number of words, or of numbers, that an output position sees.
        block: How many examples at once.
        result: Where the logits lie among the numbers.
        output: ``(N, classes)`` float32, is filled.

    Returns:
        Number of the first example that has a code out of range, else -1.
    """
    # What no step fills is the padding of zeros.
    scratch, floats = np.zeros(block * num_words, np.uint64), np.zeros(block * num_floats, np.float32)
    sums, real_sums = np.zeros(POSITIONS * widest, np.uint64), np.empty(POSITIONS * widest, np.float32)
    patch, patches = np.empty(POSITIONS * deepest, np.uint64), np.empty(POSITIONS * deepest, np.float32)
    flat = codes.reshape(-1)
    size, classes = np.uint64(codes.shape[1]), output.shape[1]
    of_words, of_floats = np.uint64(num_words), np.uint64(num_floats)
    for n in range(begin, end, block):
        count, first = np.uint64(min(block, end - n)), np.uint64(n) * size
        good = count
        for s in range(len(steps)):
            step = steps[s]
            kind = step[0]
            if kind == BIT_PRODUCT:
                bit_product(step, count, words, ints, scratch, of_words, floats, of_floats, sums, patch)
            elif kind == ENCODE_BITS:
                good = min(good, encode_bits(step, count, flat, first, size, ints, words, scratch, of_words))
            elif kind == ENCODE_REALS:
                good = min(good, encode_reals(step, count, flat, first, size, ints, constants, floats, of_floats))
            elif kind == LOOKUP:
                good = min(good, lookup(step, count, flat, first, size, ints, constants, floats, of_floats))
            elif kind == BIT_POOLING:
                bit_pooling(step, count, ints, words, scratch, of_words)
            elif kind == BIT_GATHERING:
                bit_gathering(step, count, ints, words, scratch, of_words)
            elif kind == BIT_THRESHOLDS:
                bit_thresholds(step, count, constants, words, scratch, of_words, floats, of_floats)
            elif kind == BIT_READING:
                bit_reading(step, count, constants, scratch, of_words, floats, of_floats)
            elif kind == REAL_PRODUCT:
                real_product(step, count, ints, constants, floats, of_floats, real_sums, patches)
            elif kind == POOLING:
                pooling(step, count, ints, floats, of_floats)
            elif kind == ELEMENTWISE:
                elementwise(step, count, constants, floats, of_floats)
            elif kind == ADDITION:
                addition(step, count, floats, of_floats)
            else:
                gathering(step, count, ints, constants, floats, of_floats)
        if good < count:
            return n + np.int64(good)
        for e in range(count):
            for c in range(classes):
                output[n + e, c] = floats[result + e * num_floats + c]
    return -1
