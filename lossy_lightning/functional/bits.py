"""Integers as bits."""

import torch
from torch import Tensor


def to_bits(number: Tensor, bit_width: int) -> Tensor:
    """Bits of non-negative integers as 0 and 1, most significant first.

    Args:
        number: ``(...)``, integer, each below ``2**bit_width``.
        bit_width: Number of bits.

    Returns:
        ``(..., bit_width)``, of the same dtype.

    Example:
        >>> to_bits(torch.tensor([6]), 4)
        tensor([[0, 1, 1, 0]])
    """
    shifts = torch.arange(bit_width - 1, -1, -1, device=number.device, dtype=number.dtype)
    return (number.unsqueeze(-1) >> shifts) & 1


def to_gray(number: Tensor) -> Tensor:
    """Reflected binary (Gray) label of non-negative integers: neighbours differ in one bit.

    Source: F. Gray, Pulse code communication, US patent 2 632 058, 1953.

    Example:
        >>> to_gray(torch.arange(4))
        tensor([0, 1, 3, 2])
    """
    return number ^ (number >> 1)
