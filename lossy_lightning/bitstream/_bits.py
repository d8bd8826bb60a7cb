"""A stream of bits, read 64 at a time.

A position in the stream is one unsigned number of bits. Kernels index with unsigned numbers, since Numba checks
signed ones for wrap-around.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
# Numba finds the types of a kernel where it is called.

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .compile import inlined

_U1, _U3, _U7, _U56, _U63 = (np.uint64(i) for i in (1, 3, 7, 56, 63))


def _borrow(typing_context, array):

    def build(context, builder, signature, arguments):
        view = cgutils.create_struct_proxy(array)(context, builder, value=arguments[0])
        view.meminfo = ir.Constant(view.meminfo.type, None)
        view.parent = ir.Constant(view.parent.type, None)
        return view._getvalue()

    return array(array), build


#: The same array without an owner, so that handing it to a kernel costs no reference count.
borrowed: Callable[..., Any] = intrinsic(_borrow)


def _at_address(typing_context, array, address):

    def build(context, builder, signature, arguments):
        view = cgutils.create_struct_proxy(array)(context, builder, value=arguments[0])
        view.data = builder.inttoptr(arguments[1], view.data.type)
        view.meminfo = ir.Constant(view.meminfo.type, None)
        view.parent = ir.Constant(view.parent.type, None)
        return view._getvalue()

    return array(array, types.uint64), build


#: The memory from an address on as an array like the one given, without an owner; nobody checks that it may be used.
at_address: Callable[..., Any] = intrinsic(_at_address)


def _copy_word(typing_context, source, index, target, at):

    def build(context, builder, signature, arguments):
        pointers = []
        for array, position in ((0, 1), (2, 3)):
            view = cgutils.create_struct_proxy(signature.args[array])(context, builder, value=arguments[array])
            byte = builder.gep(view.data, [arguments[position]])
            pointers.append(builder.bitcast(byte, ir.IntType(64).as_pointer()))
        word = builder.load(pointers[0], align=1)
        builder.store(word, pointers[1], align=1)
        return word

    return types.uint64(source, index, target, at), build


#: Copy eight bytes of ``source`` from ``index`` on to ``target`` from ``at`` on; returns them as one number.
copy_word: Callable[..., Any] = intrinsic(_copy_word)


def _load64(typing_context, data, index):

    def build(context, builder, signature, arguments):
        view = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=arguments[0])
        byte = builder.gep(view.data, [arguments[1]])
        word = builder.load(builder.bitcast(byte, ir.IntType(64).as_pointer()), align=1)
        return builder.bswap(word) if sys.byteorder == "little" else word

    return types.uint64(data, types.uint64), build


#: The eight bytes from ``index`` on as one big-endian number.
load64: Callable[..., Any] = intrinsic(_load64)


def _nonzero64(typing_context, data, index):

    def build(context, builder, signature, arguments):
        numbers = builder.load(_vector64(context, builder, signature, arguments), align=2)
        told = builder.icmp_signed("!=", numbers, ir.Constant(numbers.type, None))
        return builder.bitcast(told, ir.IntType(64))

    return types.uint64(data, types.uint64), build


#: Which of the 64 coefficients from ``index`` on are not zero; the lowest bit tells of the first.
nonzero64: Callable[..., Any] = intrinsic(_nonzero64)


def permutation64(places: Sequence[int]) -> Callable[..., Any]:
    """Make a function that puts those of the 64 coefficients from an index on side by side that stand at ``places``."""

    def permute(typing_context, data, index):

        def build(context, builder, signature, arguments):
            pointer = _vector64(context, builder, signature, arguments)
            numbers = builder.load(pointer, align=2)
            mask = ir.Constant(ir.VectorType(ir.IntType(32), 64), [ir.Constant(ir.IntType(32), i) for i in places])
            builder.store(builder.shuffle_vector(numbers, numbers, mask), pointer, align=2)
            return context.get_dummy_value()

        return types.void(data, types.uint64), build

    made: Callable[..., Any] = intrinsic(permute)
    return made


def _vector64(context, builder, signature, arguments):
    """Pointer to 64 coefficients of 16 bits of an array."""
    view = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=arguments[0])
    return builder.bitcast(builder.gep(view.data, [arguments[1]]), ir.VectorType(ir.IntType(16), 64).as_pointer())


def _lowest_one(typing_context, bits):

    def build(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), build


#: The number of zeros behind the last bit of a number that is 1; the number must not be 0.
lowest_one: Callable[..., Any] = intrinsic(_lowest_one)


@inlined
def window(stream, position):
    """The bits from ``position`` on, first bit highest; at least 57 of them are valid."""
    return load64(stream, position >> _U3) << (position & _U7)


@inlined
def refill(stream, bits, count, index):
    """Make at least 56 bits of a running window valid, of which ``count`` were: window, count, next byte's index.

    The bits behind the valid ones are 0 or already right. The position is ``8 * index - count``.

    Source:
        F. Giesen, "Reading bits in far too many ways (part 2)", 2018, variant 4.
    """
    return bits | (load64(stream, index) >> count), count | _U56, index + ((_U63 - count) >> _U3)


@inlined
def top_bits(bits, count):
    """The highest ``count`` bits of a window as a number; 0 for ``count`` 0."""
    return np.int64((bits >> _U1) >> (_U63 - count))
