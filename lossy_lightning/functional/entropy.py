"""How evenly a codebook is used."""

import math

import torch
from torch import Tensor


def index_entropy(counts: Tensor) -> Tensor:
    """Zeroth-order entropy of the words of a codebook, in bits a word.

    Args:
        counts: ``(..., levels)``, occurrences of each word.

    Returns:
        ``(...)`` float64, from 0 (one word alone) to ``log2(levels)`` (all equally often); 0 if nothing occurs.

    Source: Shannon, A mathematical theory of communication, Bell System Technical Journal 27, 1948, section 6.

    Example:
        >>> index_entropy(torch.tensor([[5, 5, 0, 0], [7, 0, 0, 0]]))
        tensor([1., 0.], dtype=torch.float64)
    """
    counts = counts.double()
    share = counts / counts.sum(-1, keepdim=True).clamp(min=1)
    entropy: Tensor = torch.special.entr(share).sum(-1) / math.log(2)
    return entropy


def perplexity(counts: Tensor) -> Tensor:
    """Number of equally used words of the same entropy, ``2**entropy``: ``(..., levels)`` to ``(...)`` float64.

    Example:
        >>> round(float(perplexity(torch.tensor([3, 3, 3, 3, 0]))), 6)
        4.0
    """
    return 2 ** index_entropy(counts)
