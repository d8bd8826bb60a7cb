"""At which values a function of one value steps from one of two values to the other, found by the function itself."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Steps(NamedTuple):
    """Where the values of a tensor step, each with its own function.

    Attributes:
        threshold: The least argument on the upper side; above all arguments if there is no step.
        low: Value below the threshold.
        high: Value from the threshold on.
    """

    threshold: Tensor
    low: Tensor
    high: Tensor


def integer_steps(function: Callable[[Tensor], Tensor], limit: int, shape: torch.Size) -> Steps | None:
    """Steps of a function of whole numbers from ``-limit`` to ``limit``, None if there are other values between.

    Args:
        function: Of an int64 tensor of that shape, value by value.
        limit: Greatest magnitude of a number.
        shape: Of the tensor.
    """
    return _bisect(function, shape, -limit, limit)


def real_steps(function: Callable[[Tensor], Tensor], shape: torch.Size) -> Steps | None:
    """Steps of a function of float32, None if there are other values between.

    Bisected are the numbers of all finite floats in their order, so a threshold is exact to the last bit.
    """
    greatest = int(_order(torch.tensor(3.0e38)))
    found = _bisect(lambda number: function(_float(number)), shape, -greatest, greatest)
    if found is None:
        return None
    never = found.threshold > greatest
    threshold = torch.where(never, torch.inf, _float(found.threshold.clamp(-greatest, greatest)))
    return found._replace(threshold=threshold)


def _bisect(function: Callable[[Tensor], Tensor], shape: torch.Size, least: int, greatest: int) -> Steps | None:
    below, above = torch.full(shape, least), torch.full(shape, greatest)
    low, high = function(below), function(above)
    if bool((low.isnan() | high.isnan()).any()):
        return None
    while bool((above - below > 1).any()):
        middle = torch.div(below + above, 2, rounding_mode="floor")
        value = function(middle)
        if not bool(((value == low) | (value == high)).all()):
            return None
        upper = (value == high) & (low != high)
        above, below = torch.where(upper, middle, above), torch.where(upper, below, middle)
    return Steps(torch.where(low == high, greatest + 1, above), low, high)


def _order(value: Tensor) -> Tensor:
    """Number of a float among all in their order; 0 for zero."""
    bits = value.view(torch.int32).long()
    return torch.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def _float(number: Tensor) -> Tensor:
    """The float of a number."""
    bits = number.abs().to(torch.int32).view(torch.float32)
    return torch.where(number < 0, -bits, bits)
