"""Colour and sampling of rows of samples, sixteen pixels at a time.

Source: ITU-T T.871 (2011), section 7; libjpeg-turbo's ``jccolor.c``, ``jcsample.c``, ``jdcolor.c`` and ``jdsample.c``.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# Vectors are made while kernels are compiled.

from lossy_lightning.bitstream.vectors import vectorized

PIXELS = 16  #: that a call takes or makes at full resolution
_HALF = 1 << 15


@vectorized
def to_ycbcr(memory, red, green, blue, luma, cb, cr):
    """Red, green and blue of pixels to luma, Cb and Cr; all are addresses of uint8."""
    r, g, b = (memory.load(address, PIXELS, 8, signed=False) for address in (red, green, blue))
    offset = (128 << 16) + _HALF - 1
    memory.store((r * 19595 + g * 38470 + b * 7471 + _HALF) >> 16, luma, 8)
    memory.store((r * -11059 - g * 21709 + (b << 15) + offset) >> 16, cb, 8)
    memory.store(((r << 15) - g * 27439 - b * 5329 + offset) >> 16, cr, 8)


@vectorized
def to_rgb(memory, luma, cb, cr, red, green, blue):
    """Luma, Cb and Cr of pixels to red, green and blue; all are addresses of uint8."""
    y, u, v = (memory.load(address, PIXELS, 8, signed=False) for address in (luma, cb, cr))
    u, v = u - 128, v - 128
    memory.store((y + ((v * 91881 + _HALF) >> 16)).clip(0, 255), red, 8)
    memory.store((y + ((u * -22554 - v * 46802 + _HALF) >> 16)).clip(0, 255), green, 8)
    memory.store((y + ((u * 116130 + _HALF) >> 16)).clip(0, 255), blue, 8)


@vectorized
def copy(memory, source, target, count):
    """Copy so many bytes."""
    memory.copy(source, target, count)


@vectorized
def repeat_byte(memory, source, target, count):
    """Write the byte at an address so many times."""
    memory.repeat(source, target, count)


def _averaging(h, v):
    """The function that makes means of ``v`` rows and each ``h`` columns of them."""

    @vectorized
    def average(memory, row, below, target):
        total = memory.load(row, PIXELS, 8, signed=False)
        if v == 2:
            total = total + memory.load(below, PIXELS, 8, signed=False)
        width = PIXELS
        while width > PIXELS // h:
            total = total.shuffled(total, range(0, width, 2)) + total.shuffled(total, range(1, width, 2))
            width //= 2
        bias = [v - 1, v] * (width // 2) if h == 2 else h * v // 2  # halves go down and up by turns
        memory.store((total + bias) >> (h * v).bit_length() - 1, target, 8)

    return average


def _repeating(h):
    """The function that repeats each sample ``h`` times."""

    @vectorized
    def repeat(memory, row, target):
        samples = memory.load(row, PIXELS // h, 8, signed=False)
        memory.store(samples.shuffled(samples, [i // h for i in range(PIXELS)]), target, 8)

    return repeat


def _interpolating(h, v, bias):
    """The function that doubles samples along rows, columns or both by the weights 3/4 and 1/4.

    Rows have a sample before their first and behind their last one.
    """

    @vectorized
    def interpolate(memory, near, far, target):
        count = PIXELS // h

        def mixed(offset):
            row = memory.load(memory.at(near, offset), count, 8, signed=False)
            return row * 3 + memory.load(memory.at(far, offset), count, 8, signed=False) if v == 2 else row

        total = mixed(0)
        if h == 2:
            before, after = total * 3 + mixed(-1), total * 3 + mixed(1)
            total = before.shuffled(after, [i // 2 + count * (i % 2) for i in range(PIXELS)])
        memory.store((total + bias) >> 2 * (h * v).bit_length() - 2, target, 8)

    return interpolate


average_2x1, average_1x2, average_2x2, average_4x1 = (_averaging(*hv) for hv in ((2, 1), (1, 2), (2, 2), (4, 1)))
repeat_2, repeat_4 = _repeating(2), _repeating(4)
interpolate_2x1 = _interpolating(2, 1, [1, 2] * (PIXELS // 2))
interpolate_2x2 = _interpolating(2, 2, [8, 7] * (PIXELS // 2))
#: Of even and of odd rows.
interpolate_even_1x2, interpolate_odd_1x2 = _interpolating(1, 2, 1), _interpolating(1, 2, 2)
