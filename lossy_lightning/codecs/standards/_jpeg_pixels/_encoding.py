"""Images to levels. Kernels take addresses; rows have a margin, since sixteen bytes are read or written at a time."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import numpy as np

from lossy_lightning.bitstream.compile import entry, kernel
from lossy_lightning.bitstream.vectors import address_of
from lossy_lightning.codecs.standards._jpeg_pixels._dct import TABLE_BYTES, block_of_mean, block_of_samples
from lossy_lightning.codecs.standards._jpeg_pixels._rows import (
    PIXELS,
    average_1x2,
    average_2x1,
    average_2x2,
    average_4x1,
    copy,
    repeat_byte,
    to_ycbcr,
)

_MARGIN = 2 * PIXELS
_BLOCK = 128  # bytes of 64 levels


@entry
def encode(images, codes, tables, carried, h, v):
    """Levels of images.

    Args:
        images: ``(N, 1 or 3, H, W)``, uint8.
        codes: Gets the levels ``(N, rows, columns, channels)``, int16.
        tables: ``(2, 3, 64)``, int32, what `block_of_samples` divides by, of luma and of chroma.
        carried: What each position holds behind its levels, int16.
        h: Luma's samples to one of chroma along a row; 1 for grey.
        v: The same along a column.
    """
    count, components, height, width = images.shape
    _, rows, columns, channels = codes.shape
    stride, height_of_blocks = 8 * h * columns + _MARGIN, 8 * v * rows
    # Planes of luma, Cb and Cr; chroma of ``v`` rows before it is averaged; three rows of narrow images.
    room = np.empty(3 * stride * (height_of_blocks + v) + 3 * PIXELS, np.uint8)
    image, code, luma = address_of(images), address_of(codes), address_of(room)
    divisors, tail = address_of(tables), address_of(carried)
    chroma = luma + stride * height_of_blocks
    for _ in range(count):
        if components == 3:
            _split_colours(image, height, width, luma, stride, height_of_blocks, h, v)
        else:
            for y in range(height):
                copy(image + width * y, luma + stride * y, width)
                repeat_byte(image + width * y + width - 1, luma + stride * y + width, 8)
        _repeat_last_row(luma, stride, height, height + 7 & -8)
        _transform_luma(luma, stride, code, rows, columns, channels, divisors, h, v, height, width)
        for c in range(components - 1):
            plane, block = chroma + c * stride * height_of_blocks, code + _BLOCK * (h * v + c)
            _repeat_last_row(plane, stride, (height + v - 1) // v, 8 * rows)
            for row in range(rows):
                for column in range(columns):
                    samples = plane + 8 * (stride * row + column)
                    block_of_samples(samples, stride, divisors + TABLE_BYTES, block)
                    block += 2 * channels
        for _ in range(rows * columns):
            code += 2 * channels
            copy(tail, code - 2 * len(carried), 2 * len(carried))
        image += components * height * width


@kernel
def _split_colours(image, height, width, luma, stride, height_of_blocks, h, v):
    """Luma and averaged chroma of an image, padded to whole blocks; libjpeg pads columns before it averages."""
    size = stride * height_of_blocks
    chroma = luma + size
    wide = chroma + 2 * size
    narrow = wide + 2 * v * stride
    for y in range(height):
        row, pitch = image + width * y, height * width
        if width < PIXELS:
            for c in range(3):
                copy(row + c * pitch, narrow + PIXELS * c, width)
            row, pitch = narrow, PIXELS
        to, cb = luma + stride * y, wide + stride * (y % v)
        cr = cb + stride * v
        for x in range(0, width, PIXELS):
            at = min(x, max(width - PIXELS, 0))  # the last pixels are taken once more if there are not enough
            to_ycbcr(row + at, row + pitch + at, row + 2 * pitch + at, to + at, cb + at, cr + at)
        last = width - 1
        repeat_byte(to + last, to + width, 8)
        for plane in (cb, cr):
            repeat_byte(plane + last, plane + width, stride - _MARGIN - width)
        if y % v == v - 1 or y == height - 1:
            for c in range(2):
                top = wide + stride * v * c
                _average(top, top + stride * (y % v), chroma + size * c + stride * (y // v), width, h, v)


@kernel
def _average(row, below, target, width, h, v):
    """A row of chroma, to the end of its last block."""
    for x in range(0, width + 8 * h - 1, PIXELS):
        a, b, c = row + x, below + x, target + x // h
        if h == 2 and v == 2:
            average_2x2(a, b, c)
        elif h == 2:
            average_2x1(a, b, c)
        elif v == 2:
            average_1x2(a, b, c)
        elif h == 4:
            average_4x1(a, b, c)
        else:
            copy(a, c, PIXELS)


@kernel
def _transform_luma(plane, stride, code, rows, columns, channels, table, h, v, height, width):
    """Blocks of luma; those that only pad an MCU have the DC of the block before them in it, and nothing else."""
    for row in range(rows):
        for column in range(columns):
            for y in range(v):
                for x in range(h):
                    down, across = 8 * (row * v + y), 8 * (column * h + x)
                    block = code + _BLOCK * (h * y + x)
                    if down < height and across < width:
                        block_of_samples(plane + stride * down + across, stride, table, block)
                        continue
                    block_of_mean(code + _BLOCK * (h * y - 1) if down >= height else block - _BLOCK, block)
            code += 2 * channels


@kernel
def _repeat_last_row(plane, stride, count, rows):
    """Fill up a plane of which ``count`` rows are there."""
    for y in range(count, rows):
        copy(plane + stride * (count - 1), plane + stride * y, stride)
