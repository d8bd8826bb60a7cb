"""Blocks of chroma averaged or repeated without decoding them, compiled: what `halve_blocks` and `double_blocks` do."""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from lossy_lightning.bitstream.compile import entry
from lossy_lightning.bitstream.vectors import Vector, address_of, vectorized
from lossy_lightning.functional import halve_blocks

_BLOCK, _ROW = 256, 32  # bytes of 64 coefficients, and of eight of them, float32
_WHOLE = 1.5 * 2.0**23  # a float of this size has no fraction


def scaled(blocks: NDArray[np.int16], table: NDArray[np.int32]) -> NDArray[np.float32]:
    """Coefficients ``(rows, columns, 8, 8)`` of levels ``(rows, columns, 64)``, side by side in memory.

    Args:
        blocks: Levels.
        table: Steps, ``(8, 8)``.
    """
    values = np.empty((*blocks.shape[:2], 8, 8), np.float32)
    _scale(blocks, table.astype(np.float32), values)
    return values


def halve(values: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """As `halve_blocks` of functional."""
    rows, columns = values.shape[:2]
    size = (-(-rows // 2), columns) if axis == 0 else (rows, -(-columns // 2))
    out = np.zeros((*size, 8, 8), np.float32)
    matrices = _averages()
    _halve(values, matrices if axis == 0 else np.ascontiguousarray(matrices.transpose(0, 2, 1)), out, axis)
    return out


def double(values: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """As `double_blocks` of functional."""
    rows, columns = values.shape[:2]
    out = np.zeros(((2 * rows, columns) if axis == 0 else (rows, 2 * columns)) + (8, 8), np.float32)
    matrices = 2 * _averages()
    _double(values, np.ascontiguousarray(matrices.transpose(0, 2, 1)) if axis == 0 else matrices, out, axis)
    return out


def put(values: NDArray[np.float32], out: NDArray[np.int16]) -> None:
    """Write coefficients ``(rows, columns, 8, 8)`` as whole numbers to ``(rows, columns, 64)``, cut to int16."""
    row_bytes, column_bytes, _ = out.strides
    _put(values, out.__array_interface__["data"][0], row_bytes, column_bytes)


@cache
def _averages() -> NDArray[np.float32]:
    """Matrices ``(2, 8, 8)`` that average each two samples of two neighbouring blocks, from the left."""
    pairs = torch.zeros(2, 16, 8, 8, dtype=torch.float64)  # block, example, and in its first column one coefficient
    for k in range(16):
        pairs[k // 8, k, k % 8, 0] = 1
    columns = halve_blocks(pairs, 0)[0, :, :, 0]  # (example, coefficient)
    return np.ascontiguousarray(columns.view(2, 8, 8).mT.float().numpy())


@entry
def _scale(blocks, table, values):
    source, steps, target = address_of(blocks), address_of(table), address_of(values)
    for i in range(blocks.shape[0] * blocks.shape[1]):
        _scale_block(source + _BLOCK // 2 * i, steps, target + _BLOCK * i)


@entry
def _halve(values, matrices, out, axis):
    source, factors, target = address_of(values), address_of(matrices), address_of(out)
    rows, columns = values.shape[:2]
    mean = np.zeros((8, 8), np.float32)
    for y in range(rows + (rows % 2 if axis == 0 else 0)):
        for x in range(columns + (columns % 2 if axis == 1 else 0)):
            block = source + _BLOCK * (y * columns + x)
            if y == rows or x == columns:  # behind the last block stands one of its mean
                mean[0, 0] = values[min(y, rows - 1), min(x, columns - 1), 0, 0]
                block = address_of(mean)
            if axis == 0:
                _add_product(factors + _BLOCK * (y % 2), block, target + _BLOCK * (y // 2 * columns + x))
            else:
                place = y * out.shape[1] + x // 2
                _add_product(block, factors + _BLOCK * (x % 2), target + _BLOCK * place)


@entry
def _double(values, matrices, out, axis):
    source, factors, target = address_of(values), address_of(matrices), address_of(out)
    rows, columns = values.shape[:2]
    for y in range(rows):
        for x in range(columns):
            block = source + _BLOCK * (y * columns + x)
            for half in range(2):
                matrix = factors + _BLOCK * half
                if axis == 0:
                    _add_product(matrix, block, target + _BLOCK * ((2 * y + half) * columns + x))
                else:
                    _add_product(block, matrix, target + _BLOCK * (y * 2 * columns + 2 * x + half))


@entry
def _put(values, address, row_bytes, column_bytes):
    rows, columns = values.shape[:2]
    for y in range(rows):
        for x in range(columns):
            _round_block(address_of(values[y, x]), address + y * row_bytes + x * column_bytes)


@vectorized
def _scale_block(memory, levels, steps, coefficients):
    """Products of 64 int16 and 64 float32."""
    for i in range(8):
        factors = memory.load_reals(memory.at(steps, _ROW * i), 8)
        level = memory.builder.sitofp(memory.load(memory.at(levels, 16 * i), 8, 16).value, factors.type)
        _store(memory, memory.builder.fmul(level, factors), memory.at(coefficients, _ROW * i))


@vectorized
def _add_product(memory, left, right, out):
    """Add the product of two 8 x 8 matrices to a third."""
    builder = memory.builder
    rows = [memory.load_reals(memory.at(right, _ROW * i), 8) for i in range(8)]
    for i in range(8):
        factors, total = (memory.load_reals(memory.at(address, _ROW * i), 8) for address in (left, out))
        each = Vector(builder, factors)
        for k, row in enumerate(rows):
            total = builder.fadd(total, builder.fmul(each.shuffled(each, [k] * 8).value, row))
        _store(memory, total, memory.at(out, _ROW * i))


@vectorized
def _round_block(memory, coefficients, levels):
    """Nearest int16 of 64 float32, halves to even; what is beyond is cut."""
    builder = memory.builder
    for i in range(8):
        place = memory.at(coefficients, _ROW * i)
        value = memory.load_reals(place, 8)
        least, greatest, whole = (value.type([number] * 8) for number in (-(2.0**15), 2.0**15 - 1, _WHOLE))
        value = builder.select(builder.fcmp_ordered("<", value, least), least, value)
        value = builder.select(builder.fcmp_ordered(">", value, greatest), greatest, value)
        value = builder.fsub(builder.fadd(value, whole), whole)
        kind = memory.load(place, 8, 32).value.type  # of eight integers; nothing is loaded
        memory.store(Vector(builder, builder.fptosi(value, kind)), memory.at(levels, 16 * i), 16)


def _store(memory, reals, address):
    kind = memory.load(address, 8, 32).value.type
    memory.store(Vector(memory.builder, memory.builder.bitcast(reals, kind)), address, 32)
