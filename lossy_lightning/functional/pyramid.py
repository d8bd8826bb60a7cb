"""Pyramid vectors: whole numbers whose absolute values have a given sum, counted and numbered."""

from functools import cache

import torch
from torch import Tensor

_MOST = 2**63


@cache
def _counts(dimensions: int, pulses: int) -> tuple[tuple[int, ...], ...]:
    """V(n, k) for all n up to ``dimensions`` and k up to ``pulses``, as Python integers of any size."""
    rows = [(1, *[0] * pulses)]
    for _ in range(dimensions):
        row = [1]
        for k in range(1, pulses + 1):
            row.append(rows[-1][k] + row[k - 1] + rows[-1][k - 1])
        rows.append(tuple(row))
    return tuple(rows)


def pyramid_size(dimensions: int, pulses: int) -> int:
    """Number of vectors of whole numbers whose absolute values have the sum ``pulses``: V(N, K).

    Source: Fischer, A pyramid vector quantizer, IEEE Trans. Information Theory 32(4), 1986, equation 11.

    Example:
        >>> pyramid_size(3, 2)  # 6 of a single 2, 12 of two ones
        18
    """
    if pulses == 0:
        return 1
    total, term = 0, 2 * dimensions  # of vectors with j places that are not zero, from one place on
    for j in range(1, min(dimensions, pulses) + 1):
        total += term
        term = term * 2 * (dimensions - j) * (pulses - j) // (j * (j + 1))
    return total


def pyramid_search(values: Tensor, pulses: int) -> Tensor:
    """The pulses whose direction is nearest to that of a vector, found greedily as CELT's encoder does.

    Values are scaled so that their absolute values sum to ``pulses``, rounded towards zero, and the pulses that are
    left go, one by one, where they raise the cosine most.

    Args:
        values: ``(..., N)``, float; zeros get all pulses in the first place.
        pulses: Their number K, 1 or more.

    Returns:
        ``(..., N)``, int64, with absolute values of sum K.

    Source: RFC 6716 (2012), section 5.3.8.1.

    Example:
        >>> pyramid_search(torch.tensor([0.9, -0.4, 0.1]), 3)
        tensor([ 2, -1,  0])
    """
    size = values.double().abs()
    total = size.sum(-1, keepdim=True)
    size = torch.where(total > 0, size, torch.eye(1, size.shape[-1], dtype=size.dtype, device=size.device)[0])
    ideal = size * (pulses / size.sum(-1, keepdim=True))
    # A little less, so that no float error makes one pulse too many.
    found = (ideal * (1 - 1e-12)).floor()
    left = pulses - found.sum(-1, keepdim=True)
    for _ in range(int(left.max()) if left.numel() else 0):
        product = (found * size).sum(-1, keepdim=True) + size
        energy = found.square().sum(-1, keepdim=True) + 2 * found + 1
        best = (product / energy.sqrt()).argmax(-1, keepdim=True)
        found.scatter_add_(-1, best, (left > 0).to(found.dtype))
        left = left - 1
    return found.copysign(values.double()).long()


def pyramid_index(vectors: Tensor, pulses: int) -> Tensor:
    """Number of each vector of the pyramid, 0 to ``pyramid_size - 1``: ``(..., N)`` int64 to ``(...)`` int64.

    Vectors are in the order of their first place, then the next: 0, 1, -1, 2, -2, …

    Raises:
        ValueError: If there are 2**63 vectors or more.

    Example:
        >>> pyramid_index(torch.tensor([[0, 2], [1, 1], [-2, 0]]), 2)
        tensor([0, 2, 7])
    """
    dimensions = vectors.shape[-1]
    counts = _table(dimensions, pulses, vectors.device)
    index = torch.zeros(vectors.shape[:-1], dtype=torch.int64, device=vectors.device)
    left = torch.full_like(index, pulses)
    for place in range(dimensions):
        value = vectors[..., place].long()
        rest = counts[dimensions - place - 1]
        # Before a value of size m lie all vectors of 0 there, twice those of each size between, and of +m if it is -m.
        size = value.abs()
        below = torch.cat([rest.new_zeros(1), rest.cumsum(0)])
        smaller = below[left + 1] - below[left - size + 1]
        index += torch.where(size > 0, 2 * smaller - rest[left], 0)
        index += torch.where(value < 0, rest[left - size], 0)
        left = left - size
    return index


def pyramid_vectors(index: Tensor, dimensions: int, pulses: int) -> Tensor:
    """Vectors of their numbers, the inverse of `pyramid_index`: ``(...)`` int64 to ``(..., N)`` int64.

    Raises:
        ValueError: If there are 2**63 vectors or more, or a number is none of a vector.

    Example:
        >>> pyramid_vectors(torch.tensor([0, 2, 7]), 2, 2)
        tensor([[ 0,  2],
                [ 1,  1],
                [-2,  0]])
    """
    counts = _table(dimensions, pulses, index.device)
    if index.numel() and not 0 <= int(index.min()) <= int(index.max()) < pyramid_size(dimensions, pulses):
        raise ValueError(
            f"vectors of {dimensions} places and {pulses} pulses have numbers from 0 to "
            f"{pyramid_size(dimensions, pulses) - 1}; got {int(index.min())} to {int(index.max())}"
        )
    left, found = torch.full_like(index, pulses), []
    for place in range(dimensions):
        rest, value = counts[dimensions - place - 1], torch.zeros_like(index)
        here = rest[left]
        open_ = index >= here
        index = torch.where(open_, index - here, index)
        size = torch.zeros_like(index)
        while bool(open_.any()):
            size = size + open_.long()
            here = rest[(left - size).clamp(min=0)]
            plus, minus = open_ & (index < here), open_ & (index >= here) & (index < 2 * here)
            value = torch.where(plus, size, torch.where(minus, -size, value))
            index = torch.where(minus, index - here, index)
            open_ = open_ & ~plus & ~minus
            index = torch.where(open_, index - 2 * here, index)
        found.append(value)
        left = left - value.abs()
    return torch.stack(found, -1)


def _table(dimensions: int, pulses: int, device: torch.device) -> list[Tensor]:
    """V(n, k), int64, a tensor of all k for each n."""
    if dimensions < 1 or pulses < 1 or pyramid_size(dimensions, pulses) >= _MOST:
        raise ValueError(
            f"pyramid vectors have 1 or more places and pulses, and fewer than 2**63 of a kind; got {dimensions} "
            f"places and {pulses} pulses: take fewer pulses, or split the vector"
        )
    return [torch.tensor(row, device=device) for row in _counts(dimensions, pulses)]
