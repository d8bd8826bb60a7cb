"""Levels to images. Kernels take addresses; rows have margins, since sixteen bytes are read or written at a time."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from lossy_lightning.bitstream.compile import entry, kernel
from lossy_lightning.bitstream.vectors import address_of
from lossy_lightning.codecs.standards._jpeg_pixels._dct import samples_of_block
from lossy_lightning.codecs.standards._jpeg_pixels._rows import (
    PIXELS,
    copy,
    interpolate_2x1,
    interpolate_2x2,
    interpolate_even_1x2,
    interpolate_odd_1x2,
    repeat_2,
    repeat_4,
    to_rgb,
)

_BEFORE, _BEHIND = PIXELS, 2 * PIXELS  # bytes that a row has before and behind its samples
_BLOCK = 128  # bytes of 64 levels


@entry
def decode(codes, images, tables, h, v):
    """Images of levels.

    Args:
        codes: ``(N, rows, columns, channels)``, int16.
        images: Gets the images ``(N, 1 or 3, H, W)``, uint8.
        tables: Quantization steps ``(1 or N, components, 64)``, int32.
        h: Luma's samples to one of chroma along a row; 1 for grey.
        v: The same along a column.

    Returns:
        The greatest sum of a block's absolute coefficients; beyond `MOST_SUM`, images may be wrong.
    """
    count, components, height, width = images.shape
    _, rows, columns, channels = codes.shape
    stride = 8 * h * columns + _BEFORE + _BEHIND
    size = stride * 8 * v * rows
    # Planes of luma, Cb and Cr; a row of chroma at full resolution, twice; three rows of narrow images.
    room, largest = np.empty(3 * size + 2 * stride + 3 * PIXELS, np.uint8), np.zeros(1, np.int32)
    image, code, luma, most = address_of(images), address_of(codes), address_of(room) + _BEFORE, address_of(largest)
    for n in range(count):
        table = address_of(tables) + 256 * components * min(n, len(tables) - 1)
        _transform(code, columns, channels, table, luma, stride, height + 7 >> 3, width + 7 >> 3, most, h, v)
        for c in range(1, components):
            first = code + _BLOCK * (h * v + c - 1)
            _transform(first, columns, channels, table + 256 * c, luma + c * size, stride, rows, columns, most, 1, 1)
            for y in range(8 * rows):
                row, end = luma + c * size + stride * y, (width + h - 1) // h
                copy(row, row - 1, 1)  # for the filter that comes next
                copy(row + end - 1, row + end, 1)
        if components == 3:
            _join_colours(image, height, width, luma, stride, size, h, v)
        for y in range(height if components == 1 else 0):
            copy(luma + stride * y, image + width * y, width)
        image += components * height * width
        code += 2 * rows * columns * channels
    return largest[0]


@kernel
def _transform(code, columns, channels, table, plane, stride, block_rows, block_columns, most, h, v):
    """Samples of a component's blocks."""
    for row in range(block_rows):
        for column in range(block_columns):
            mcu = code + 2 * channels * (row // v * columns + column // h)
            block = mcu + _BLOCK * (row % v * h + column % h)
            samples_of_block(block, table, plane + 8 * (stride * row + column), stride, most)


@kernel
def _join_colours(image, height, width, luma, stride, size, h, v):
    """Red, green and blue of luma and chroma."""
    wide = luma + 3 * size
    last = (height + v - 1) // v - 1
    for y in range(height):
        near = y // v
        far = near if v == 1 else min(max(near - 1 + 2 * (y % 2), 0), last)
        for c in range(2):
            plane = luma + size * (1 + c)
            _widen(plane + stride * near, plane + stride * far, wide + stride * c, width, y % 2, h, v)
        row, pitch = image + width * y, height * width
        if width < PIXELS:
            row, pitch = wide + 2 * stride, PIXELS
        for x in range(0, width, PIXELS):
            at = min(x, max(width - PIXELS, 0))  # the last pixels are made once more if there are not enough
            to_rgb(
                luma + stride * y + at, wide + at, wide + stride + at,
                row + at, row + pitch + at, row + 2 * pitch + at,
            )  # fmt: skip
        for c in range(3 if width < PIXELS else 0):
            copy(row + PIXELS * c, image + width * (height * c + y), width)


@kernel
def _widen(near, far, target, width, odd, h, v):
    """A row of chroma at full resolution; libjpeg repeats samples where a row has at most two."""
    for x in range(0, width, PIXELS):
        a, b, c = near + x // h, far + x // h, target + x
        if h == 4:
            repeat_4(a, c)
        elif h == 2 and width <= 4:
            repeat_2(a, c)
        elif h == 2 and v == 2:
            interpolate_2x2(a, b, c)
        elif h == 2:
            interpolate_2x1(a, b, c)
        elif v == 2 and odd:
            interpolate_odd_1x2(a, b, c)
        elif v == 2:
            interpolate_even_1x2(a, b, c)
        else:
            copy(a, c, PIXELS)
