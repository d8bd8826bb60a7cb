"""Vector quantization: the nearest word of a codebook for each block of a signal."""

import warnings
from collections.abc import Iterable, Sequence
from math import prod
from numbers import Integral
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossy_lightning.core import CodeSpec, InputError, TrainableCodec
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.functional import crop, from_blocks, nearest_codewords, to_blocks

_FLOAT_SAMPLE = 400_000
_MAX_LEVELS = 2**16


class VQ(TrainableCodec):
    """Non-overlapping blocks, each coded as the index of its nearest codeword.

    A block spans all channels of the signal, so a signal ``(channels, *size)`` gives a code ``(1, *grid)`` with
    ``grid = ceil(size / block)``. The codebook is fitted by mini-batch k-means: on the *distinct* blocks of an
    integer signal, for frequent blocks (a black background, say) would take most words otherwise; on a seeded
    sample of 400 000 blocks of a float one. Words of integer signals are rounded to integers, so that each is a valid
    block and codes itself.

    Args:
        block: Samples of a block along each axis: ``(4, 4)`` pixels, ``(2, 2)`` time-frequency cells, ``(8,)``.
        levels: Number of codewords, 2 to 65 536.
        seed: Of k-means and of the sample of blocks.

    Raises:
        ValueError: If a block has no sample, or there are fewer or more levels.

    Source: Sculley, Web-scale k-means clustering, WWW 2010 (scikit-learn's `MiniBatchKMeans`).

    Example:
        >>> images = torch.randint(0, 256, (64, 1, 28, 28), dtype=torch.uint8)
        >>> codec = VQ((4, 4), levels=16).fit([images])
        >>> codec.encode(images).shape
        torch.Size([64, 1, 7, 7])
    """

    codebook: Tensor
    idempotent = True

    def __init__(self, block: tuple[int, ...], levels: int, seed: int = 0) -> None:
        super().__init__()
        sizes = tuple(block) if isinstance(block, Sequence) else ()
        whole = all(isinstance(number, Integral) for number in (*sizes, levels))
        if not sizes or not whole or min(sizes) < 1 or not 2 <= levels <= _MAX_LEVELS:
            raise InputError(
                f"{type(self).__name__} needs a block of at least one sample, such as (4, 4), and 2 to {_MAX_LEVELS} "
                f"levels; got {block=}, {levels=}"
            )
        check_integers(0, seed=seed)
        self.block = sizes
        self.levels = levels
        self.seed = seed
        self._dtype = torch.float32
        self.register_buffer("codebook", torch.empty(levels, 0))

    @property
    def fitted(self) -> bool:
        """Whether there is a codebook."""
        return self.codebook.shape[-1] > 0

    def fit(self, signals: Iterable[Tensor]) -> Self:
        """Fit the codebook to batches of signals ``(N, channels, *size)``.

        Unused or duplicate words are a warning with their number.

        Raises:
            ValueError: If there are no signals, or their values are not finite.
        """
        sample = self._sample(signals)
        if not np.isfinite(sample).all():
            raise InputError(
                f"{type(self).__name__} cannot be fitted to signals with NaN or infinite values; clean them first"
            )
        self._fit_words(sample)
        self._warn_of_idle_words(torch.from_numpy(sample))
        return self

    def encode(self, signal: Tensor) -> Tensor:
        """Indices of the nearest codewords: ``(..., channels, *size)`` to ``(..., 1, *grid)``.

        Raises:
            RuntimeError: If the codebook is not fitted.
            ValueError: If the signal is not of the shape or dtype that the codebook was fitted to.
        """
        self._check_fitted()
        if signal.dtype != self._dtype:
            raise InputError(f"this {type(self).__name__} was fitted to signals of {self._dtype}; got {signal.dtype}")
        blocks = to_blocks(self._checked(signal), self.block)
        if blocks.shape[-1] != self.codebook.shape[-1]:
            channels = self.codebook.shape[-1] // prod(self.block)
            raise InputError(
                f"this {type(self).__name__} was fitted to signals of {channels} channels; got shape "
                f"{tuple(signal.shape)}"
            )
        dtype = self.spec((1,) * (len(self.block) + 1)).dtype
        return self._indices(blocks).to(dtype).movedim(-1, -len(self.block) - 1)

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """The codewords, put side by side and cropped to ``shape``.

        Raises:
            RuntimeError: If the codebook is not fitted.
            ValueError: If the code is none of this codec, or the shape larger than its signal.
        """
        self._check_fitted()
        self._spec((None,) * len(self.block)).check(code)
        indices = code.movedim(-len(self.block) - 1, -1).long()
        signal = from_blocks(self._words(indices), self.block).to(self._dtype)
        return signal if shape is None else crop(signal, shape[1:])

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """One channel of codebook indices on the grid of blocks.

        Raises:
            ValueError: If the shape has not one axis a block axis, after the channels.
        """
        if len(shape) != len(self.block) + 1:
            raise InputError(
                f"{type(self).__name__} with block {self.block} takes signals (channels, *size); got shape "
                f"{tuple(shape)}"
            )
        sizes = zip(shape[1:], self.block, strict=True)
        return self._spec(tuple(None if size is None else -(-size // width) for size, width in sizes))

    def codebooks(self) -> Tensor | None:
        """``(1, levels, channels * prod(block))``; None before fitting."""
        return self.codebook.unsqueeze(0) if self.fitted else None

    def get_extra_state(self) -> str:
        """Name of the signals' dtype, kept beside the codebook."""
        return str(self._dtype).removeprefix("torch.")

    def set_extra_state(self, state: str) -> None:
        """Take over the signals' dtype."""
        self._dtype = getattr(torch, state)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # A codec that is not fitted yet does not know its blocks' number of samples.
        saved = state_dict.get(prefix + "codebook", self.codebook)
        if saved.shape[-1] != self.codebook.shape[-1]:
            self.codebook = self.codebook.new_empty(*self.codebook.shape[:-1], saved.shape[-1])
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _checked(self, signal: Tensor) -> Tensor:
        if signal.ndim < len(self.block) + 1:
            raise InputError(
                f"{type(self).__name__} with block {self.block} takes signals (..., channels, *size); got shape "
                f"{tuple(signal.shape)}"
            )
        return signal

    def _check_fitted(self) -> None:
        if not self.fitted:
            raise RuntimeError(f"this {type(self).__name__} has no codebook yet; call fit, or load a fitted state")

    def _spec(self, grid: tuple[int | None, ...]) -> CodeSpec:
        return CodeSpec.uniform((1, *grid), 0, self.levels - 1, ordinal=False)

    def _indices(self, blocks: Tensor) -> Tensor:
        """Indices ``(..., C)`` of blocks ``(..., samples)``."""
        return nearest_codewords(blocks, self.codebook).unsqueeze(-1)

    def _words(self, indices: Tensor) -> Tensor:
        """Blocks of indices."""
        return self.codebook[indices[..., 0]]

    def _fit_words(self, sample: NDArray[Any]) -> None:
        words = torch.from_numpy(self._cluster(sample)).float()
        self.codebook = words if self._dtype.is_floating_point else words.round()

    def _sample(self, signals: Iterable[Tensor]) -> NDArray[Any]:
        """Distinct blocks of integer signals, a uniform sample of float ones; keeps little more than it returns."""
        rng = np.random.default_rng(self.seed)
        sample, rank = None, np.empty(0)
        for batch in signals:
            if not isinstance(batch, Tensor):
                raise InputError(
                    f"{type(self).__name__} is fitted to batches of signals, each a tensor; got a "
                    f"{type(batch).__name__}: leave the targets out"
                )
            self._dtype = batch.dtype
            blocks = to_blocks(self._checked(batch), self.block).flatten(0, -2).cpu().numpy()
            sample = blocks if sample is None else np.concatenate([sample, blocks])
            if batch.is_floating_point():
                # The blocks of least random rank, whatever the batches, are a uniform sample of all.
                rank = np.concatenate([rank, rng.random(len(blocks))])
                least = np.argsort(rank)[:_FLOAT_SAMPLE]
                sample, rank = sample[least], rank[least]
            else:
                sample = _distinct(sample)
        if sample is None or not len(sample):
            raise InputError(f"{type(self).__name__} cannot be fitted to no signals; pass at least one batch")
        return sample

    def _cluster(self, sample: NDArray[Any]) -> NDArray[Any]:
        from sklearn.cluster import MiniBatchKMeans  # slow to import

        if len(sample) <= self.levels:  # the blocks themselves, the last one repeated
            return sample[np.minimum(np.arange(self.levels), len(sample) - 1)].astype(np.float32)
        kmeans = MiniBatchKMeans(self.levels, random_state=self.seed, batch_size=4096, n_init=3)
        return np.asarray(kmeans.fit(sample.astype(np.float32)).cluster_centers_)

    def _warn_of_idle_words(self, sample: Tensor) -> None:
        used = [len(np.unique(index)) for index in self._indices(sample).unbind(-1)]
        if idle := self.levels * len(used) - sum(used):
            warnings.warn(
                f"{idle} of the {self.levels * len(used)} codewords of this {type(self).__name__} are unused or "
                "duplicates; fewer levels would code the same",
                stacklevel=3,
            )


def _distinct(blocks: NDArray[Any]) -> NDArray[Any]:
    rows = np.ascontiguousarray(blocks)
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    return rows[np.unique(keys, return_index=True)[1]]
