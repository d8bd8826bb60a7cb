"""Inner loops of products, written in vectors: sums of some outputs at some positions, held in registers.

LLVM makes of them what the processor has: where an instruction counts the bits of each word of a vector, words are
counted; elsewhere bytes, by shuffles of a table or by arithmetic, which are added up as bytes as long as these hold the
sums. Weights lie in tiles of outputs: all of the first tile, word after word, then those of the next.
"""

from typing import Any

import llvmlite.binding
import numba
from llvmlite import ir
from numba.core import cgutils as _untyped
from numba.core import types
from numba.extending import intrinsic

cgutils: Any = _untyped
_config: Any = numba.config  # whose names Numba makes while it is imported


def _features() -> set[str]:
    """What the processor that code is compiled for has."""
    if _config.CPU_FEATURES is not None:
        return {name[1:] for name in _config.CPU_FEATURES.split(",") if name.startswith("+")}
    return {name for name, has in llvmlite.binding.get_host_cpu_features().items() if has}


#: Whether an instruction counts the bits of each word of a vector.
COUNTS_WORDS = "avx512vpopcntdq" in _features()
_MANY_REGISTERS = "avx512f" in _features()
#: Positions, or examples, that are multiplied with each weight that is read.
POSITIONS = 4 if _MANY_REGISTERS else 2
#: Outputs of a tile, wide or narrow; what wide ones leave is done in narrow ones.
TILES = (32, 8) if _MANY_REGISTERS else (16, 8)
#: Numbers of outputs are rounded up to its multiples.
NARROWEST = TILES[-1]

_LANES = 8  # of a vector, which LLVM splits if the processor's are narrower
_WORDS = ir.VectorType(ir.IntType(64), _LANES)
_BYTES = ir.VectorType(ir.IntType(8), 8 * _LANES)
_NUMBERS = ir.VectorType(ir.FloatType(), _LANES)
_BYTE_HOLDS = 31  # words: of each, a byte counts at most 8 bits


