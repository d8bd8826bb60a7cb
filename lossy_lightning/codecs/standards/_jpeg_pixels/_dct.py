"""The accurate integer DCT of libjpeg ("islow"), eight columns at a time, with quantization.

Source: Loeffler, Ligtenberg, Moschytz, Practical fast 1-D DCT algorithms with 11 multiplications, ICASSP 1989;
libjpeg's ``jfdctint.c`` and ``jidctint.c``.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# Vectors are made while kernels are compiled.

from lossy_lightning.bitstream.vectors import transposed, vectorized

#: Greatest sum of a block's absolute coefficients for which no sum of the inverse leaves 32 bits: the last one is
#: at most that many times 11363**2 / 2**11.
MOST_SUM = 34_000
TABLE_BYTES = 3 * 64 * 4  #: of what a block is divided by
_MOST = 2**24  # that a single coefficient counts for, so that 64 of them fit into 32 bits


def _rotated(a, b):
    """The two outputs that a rotation by six eighths of a right angle makes of two numbers."""
    together = (a + b) * 4433
    return together - a * 15137, together + b * 6270


def _odd(a, b, c, d):
    """The four odd outputs of four numbers; the same both ways."""
    ad, bc, ac, bd = (a + d) * -7373, (b + c) * -20995, a + c, b + d
    both = (ac + bd) * 9633
    ac, bd = ac * -16069 + both, bd * -3196 + both
    return a * 2446 + ad + ac, b * 16819 + bc + bd, c * 25172 + bc + ac, d * 12299 + ad + bd


def _forward(rows, bits):
    """One-dimensional DCT of each column, over ``2**bits`` and rounded."""
    sums = [rows[i] + rows[7 - i] for i in range(4)]
    a, b, c, d = (rows[i] - rows[7 - i] for i in (3, 2, 1, 0))
    low, high = sums[0] + sums[3], sums[1] + sums[2]
    six, two = _rotated(sums[1] - sums[2], sums[0] - sums[3])
    seven, five, three, one = _odd(a, b, c, d)
    found = (low + high) << 13, one, two, three, (low - high) << 13, five, six, seven
    return [(row + (1 << bits - 1)) >> bits for row in found]


def _inverse(rows, bits):
    """One-dimensional inverse DCT of each column, over ``2**bits`` and rounded."""
    six, two = _rotated(rows[6], rows[2])
    low, high = (rows[0] + rows[4]) << 13, (rows[0] - rows[4]) << 13
    even = low + two, high + six, high - six, low - two
    odd = _odd(rows[7], rows[5], rows[3], rows[1])[::-1]
    found = [e + o for e, o in zip(even, odd, strict=True)] + [e - o for e, o in zip(even, odd, strict=True)][::-1]
    return [(row + (1 << bits - 1)) >> bits for row in found]


@vectorized
def block_of_samples(memory, samples, stride, table, block):
    """Quantized coefficients of 8 x 8 samples.

    Args:
        memory: Of the kernel.
        samples: Address of the first one, uint8.
        stride: Bytes from one row to the next.
        table: Address of 64 divisors' halves, int32; of their reciprocals, float32; and of what quotients are
            multiplied with, int32. Divisors are eight times a quantization step.
        block: Address of what gets 64 levels, int16.
    """
    rows = []
    for _ in range(8):
        rows.append(memory.load(samples, 8, 8, signed=False) - 128)
        samples = memory.at(samples, stride)
    rows = _forward(transposed(_forward(transposed(rows), 11)), 15)
    for i, row in enumerate(rows):
        half, factor = (memory.load(memory.at(table, 256 * part + 32 * i), 8, 32) for part in (0, 2))
        # Twice the numerator and 1: in floats its quotient is never across a whole number from the exact one.
        level = (((abs(row) + half) << 1) + 1).times_real(memory.load_reals(memory.at(table, 256 + 32 * i), 8))
        level = row.where("<", 0, -level, level) * factor
        memory.store(level, memory.at(block, 16 * i), 16)


@vectorized
def block_of_mean(memory, source, block):
    """A block with the mean of another one, and nothing else; addresses of 64 levels, int16."""
    memory.clear(block, 128)
    memory.copy(source, block, 2)


@vectorized
def samples_of_block(memory, block, table, samples, stride, largest):
    """The 8 x 8 samples of quantized coefficients, clipped.

    Args:
        memory: Of the kernel.
        block: Address of 64 levels, int16.
        table: Address of 64 quantization steps, int32.
        samples: Address of what gets the first one, uint8.
        stride: Bytes from one row to the next.
        largest: Address of the greatest sum of a block's absolute coefficients so far, int32, which is kept up.
    """
    rows = [
        memory.load(memory.at(block, 16 * i), 8, 16) * memory.load(memory.at(table, 32 * i), 8, 32) for i in range(8)
    ]
    sizes = [size.where(">", _MOST, _MOST, size) for size in map(abs, rows)]
    total = sum(sizes[1:], sizes[0]).total()
    before = memory.load(largest, 1, 32)
    memory.store(total.where(">", before, total, before), largest, 32)
    rows = transposed(_inverse(transposed(_inverse(rows, 11)), 18))
    for row in rows:
        memory.store((row + 128).clip(0, 255), samples, 8)
        samples = memory.at(samples, stride)
