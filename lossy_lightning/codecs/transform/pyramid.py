"""Directions as numbered vectors of pulses."""

import math

from torch import Tensor

from lossy_lightning.core import InputError
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.functional import pyramid_index, pyramid_search, pyramid_size, pyramid_vectors

_MOST_VECTORS = 2**63
_MOST_PULSES = 2**20  # the tables behind numbers have an entry for each


class PyramidVQ:
    """Vectors of whole numbers with absolute values of sum K, as directions: numbered, and found for real vectors.

    Args:
        dimensions: Places N of a vector, 1 or more.
        pulses: Their sum K, 1 to 2**20.

    Raises:
        ValueError: If a number is out of range, or there are 2**63 vectors or more.

    Source: Fischer, A pyramid vector quantizer, IEEE Trans. Information Theory 32(4), 1986; RFC 6716 (2012), 4.3.4.

    Example:
        >>> import torch
        >>> shapes = PyramidVQ(dimensions=3, pulses=2)
        >>> pulses = shapes.search(torch.tensor([0.9, -0.8, 0.1]))
        >>> shapes.size, pulses, shapes.pulses_of(shapes.index(pulses))
        (18, tensor([ 1, -1,  0]), tensor([ 1, -1,  0]))
    """

    def __init__(self, dimensions: int, pulses: int) -> None:
        check_integers(1, dimensions=dimensions, pulses=pulses)
        self.dimensions = dimensions
        self.pulses = pulses
        self.size = numbered(dimensions, pulses)
        if self.size >= _MOST_VECTORS or pulses > _MOST_PULSES:
            raise InputError(
                f"PyramidVQ numbers fewer than 2**63 vectors, of up to {_MOST_PULSES} pulses; got {dimensions=} and "
                f"{pulses=}: take fewer pulses, or split the vector"
            )

    @property
    def bits(self) -> float:
        """Of a number, ``log2`` of how many there are."""
        return math.log2(self.size)

    def search(self, values: Tensor) -> Tensor:
        """Pulses in about the direction of real vectors: ``(..., N)`` float to ``(..., N)`` int64.

        Raises:
            ValueError: If the vectors are of another size, or not finite.
        """
        self._check(values)
        if not bool(values.isfinite().all()):
            raise InputError("PyramidVQ searches finite vectors; got NaN or infinite ones")
        return pyramid_search(values, self.pulses)

    def index(self, pulses: Tensor) -> Tensor:
        """Number of each vector of pulses: ``(..., N)`` integer to ``(...)`` int64.

        Raises:
            ValueError: If a vector has another size, or another sum.
        """
        self._check(pulses)
        _check_whole(pulses)
        if bool((pulses.abs().sum(-1) != self.pulses).any()):
            raise InputError(
                f"vectors have {self.pulses} pulses; got {sorted({*pulses.abs().sum(-1).flatten().tolist()})}"
            )
        return pyramid_index(pulses, self.pulses)

    def pulses_of(self, index: Tensor) -> Tensor:
        """Vectors of their numbers: ``(...)`` int64 to ``(..., N)`` int64.

        Raises:
            ValueError: If a number is none of a vector.
        """
        _check_whole(index)
        if index.numel() and not 0 <= int(index.min()) <= int(index.max()) < self.size:
            raise InputError(f"numbers are from 0 to {self.size - 1}; got {int(index.min())} to {int(index.max())}")
        return pyramid_vectors(index, self.dimensions, self.pulses)

    def __repr__(self) -> str:
        return f"PyramidVQ(dimensions={self.dimensions}, pulses={self.pulses})"

    def _check(self, vectors: Tensor) -> None:
        if vectors.shape[-1:] != (self.dimensions,):
            raise InputError(f"{self!r} takes vectors (..., {self.dimensions}); got {tuple(vectors.shape)}")


def numbered(dimensions: int, pulses: int) -> int:
    """How many vectors there are; 2**63 if there are as many or more, which takes long to count."""
    # The signs of as many places that are not zero make so many alone.
    if min(dimensions, pulses) >= 63:
        return _MOST_VECTORS
    return min(pyramid_size(dimensions, pulses), _MOST_VECTORS)


def _check_whole(values: Tensor) -> None:
    if values.is_floating_point() or values.is_complex():
        raise InputError(f"PyramidVQ numbers vectors of whole numbers; got {values.dtype}")