class _Arrays:
    """Vectors in the arrays that an intrinsic is called with."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        self.builder = builder
        self.given = [
            context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, args, strict=True)
        ]

    def load(self, array: int, at: Any, kind: ir.VectorType) -> Any:
        """A vector from an element on."""
        pointer = self.builder.bitcast(self.builder.gep(self.given[array], [at]), ir.PointerType(kind))
        return self.builder.load(pointer, align=_size(kind))

    def store(self, value: Any, array: int, at: Any) -> None:
        """Put a vector from an element on."""
        pointer = self.builder.bitcast(self.builder.gep(self.given[array], [at]), ir.PointerType(value.type))
        self.builder.store(value, pointer, align=_size(value.type))

    def spread(self, array: int, at: Any, kind: ir.VectorType) -> Any:
        """A vector of one element in all lanes."""
        value = self.builder.load(self.builder.gep(self.given[array], [at]))
        return _spread(self.builder, value, kind)


def _size(kind: ir.VectorType) -> int:
    return 8 if kind == _WORDS else 4


def _spread(builder: Any, value: Any, kind: ir.VectorType) -> Any:
    nothing, index = ir.Constant(kind, ir.Undefined), ir.IntType(32)
    first = builder.insert_element(nothing, value, index(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(index, kind.count), [0] * kind.count))


def _called(builder: Any, name: str, *values: Any) -> Any:
    kind = values[0].type
    suffix = f"v{kind.count}f32" if kind == _NUMBERS else f"v{kind.count}i{kind.element.width}"
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * len(values)), f"llvm.{name}.{suffix}"
    )
    return builder.call(function, values)


def _ones(typing: Any, word: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), code


#: Number of bits of a word that are 1.
ones: Any = intrinsic(_ones)


def _sums(arrays: _Arrays, count: Any, begin: Any, lanes: int, positions: int, add: Any, first: list[Any]) -> list[Any]:
    """Sums over the words ``begin`` to ``count`` of a tile: vectors of each position, one after the other."""
    builder = arrays.builder
    held = [cgutils.alloca_once_value(builder, value) for value in first]
    with cgutils.for_range_slice(builder, begin, count, count.type(1), intp=count.type) as (i, _):
        row, column = builder.mul(i, i.type(lanes)), builder.mul(i, i.type(positions))
        for j in range(positions):
            at = builder.add(column, column.type(j))
            for g in range(lanes // _LANES):
                place = builder.add(row, row.type(_LANES * g))
                slot = held[j * lanes // _LANES + g]
                builder.store(add(builder.load(slot), at, place), slot)
    return [builder.load(slot) for slot in held]


def bit_tile(lanes: int, positions: int, masked: bool) -> Any:
    """An intrinsic that counts the bits in which patches differ from the weights of a tile's outputs.

    It is called with patches, whose words of all positions stand side by side; their number of words; an array of
    weights, where those of the tile begin, and where their masks do, if there are any; and an array of sums
    ``(positions, size)``, its size, and the place of the first.
    """

    def typed(
        typing: Any, patch: Any, count: Any, weights: Any, start: Any, masks: Any, sums: Any, size: Any, at: Any
    ) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            arrays = _Arrays(context, builder, signature, args)
            count, start, masks, size, at = (arrays.given[place] for place in (1, 3, 4, 6, 7))

            def differing(column: Any, place: Any) -> Any:
                weight = arrays.load(2, builder.add(start, place), _WORDS)
                different = builder.xor(arrays.spread(0, column, _WORDS), weight)
                if masked:
                    different = builder.and_(different, arrays.load(2, builder.add(masks, place), _WORDS))
                return different

            count_bits = _count_words if COUNTS_WORDS else _count_bytes
            made = count_bits(arrays, count, lanes, positions, differing)
            for j in range(positions):
                row = builder.add(at, builder.mul(size, size.type(j)))
                for g in range(lanes // _LANES):
                    arrays.store(made[j * lanes // _LANES + g], 5, builder.add(row, row.type(_LANES * g)))
            return context.get_dummy_value()

        return types.void(patch, count, weights, start, masks, sums, size, at), code

    return intrinsic(typed)


def _count_words(arrays: _Arrays, count: Any, lanes: int, positions: int, differing: Any) -> list[Any]:
    builder = arrays.builder

    def add(total: Any, column: Any, place: Any) -> Any:
        return builder.add(total, _called(builder, "ctpop", differing(column, place)))

    nothing = [ir.Constant(_WORDS, [0] * _LANES)] * (positions * lanes // _LANES)
    return _sums(arrays, count, count.type(0), lanes, positions, add, nothing)


def _count_bytes(arrays: _Arrays, count: Any, lanes: int, positions: int, differing: Any) -> list[Any]:
    builder = arrays.builder

    def add(total: Any, column: Any, place: Any) -> Any:
        bits = builder.bitcast(differing(column, place), _BYTES)
        return builder.add(total, _called(builder, "ctpop", bits))

    number = positions * lanes // _LANES
    held = [cgutils.alloca_once_value(builder, ir.Constant(_WORDS, [0] * _LANES)) for _ in range(number)]
    nothing = [ir.Constant(_BYTES, [0] * 8 * _LANES)] * number
    step = count.type(_BYTE_HOLDS)
    with cgutils.for_range_slice(builder, count.type(0), count, step, intp=count.type) as (begin, _):
        behind = builder.add(begin, step)
        end = builder.select(builder.icmp_unsigned("<", behind, count), behind, count)
        for slot, made in zip(held, _sums(arrays, end, begin, lanes, positions, add, nothing), strict=True):
            builder.store(builder.add(builder.load(slot), _bytes_added(builder, made)), slot)
    return [builder.load(slot) for slot in held]


def _bytes_added(builder: Any, value: Any) -> Any:
    """The sum of the bytes of each word."""
    value = builder.bitcast(value, _WORDS)

    def all_of(number: int) -> Any:
        return ir.Constant(_WORDS, [number] * _LANES)

    pairs = all_of(0x00FF00FF00FF00FF)
    value = builder.add(builder.and_(value, pairs), builder.and_(builder.lshr(value, all_of(8)), pairs))
    value = builder.add(value, builder.lshr(value, all_of(16)))
    return builder.and_(builder.add(value, builder.lshr(value, all_of(32))), all_of(0xFFFF))


def number_tile(lanes: int, positions: int) -> Any:
    """An intrinsic that adds up products of patches and the weights of a tile's outputs, from their biases on.

    It is called with patches, whose numbers of all positions stand side by side; their length; an array of constants,
    where the tile's weights and where its biases begin; and an array of sums ``(positions, size)``, its size, and the
    place of the first.
    """

    def typed(
        typing: Any, patch: Any, count: Any, weights: Any, start: Any, bias: Any, sums: Any, size: Any, at: Any
    ) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            arrays = _Arrays(context, builder, signature, args)
            count, start, bias, size, at = (arrays.given[place] for place in (1, 3, 4, 6, 7))

            def add(total: Any, column: Any, place: Any) -> Any:
                weight = arrays.load(2, builder.add(start, place), _NUMBERS)
                return _called(builder, "fmuladd", arrays.spread(0, column, _NUMBERS), weight, total)

            first = [arrays.load(2, builder.add(bias, bias.type(_LANES * g)), _NUMBERS) for g in range(lanes // _LANES)]
            made = _sums(arrays, count, count.type(0), lanes, positions, add, first * positions)
            for j in range(positions):
                row = builder.add(at, builder.mul(size, size.type(j)))
                for g in range(lanes // _LANES):
                    arrays.store(made[j * lanes // _LANES + g], 5, builder.add(row, row.type(_LANES * g)))
            return context.get_dummy_value()

        return types.void(patch, count, weights, start, bias, sums, size, at), code

    return intrinsic(typed)


def _reached(typing: Any, sums: Any, first: Any, total: Any, thresholds: Any, at: Any) -> Any:
    """8 bits: whether ``total`` less twice a sum reaches its threshold."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        arrays = _Arrays(context, builder, signature, args)
        counted = arrays.load(0, args[1], _WORDS)
        narrow = ir.VectorType(ir.IntType(32), _LANES)
        threshold = arrays.load(3, args[4], narrow)
        twice = builder.trunc(builder.shl(counted, ir.Constant(_WORDS, [1] * _LANES)), narrow)
        sums = builder.sub(_spread(builder, builder.trunc(args[2], ir.IntType(32)), narrow), twice)
        reached = builder.icmp_signed(">=", sums, threshold)
        return builder.zext(builder.bitcast(reached, ir.IntType(_LANES)), ir.IntType(64))

    return types.uint64(sums, first, total, thresholds, at), code


reached: Any = intrinsic(_reached)


def _at_least(typing: Any, numbers: Any, first: Any, thresholds: Any, at: Any) -> Any:
    """8 bits: whether a number reaches its threshold."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        arrays = _Arrays(context, builder, signature, args)
        bits = builder.fcmp_ordered(">=", arrays.load(0, args[1], _NUMBERS), arrays.load(2, args[3], _NUMBERS))
        return builder.zext(builder.bitcast(bits, ir.IntType(_LANES)), ir.IntType(64))

    return types.uint64(numbers, first, thresholds, at), code


at_least: Any = intrinsic(_at_least)
