"""Checks of arguments, so that all rooms refuse alike."""

import inspect
import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

from torch import nn

from lossy_lightning.core.errors import InputError


def check_integers(minimum: int, **numbers: Any) -> None:
    """Raise an `InputError` if a number is not whole, or below a minimum; text and booleans are no numbers.

    Example:
        >>> check_integers(1, dim="3")
        Traceback (most recent call last):
        ...
        lossy_lightning.core.errors.InputError: dim is a whole number of at least 1; got '3'
    """
    for name, number in numbers.items():
        if not isinstance(number, Integral) or isinstance(number, bool) or number < minimum:
            raise InputError(f"{name} is a whole number of at least {minimum}; got {number!r}")


def check_numbers(minimum: float, maximum: float = math.inf, /, excluded: float | None = None, **numbers: Any) -> None:
    """Raise an `InputError` if a number is none, not from a minimum to a maximum, or the excluded one.

    Infinity and NaN are refused, too.

    Example:
        >>> check_numbers(0, 1, probability=1.5)
        Traceback (most recent call last):
        ...
        lossy_lightning.core.errors.InputError: probability is a number from 0 to 1; got 1.5
    """
    for name, number in numbers.items():
        real = isinstance(number, Real)
        if real and math.isfinite(number) and minimum <= number <= maximum and number != excluded:
            continue
        allowed = f" from {minimum} to {maximum}" if maximum < math.inf else f" of at least {minimum}"
        allowed = "" if minimum == -math.inf else allowed
        but = "" if excluded is None else f", but not {excluded}"
        raise InputError(f"{name} is a number{allowed}{but}; got {number!r}")


def check_integer_list(minimum: int, length: int | None = None, /, **lists: Any) -> None:
    """Raise an `InputError` if a list is none, has another length, or a part that is not whole or below a minimum.

    Example:
        >>> check_integer_list(1, 2, factors=3)
        Traceback (most recent call last):
        ...
        lossy_lightning.core.errors.InputError: factors is a list of 2 whole numbers of at least 1; got 3
    """
    for name, numbers in lists.items():
        listed = isinstance(numbers, Sequence) and length in (None, len(numbers))
        whole = listed and all(isinstance(each, Integral) and not isinstance(each, bool) for each in numbers)
        if not whole or min(numbers, default=minimum) < minimum:
            many = "" if length is None else f"{length} "
            raise InputError(f"{name} is a list of {many}whole numbers of at least {minimum}; got {numbers!r}")


def check_names(name: str, names: Any) -> None:
    """Raise an `InputError` if names are not a list of texts, such as one text alone, which is one of letters."""
    if isinstance(names, str):
        raise InputError(f"{name} is a list of names, such as [{names!r}]; got {names!r}")
    if not isinstance(names, Sequence) or not all(isinstance(each, str) for each in names):
        raise InputError(f"{name} is a list of names; got {names!r}")


def check_maker(name: str, maker: Any, *arguments: Any) -> None:
    """Raise an `InputError` if what is to make a module cannot be called so: text, a module, or other parameters.

    Args:
        name: Of the part that is made.
        maker: The class or function.
        arguments: What it will be called with.
    """
    kind = type(maker).__name__
    if isinstance(maker, nn.Module):
        raise InputError(
            f"{name} is made later, to fit the codes; got {kind}(...), which is made already: pass {kind}, or "
            f"functools.partial({kind}, ...) with its further arguments"
        )
    if not callable(maker):
        raise InputError(
            f"{name} is a class or a function that makes a module; got {maker!r}: pass the class itself, or "
            "functools.partial(...) of it (only configurations name classes by text)"
        )
    try:
        inspect.signature(maker).bind(*arguments)
    except TypeError as error:
        told = getattr(maker, "__name__", repr(maker))
        number = f"{len(arguments)} argument{'s' * (len(arguments) != 1)}"
        raise InputError(
            f"{name} is called with {number}, but {told}: {error}; pass "
            f"functools.partial({told}, ...) with its further arguments"
        ) from None
    except ValueError:
        pass  # some built-in callables have no signature


def check_module(name: str, module: Any) -> None:
    """Raise an `InputError` if something is no module that was made, such as its class."""
    if not isinstance(module, nn.Module):
        raise InputError(f"{name} is a torch.nn.Module that was made, such as MLP((4,), 10); got {module!r}")
