"""Vectors for kernels: eight or sixteen numbers side by side, which every processor computes at once.

A function that computes with vectors is run once, while a kernel is compiled, and its operations become the kernel's
instructions. Compilers do not find such code in loops over blocks; on processors of narrower registers each operation
becomes several.

Example:
    >>> from lossy_lightning.bitstream.compile import entry, kernel
    >>> @vectorized
    ... def negate(memory, source, target):
    ...     memory.store(-memory.load(source, 8, 16), target, 16)
    >>> @kernel
    ... def negate_eight(array):
    ...     negate(address_of(array), address_of(array))
    >>> @entry  # doctest: +SKIP
    ... def first_negated(array):
    ...     negate_eight(array)
    ...     return array[0]
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba calls what builds instructions, with objects of llvmlite.

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .compile import inlined

_INT32 = ir.IntType(32)


class Vector:
    """Numbers of 32 bits side by side, computed modulo ``2**32``.

    The other operand may be a vector, one number, or a list of as many.

    Args:
        builder: Of instructions.
        value: Vector of LLVM.
    """

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder = builder
        self.value = value

    def __add__(self, other):
        return self._of(self.builder.add(self.value, self._operand(other)))

    def __sub__(self, other):
        return self._of(self.builder.sub(self.value, self._operand(other)))

    def __mul__(self, other):
        return self._of(self.builder.mul(self.value, self._operand(other)))

    def __rshift__(self, bits):
        return self._of(self.builder.ashr(self.value, self._operand(bits)))

    def __lshift__(self, bits):
        return self._of(self.builder.shl(self.value, self._operand(bits)))

    def __neg__(self):
        return self._of(self.builder.neg(self.value))

    def __abs__(self):
        return self.where(">=", 0, self, -self)

    def where(self, comparison: str, other: Any, yes: Any, no: Any) -> "Vector":
        """Number by number one of two, by how the own one compares with another."""
        told = self.builder.icmp_signed(comparison, self.value, self._operand(other))
        return self._of(self.builder.select(told, self._operand(yes), self._operand(no)))

    def clip(self, low: int, high: int) -> "Vector":
        """What is beyond two bounds becomes them."""
        above = self.where("<", low, low, self)
        return above.where(">", high, high, above)

    def times_real(self, reals: Any) -> "Vector":
        """The product with 32-bit floating-point numbers, without its fraction."""
        count = self.value.type.count
        real = self.builder.sitofp(self.value, ir.VectorType(ir.FloatType(), count))
        return self._of(self.builder.fptosi(self.builder.fmul(real, reals), ir.VectorType(_INT32, count)))

    def shuffled(self, other: "Vector", places: Sequence[int]) -> "Vector":
        """Numbers of this vector and of another behind it, picked by their places."""
        mask = ir.Constant(ir.VectorType(_INT32, len(places)), [ir.Constant(_INT32, i) for i in places])
        return self._of(self.builder.shuffle_vector(self.value, other.value, mask))

    def total(self) -> "Vector":
        """Their sum, as a vector of one number."""
        whole = self
        while (count := whole.value.type.count) > 1:
            half = count // 2
            whole = whole.shuffled(whole, range(half)) + whole.shuffled(whole, range(half, count))
        return whole

    def _of(self, value: Any) -> "Vector":
        return Vector(self.builder, value)

    def _operand(self, other):
        if isinstance(other, Vector):
            return other.value
        numbers = [other] * self.value.type.count if isinstance(other, int) else other
        return ir.Constant(self.value.type, [ir.Constant(_INT32, number) for number in numbers])


class Memory:
    """Where vectors come from and go to, at addresses of bytes.

    Args:
        builder: Of instructions.
    """

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def at(self, address: Any, offset: Any) -> Any:
        """The address so many bytes further on: a number, or a number of the kernel's."""
        return self.builder.add(address, ir.Constant(ir.IntType(64), offset) if isinstance(offset, int) else offset)

    def load(self, address: Any, count: int, bits: int, signed: bool = True) -> Vector:
        """Integers of so many bits each, side by side in memory."""
        numbers = self._numbers(address, ir.VectorType(ir.IntType(bits), count))
        if bits < 32:
            extend = self.builder.sext if signed else self.builder.zext
            numbers = extend(numbers, ir.VectorType(_INT32, count))
        return Vector(self.builder, numbers)

    def load_reals(self, address: Any, count: int) -> Any:
        """Floating-point numbers of 32 bits."""
        return self._numbers(address, ir.VectorType(ir.FloatType(), count))

    def store(self, vector: Vector, address: Any, bits: int) -> None:
        """Write the low bits of each integer."""
        kind = ir.VectorType(ir.IntType(bits), vector.value.type.count)
        value = self.builder.trunc(vector.value, kind) if bits < 32 else vector.value
        self.builder.store(value, self.builder.inttoptr(address, kind.as_pointer()), align=1)

    def copy(self, source: Any, target: Any, count: Any) -> None:
        """Copy so many bytes, a number or a number of the kernel's."""
        count = ir.Constant(ir.IntType(64), count) if isinstance(count, int) else count
        cgutils.raw_memcpy(self.builder, self._byte(target), self._byte(source), count, 1)

    def repeat(self, source: Any, target: Any, count: Any) -> None:
        """Write the byte at an address so many times."""
        cgutils.memset(self.builder, self._byte(target), count, self.builder.load(self._byte(source)))

    def clear(self, target: Any, count: int) -> None:
        """Write zeros to so many bytes."""
        cgutils.memset(self.builder, self._byte(target), ir.Constant(ir.IntType(64), count), 0)

    def _byte(self, address):
        return self.builder.inttoptr(address, ir.IntType(8).as_pointer())

    def _numbers(self, address, kind):
        return self.builder.load(self.builder.inttoptr(address, kind.as_pointer()), align=1)


