"""Memory by its address, so that a kernel hands on one number instead of an array.

A position in a stream of bits is the address of a byte times 8, and a bit in it. Nobody checks that an address may be
used: callers keep room behind what they read.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from ..compile import inlined

_U3, _U7 = np.uint64(3), np.uint64(7)


def _pointer(builder, address, size):
    return builder.inttoptr(address, ir.IntType(size).as_pointer())


def _big_endian(builder, number):
    return builder.bswap(number) if sys.byteorder == "little" else number


def _word_at(typing_context, address):

    def build(context, builder, signature, arguments):
        return _big_endian(builder, builder.load(_pointer(builder, arguments[0], 64), align=1))

    return types.uint64(types.uint64), build


def _put_word(typing_context, address, word):

    def build(context, builder, signature, arguments):
        builder.store(_big_endian(builder, arguments[1]), _pointer(builder, arguments[0], 64), align=1)
        return context.get_dummy_value()

    return types.none(types.uint64, types.uint64), build


def _put(size):

    def put(typing_context, address, number):

        def build(context, builder, signature, arguments):
            small = builder.trunc(arguments[1], ir.IntType(size))
            builder.store(small, _pointer(builder, arguments[0], size), align=1)
            return context.get_dummy_value()

        return types.none(types.uint64, types.uint64), build

    return put


def _fill(typing_context, address, size):

    def build(context, builder, signature, arguments):
        pointer, size = _pointer(builder, arguments[0], 8), arguments[1]
        function = builder.module.declare_intrinsic("llvm.memset", [pointer.type, size.type])
        builder.call(function, [pointer, ir.IntType(8)(0), size, ir.IntType(1)(0)])
        return context.get_dummy_value()

    return types.none(types.uint64, types.uint64), build


def _copy(typing_context, source, target, size):

    def build(context, builder, signature, arguments):
        source, target = (_pointer(builder, address, 8) for address in arguments[:2])
        function = builder.module.declare_intrinsic("llvm.memcpy", [target.type, source.type, arguments[2].type])
        builder.call(function, [target, source, arguments[2], ir.IntType(1)(0)])
        return context.get_dummy_value()

    return types.none(types.uint64, types.uint64, types.uint64), build


def _number_at(typing_context, address):

    def build(context, builder, signature, arguments):
        return builder.zext(builder.load(_pointer(builder, arguments[0], 32)), ir.IntType(64))

    return types.uint64(types.uint64), build


def _prefetch(write):

    def prefetch(typing_context, address):

        def build(context, builder, signature, arguments):
            flag, pointer = ir.IntType(32), _pointer(builder, arguments[0], 8)
            kind = ir.FunctionType(ir.VoidType(), [pointer.type, flag, flag, flag])
            function = builder.module.declare_intrinsic("llvm.prefetch.p0i8", (), kind)
            builder.call(function, [pointer, flag(write), flag(3), flag(1)])
            return context.get_dummy_value()

        return types.none(types.uint64), build

    return prefetch


#: Eight bytes as one big-endian number.
word_at: Callable[..., Any] = intrinsic(_word_at)
#: Write a number as eight bytes, highest one first.
put_word: Callable[..., Any] = intrinsic(_put_word)
#: Write the lowest byte of a number.
put_byte: Callable[..., Any] = intrinsic(_put(8))
#: Write the two lowest bytes of a number as int16.
put_level: Callable[..., Any] = intrinsic(_put(16))
#: Set as many bytes to 0.
fill_zero: Callable[..., Any] = intrinsic(_fill)
#: Copy as many bytes from an address to another.
copy_bytes: Callable[..., Any] = intrinsic(_copy)
#: A number of 32 bits as the machine keeps it, at an address that is a multiple of 4.
number_at: Callable[..., Any] = intrinsic(_number_at)
#: Ask for the memory at an address, whether there is any or not, so that it is near when it is read.
prefetch: Callable[..., Any] = intrinsic(_prefetch(0))
#: The same for memory that will be written.
prefetch_to_write: Callable[..., Any] = intrinsic(_prefetch(1))


@inlined
def bits_at(position):
    """The bits from ``position`` on, first bit highest; at least 57 of them are valid."""
    return word_at(position >> _U3) << (position & _U7)
