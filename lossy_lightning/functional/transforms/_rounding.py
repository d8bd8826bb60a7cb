"""Rounding of integer transforms."""

from torch import Tensor


def descale(number: Tensor, bits: int) -> Tensor:
    """Whole numbers in a float dtype over ``2**bits``, rounded; halves go up."""
    return ((number + (1 << bits - 1)) * (1.0 / (1 << bits))).floor()
