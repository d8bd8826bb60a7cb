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
    result: Any,
    output: Any,
) -> Any:
    """Logits of some examples of a batch.

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
        deepest: Greatest number of words, or twice that of numbers, that an output position sees.
        result: Where the logits lie among the numbers.
        output: ``(N, classes)`` float32, is filled.

    Returns:
        Number of the first example that has a code out of range, else -1.
    """
    scratch = np.empty(num_words, np.uint64)
    floats = np.empty(num_floats, np.float32)
    sums, sizes = np.zeros(widest, np.uint64), np.zeros(widest, np.uint64)  # what no layer fills stays small
    real_sums, patches = np.empty(widest, np.float32), np.empty(deepest, np.float32)
    patch, rows = np.empty(deepest, np.uint64), np.empty(deepest, np.uint64)
    flat = codes.reshape(-1)
    size, classes = codes.shape[1], output.shape[1]
    for n in range(begin, end):
        good = True
        for s in range(len(steps)):
            step = steps[s]
            kind = step[0]
            if kind == BIT_PRODUCT:
                bit_product(step, words, ints, scratch, floats, sums, sizes, patch, rows)
            elif kind == ENCODE_BITS:
                good = encode_bits(step, flat, n * size, ints, words, scratch)
            elif kind == ENCODE_REALS:
                good = encode_reals(step, flat, n * size, ints, constants, floats)
            elif kind == LOOKUP:
                good = lookup(step, flat, n * size, ints, constants, floats)
            elif kind == BIT_POOLING:
                bit_pooling(step, ints, words, scratch)
            elif kind == BIT_GATHERING:
                bit_gathering(step, ints, words, scratch)
            elif kind == BIT_THRESHOLDS:
                bit_thresholds(step, constants, words, scratch, floats)
            elif kind == BIT_READING:
                bit_reading(step, constants, scratch, floats)
            elif kind == REAL_PRODUCT:
                real_product(step, ints, constants, floats, real_sums, patches)
            elif kind == POOLING:
                pooling(step, ints, floats)
            elif kind == ELEMENTWISE:
                elementwise(step, constants, floats)
            elif kind == ADDITION:
                addition(step, floats)
            else:
                gathering(step, ints, constants, floats)
            if not good:
                return n
        for c in range(classes):
            output[n, c] = floats[result + c]
    return -1
