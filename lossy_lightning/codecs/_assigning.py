"""Bits of labels, and labels of wished bits."""

import torch
from torch import Tensor

from lossy_lightning.functional import to_bits


def assign_labels(bits: Tensor) -> Tensor:
    """One-to-one labels whose bits, -1 and 1, have the greatest total product with the bits wished for.

    Args:
        bits: ``(C, levels, bit_width)``, the bits that each index should have, most significant first; magnitudes say
            how much each matters.

    Returns:
        ``(C, levels)`` int64, each row a permutation.

    Example:
        >>> assign_labels(torch.tensor([[[1.0, 1.0], [0.9, 0.2], [-1.0, -1.0], [-0.5, 1.0]]]))
        tensor([[3, 2, 0, 1]])
    """
    from scipy.optimize import linear_sum_assignment  # slow to import

    signs = label_bits(bits.shape[1]) * 2 - 1
    return torch.stack(
        [
            torch.from_numpy(linear_sum_assignment((table.double() @ signs.T).numpy(), maximize=True)[1])
            for table in bits.detach().cpu()
        ]
    )


def label_bits(levels: int) -> Tensor:
    """Bits 0 and 1 of each label, ``(levels, bit_width)`` float64."""
    return to_bits(torch.arange(levels), (levels - 1).bit_length()).double()
