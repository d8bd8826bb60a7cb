"""Values hashed into a few channels."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lossy_lightning.core import CodeSpec
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.nn.stems._values import ValueStem, starts

#: Factors of a multiplicative hash of 32 bits, in whole numbers of 64 bits.
_FACTORS = (0x7FEB352D, 0x46CA68B)
_MASK = 2**32 - 1


class FeatureHash(ValueStem):
    """One-hot vectors of all channels hashed into a few: ``(N, C, *grid)`` to ``(N, buckets, *grid)``.

    Each value of each channel adds +1 or -1 to one of the buckets, bucket and sign by a hash of channel and value that
    is always the same. Inner products of codes are those of their one-hot vectors on average, whatever their number of
    levels, and there is no table of them. What is absent adds nothing.

    Args:
        spec: Of the code.
        buckets: Number of features.
        fields: Names of the fields to read; None: all.

    Raises:
        ValueError: If ``buckets`` is below 1.

    Source:
        Weinberger et al., Feature hashing for large scale multitask learning, ICML 2009, definition 1.

    Example:
        >>> stem = FeatureHash(CodeSpec.uniform((46, 50), 0, 15, ordinal=False), buckets=64)
        >>> stem(torch.zeros(1, 46, 50, dtype=torch.uint8)).shape
        torch.Size([1, 64, 50])
    """

    start: Tensor

    def __init__(self, spec: CodeSpec, buckets: int, fields: Sequence[str] | None = None) -> None:
        super().__init__(spec, fields)
        check_integers(1, buckets=buckets)
        self.buckets = buckets
        self.shape = (buckets, *self.spec.grid)
        self.register_buffer("start", starts(self.spec), persistent=False)

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Features of a code, and their own sizes if it is padded."""
        code = self.read(code)
        present = self.present(code)
        hashed = _hashed(self.filled(code, present) + self.start)
        signs = 1 - 2 * (hashed % 2).float()
        if present is not None:
            signs = signs * present
        features = code.new_zeros((code.shape[0], self.buckets, *code.shape[2:]), dtype=torch.float32)
        features = features.scatter_add(1, hashed // 2 % self.buckets, signs)
        return features if grid_size is None else (features, grid_size)


def _hashed(numbers: Tensor) -> Tensor:
    """Whole numbers from 0 to 2**32 - 1, spread evenly; neighbours far apart."""
    for factor in _FACTORS:
        numbers = ((numbers ^ (numbers >> 16)) * factor) & _MASK
    return numbers ^ (numbers >> 16)
