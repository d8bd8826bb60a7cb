"""Memory that calls take over from one another."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
from numpy.typing import NDArray

from ._huffman import SLOTS, TABLE

_LEAST, _MOST = 16, 25  # arrays of fewer than 2**16 coefficients, or more than 2**25, are left to the allocator

_idle_arrays: list[list[NDArray[np.int16]]] = [[] for _ in range(_MOST + 1)]  # by the logarithm of their size
_idle_tables: list[NDArray[np.void]] = []


def empty_coefficients(size: int) -> NDArray[np.int16]:
    """An array that may hold anything; once nobody holds it or a view of it, its memory is used again.

    The system clears fresh memory page by page when it is first touched, which costs a third of decoding into it.
    """
    power = (size - 1).bit_length()
    if not _LEAST <= power <= _MOST:
        return np.empty(size, np.int16)
    try:
        memory = _idle_arrays[power].pop()
    except IndexError:
        memory = np.empty(1 << power, np.int16)
    array = np.frombuffer(memory.data, np.int16, size)  # the base of all its views: their chain ends here
    weakref.finalize(array, _give_back, power, memory).atexit = False
    return array


def _give_back(power: int, memory: NDArray[np.int16]) -> None:
    """Keep memory for later calls, at most 2**25 coefficients together; arrays of other sizes make room."""
    surplus = sum(len(arrays) << i for i, arrays in enumerate(_idle_arrays)) + memory.size - (1 << _MOST)
    for i, arrays in enumerate(_idle_arrays):
        while surplus > 0 and arrays and i != power:
            with suppress(IndexError):  # another thread may have taken the last one
                surplus -= arrays.pop().size
    if surplus <= 0:
        _idle_arrays[power].append(memory)


@contextmanager
def kept_tables() -> Iterator[NDArray[np.void]]:
    """Huffman tables, with those that earlier calls have built: most files share the same few."""
    try:
        tables = _idle_tables.pop()
    except IndexError:
        tables = np.zeros(SLOTS, TABLE)
    try:
        yield tables
    finally:
        _idle_tables.append(tables)
