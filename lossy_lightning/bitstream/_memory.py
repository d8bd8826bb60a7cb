"""Memory that calls take over from one another."""

import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

_LEAST, _MOST = 16, 25  # arrays of fewer than 2**16 coefficients, or more than 2**25, are left to the allocator

_idle_arrays: list[list[NDArray[np.int16]]] = [[] for _ in range(_MOST + 1)]  # by the logarithm of their size
_Value = TypeVar("_Value")


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
    loan = _Loan(array, _give_back)
    loan.memory, loan.power = memory, power
    _loans[id(loan)] = loan
    return array


class _Loan(weakref.ref[NDArray[np.int16]]):
    """Memory, and the array that it is lent to; `weakref.finalize` would do the same in five times the time."""

    __slots__ = ("memory", "power")
    memory: NDArray[np.int16]
    power: int


_loans: dict[int, _Loan] = {}


def _give_back(loan: Any) -> None:
    """Keep memory for later calls, at most 2**25 coefficients together; arrays of other sizes make room."""
    memory, power = _loans.pop(id(loan)).memory, loan.power
    surplus = sum(len(arrays) << i for i, arrays in enumerate(_idle_arrays)) + memory.size - (1 << _MOST)
    for i, arrays in enumerate(_idle_arrays):
        while surplus > 0 and arrays and i != power:
            with suppress(IndexError):  # another thread may have taken the last one
                surplus -= arrays.pop().size
    if surplus <= 0:
        _idle_arrays[power].append(memory)


class Kept(Generic[_Value]):
    """Values that one call at a time uses and the next one finds as they were left, such as tables built before.

    Args:
        make: Makes a new value, if calls at one time need more than there are.

    Example:
        >>> notes = Kept(list)
        >>> with notes.taken() as value:
        ...     value.append(1)
        >>> with notes.taken() as value:
        ...     print(value)
        [1]
    """

    def __init__(self, make: Callable[[], _Value]) -> None:
        self._make = make
        self._idle: list[_Value] = []

    def taken(self) -> "_Taken[_Value]":
        """A value, behind ``with``, that no other call uses meanwhile."""
        return _Taken(self._idle, self._make)


class _Taken(Generic[_Value]):
    """Gives a value back at the end of ``with``; a generator would take three times as long."""

    __slots__ = ("_idle", "_value")

    def __init__(self, idle: list[_Value], make: Callable[[], _Value]) -> None:
        self._idle = idle
        try:
            self._value = idle.pop()
        except IndexError:
            self._value = make()

    def __enter__(self) -> _Value:
        return self._value

    def __exit__(self, *error: object) -> None:
        self._idle.append(self._value)