def transposed(rows: Sequence[Vector]) -> list[Vector]:
    """Eight vectors of eight numbers with rows and columns exchanged."""
    pairs = _interleaved(rows, [(0, 1), (2, 3), (4, 5), (6, 7)], (0, 8, 1, 9, 4, 12, 5, 13), 2)
    fours = _interleaved(pairs, [(0, 2), (1, 3), (4, 6), (5, 7)], (0, 1, 8, 9, 4, 5, 12, 13), 2)
    halves = _interleaved(fours, [(0, 4), (1, 5), (2, 6), (3, 7)], (0, 1, 2, 3, 8, 9, 10, 11), 4)
    return [halves[i] for i in (0, 2, 4, 6, 1, 3, 5, 7)]


def _interleaved(
    rows: Sequence[Vector], pairs: Sequence[tuple[int, int]], low: Sequence[int], step: int
) -> list[Vector]:
    """Of each pair of vectors what stands at some places, and what stands some steps behind them."""
    high = [place + step for place in low]
    return [rows[a].shuffled(rows[b], places) for a, b in pairs for places in (low, high)]


@inlined
def address_of(array):
    """Where an array begins, as a signed number: Numba makes fractions of signed and unsigned ones together."""
    return np.int64(array.ctypes.data)


def vectorized(emit: Callable[..., None]) -> Callable[..., Any]:
    """Make a function for kernels of one that computes with vectors.

    Args:
        emit: Takes `Memory` and the kernel's arguments: addresses and other integers of 64 bits.

    Returns:
        What kernels call, with those arguments.
    """

    def typed(typing_context, *arguments):

        def build(context, builder, signature, values):
            emit(Memory(builder), *values)
            return context.get_dummy_value()

        return types.void(*arguments), build

    typed.__signature__ = inspect.signature(emit)  # type: ignore[attr-defined]  # Numba counts arguments by it
    made: Callable[..., Any] = intrinsic(typed)
    return made
