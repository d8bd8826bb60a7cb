"""Residual vector quantization: each stage codes what those before it left."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from lossy_lightning.codecs.vq import VQ
from lossy_lightning.core import CodeSpec, Field
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.functional import nearest_codewords


class RVQ(VQ):
    """Non-overlapping blocks, each coded as the sum of one codeword of each of several codebooks.

    As `VQ`, but a second codebook codes what the nearest word of the first one left of a block, and so on, so that
    blocks can be larger than one codebook could serve: four stages of 256 words spend as many bits as one of 2^32. The
    code is one field, ``stages``, of a channel a stage; `CodebookSum` reads it. Each codebook is fitted by k-means to
    what the stages before it leave. Sums of integer signals are rounded and clipped to their dtype.

    Args:
        block: Samples of a block along each axis, as of `VQ`.
        levels: Number of codewords of a stage, 2 to 65 536.
        num_stages: Number of stages.
        seed: Of k-means and of the sample of blocks.

    Raises:
        ValueError: If a block has no sample, there is no stage, or there are fewer or more levels.

    Source: Juang and Gray, Multiple stage vector quantization for speech coding, ICASSP 1982.

    Example:
        >>> codec = RVQ((4, 4), levels=16, num_stages=2).fit([torch.rand(64, 1, 32, 32)])
        >>> codec.encode(torch.rand(8, 1, 32, 32)).shape
        torch.Size([8, 2, 8, 8])
    """

    idempotent = False

    def __init__(self, block: tuple[int, ...], levels: int, num_stages: int, seed: int = 0) -> None:
        super().__init__(block, levels, seed)
        check_integers(1, num_stages=num_stages)
        self.num_stages = num_stages
        self.register_buffer("codebook", torch.empty(num_stages, levels, 0))

    def codebooks(self) -> Tensor | None:
        """``(num_stages, levels, channels * prod(block))``; None before fitting."""
        return self.codebook if self.fitted else None

    def _spec(self, grid: tuple[int | None, ...]) -> CodeSpec:
        low, high = (0,) * self.num_stages, (self.levels - 1,) * self.num_stages
        return CodeSpec([Field("stages", low, high, ordinal=False)], grid)

    def _indices(self, blocks: Tensor) -> Tensor:
        left, found = blocks.float(), []
        for book in self.codebook:
            found.append(nearest_codewords(left, book))
            left = left - book[found[-1]]
        return torch.stack(found, -1)

    def _words(self, indices: Tensor) -> Tensor:
        total = torch.stack([book[index] for book, index in zip(self.codebook, indices.unbind(-1), strict=True)]).sum(0)
        if self._dtype.is_floating_point:
            return total
        limits = torch.iinfo(self._dtype)
        return total.round().clamp(limits.min, limits.max)

    def _fit_words(self, sample: NDArray[Any]) -> None:
        left, books = torch.from_numpy(sample).float(), []
        for _ in range(self.num_stages):
            books.append(torch.from_numpy(self._cluster(left.numpy())).float())
            left = left - books[-1][nearest_codewords(left, books[-1])]
        self.codebook = torch.stack(books)
