"""Encoders and decoders of learned codecs, over one dimension (sound) or two (images)."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from lossy_lightning.core import InputError
from lossy_lightning.functional import from_blocks

_CONVOLUTIONS: dict[int, tuple[Any, Any]] = {
    1: (nn.Conv1d, nn.ConvTranspose1d),
    2: (nn.Conv2d, nn.ConvTranspose2d),
}


class BlockEncoder(nn.Sequential):
    """Features of each block from its own samples alone: ``(N, channels, *size)`` to ``(N, dim, *grid)``.

    A small fully connected network, the same for each block: a convolution whose kernel and stride are the block,
    then 1x1 convolutions, a ReLU between them. So a code can be made of any block by itself, while the rest of the
    signal is not there yet.

    Args:
        block: Samples of a block along each axis: ``(4, 4)`` pixels, ``(8,)`` samples.
        dim: Number of features of a block.
        hidden: Width of each hidden layer; empty for a linear map.
        channels: Of the signal.
        grid: Blocks along each axis, for signals of that one size: each place then has biases of its own, so that a
            code may mean something else at the rim than in the middle. None: the same everywhere, any size.

    Raises:
        ValueError: Where the block has not one or two axes, or the grid not as many.

    Example:
        >>> import torch
        >>> BlockEncoder((4, 4), dim=4)(torch.zeros(1, 1, 28, 28)).shape
        torch.Size([1, 4, 7, 7])
    """

    def __init__(
        self,
        block: tuple[int, ...],
        dim: int,
        hidden: Sequence[int] = (64,),
        channels: int = 1,
        grid: tuple[int, ...] | None = None,
    ) -> None:
        convolution, _ = _convolutions(len(block))
        _check_grid(grid, block)
        widths = [*hidden, dim]
        layers: list[nn.Module] = [convolution(channels, widths[0], tuple(block), tuple(block))]
        for width, following in pairwise(widths):
            layers += [*_place_bias(width, grid), nn.ReLU(), convolution(width, following, 1)]
        super().__init__(*layers, *_place_bias(dim, grid))
        self.stride = tuple(block)


class BlockDecoder(nn.Sequential):
    """Each block from its own features alone, the counterpart of `BlockEncoder`.

    Args:
        block: Samples of a block along each axis.
        dim: Number of features of a block.
        hidden: Width of each hidden layer; empty for a linear map.
        channels: Of the signal.
        grid: Blocks along each axis, for signals of that one size, where the encoder knows them too.

    Raises:
        ValueError: Where the block has not one or two axes, or the grid not as many.
    """

    def __init__(
        self,
        block: tuple[int, ...],
        dim: int,
        hidden: Sequence[int] = (64,),
        channels: int = 1,
        grid: tuple[int, ...] | None = None,
    ) -> None:
        convolution, _ = _convolutions(len(block))
        _check_grid(grid, block)
        layers: list[nn.Module] = []
        for width, following in pairwise([dim, *hidden, channels * prod(block)]):
            layers += [convolution(width, following, 1), *_place_bias(following, grid), nn.ReLU()]
        super().__init__(*layers[:-1], _Blocks(tuple(block)))


class ConvEncoder(nn.Sequential):
    """Features that see beyond their own cell: ``(N, channels, *size)`` to ``(N, dim, *grid)``.

    Each hidden width is a convolution that halves the grid (kernel 4, stride 2); one of kernel 3 and one of kernel 1
    follow. A ReLU stands between them.

    Args:
        dim: Number of features of a cell.
        hidden: Width of each halving: two of them make cells of four samples along each axis.
        channels: Of the signal.
        dimensions: 1 for sounds, 2 for images.

    Raises:
        ValueError: Where ``dimensions`` is neither, or there is no hidden width.

    Example:
        >>> import torch
        >>> ConvEncoder(dim=4)(torch.zeros(1, 1, 28, 28)).shape
        torch.Size([1, 4, 7, 7])
    """

    def __init__(self, dim: int, hidden: Sequence[int] = (32, 64), channels: int = 1, dimensions: int = 2) -> None:
        convolution, _ = _convolutions(dimensions)
        _check_hidden(hidden)
        layers: list[nn.Module] = []
        for width, following in zip([channels, *hidden[:-1]], hidden, strict=True):
            layers += [convolution(width, following, 4, 2, 1), nn.ReLU()]
        layers += [convolution(hidden[-1], hidden[-1], 3, 1, 1), nn.ReLU(), convolution(hidden[-1], dim, 1)]
        super().__init__(*layers)
        self.stride = (2 ** len(hidden),) * dimensions


class ConvDecoder(nn.Sequential):
    """The counterpart of `ConvEncoder`: each hidden width doubles the grid.

    Args:
        dim: Number of features of a cell.
        hidden: Width before each doubling.
        channels: Of the signal.
        dimensions: 1 for sounds, 2 for images.

    Raises:
        ValueError: Where ``dimensions`` is neither, or there is no hidden width.
    """

    def __init__(self, dim: int, hidden: Sequence[int] = (64, 32), channels: int = 1, dimensions: int = 2) -> None:
        convolution, transposed = _convolutions(dimensions)
        _check_hidden(hidden)
        layers: list[nn.Module] = [convolution(dim, hidden[0], 3, 1, 1)]
        for width, following in zip(hidden, [*hidden[1:], channels], strict=True):
            layers += [nn.ReLU(), transposed(width, following, 4, 2, 1)]
        super().__init__(*layers)


class DenseDecoder(nn.Sequential):
    """The whole signal from the features of all cells at once, by fully connected layers with a ReLU between them.

    Where features are one bit each, a noisy channel teaches codes in which signals that are alike differ in few bits:
    those are what a small network can read.

    Args:
        block: Samples of a cell along each axis.
        dim: Number of features of a cell.
        grid: Cells along each axis.
        hidden: Width of each hidden layer; empty for a linear map.
        channels: Of the signal.
        flip_probability: Of each feature to change its sign in training.

    Raises:
        ValueError: Where the block has not one or two axes, or the grid not as many; where the probability is not
            from 0 to 1.

    Example:
        >>> import torch
        >>> DenseDecoder((4, 4), dim=4, grid=(7, 7))(torch.zeros(1, 4, 7, 7)).shape
        torch.Size([1, 1, 28, 28])
    """

    def __init__(
        self,
        block: tuple[int, ...],
        dim: int,
        grid: tuple[int, ...],
        hidden: Sequence[int] = (256,),
        channels: int = 1,
        flip_probability: float = 0.0,
    ) -> None:
        _convolutions(len(block))
        _check_grid(grid, block)
        if not 0 <= flip_probability <= 1:
            raise InputError(f"a probability is from 0 to 1; got {flip_probability=}")
        size = [width * cells for width, cells in zip(block, grid, strict=True)]
        layers: list[nn.Module] = [_Whole(tuple(grid)), _SignFlip(flip_probability)]
        for width, following in pairwise([dim * prod(grid), *hidden, channels * prod(size)]):
            layers += [nn.Linear(width, following), nn.ReLU()]
        super().__init__(*layers[:-1], nn.Unflatten(1, (channels, *size)))


class _Whole(nn.Module):
    """Features ``(N, dim, *grid)`` of all cells in one row, of a grid of that one size."""

    def __init__(self, grid: tuple[int, ...]) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, x: Tensor) -> Tensor:
        _check_blocks(self.grid, x)
        return x.flatten(1)


class _SignFlip(nn.Module):
    """Changes signs at random in training."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(torch.rand_like(x) < self.probability, -x, x) if self.training else x


class _Blocks(nn.Module):
    """Blocks ``(N, channels * prod(block), *grid)`` put together."""

    def __init__(self, block: tuple[int, ...]) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        return from_blocks(x.movedim(1, -1), self.block)


class _PlaceBias(nn.Module):
    """A bias for each feature and place."""

    def __init__(self, features: int, grid: tuple[int, ...]) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(features, *grid))

    def forward(self, x: Tensor) -> Tensor:
        _check_blocks(tuple(self.bias.shape[1:]), x)
        return x + self.bias


def _check_blocks(grid: tuple[int, ...], x: Tensor) -> None:
    if x.shape[2:] != grid:
        raise InputError(
            f"this network knows signals of {grid} blocks; got {tuple(x.shape[2:])}: crop or pad them, or make it for "
            "another grid"
        )


def _check_grid(grid: tuple[int, ...] | None, block: tuple[int, ...]) -> None:
    if grid is not None and len(grid) != len(block):
        raise InputError(f"the grid has an axis for each of the block's; got grid={tuple(grid)}, {block=}")


def _place_bias(features: int, grid: tuple[int, ...] | None) -> list[nn.Module]:
    return [] if grid is None else [_PlaceBias(features, tuple(grid))]


def _convolutions(dimensions: int) -> tuple[Any, Any]:
    """Convolution and transposed convolution."""
    if dimensions not in _CONVOLUTIONS:
        raise InputError(f"signals have 1 axis (sound) or 2 (images) after the channels; got {dimensions}")
    return _CONVOLUTIONS[dimensions]


def _check_hidden(hidden: Sequence[int]) -> None:
    if not hidden:
        raise InputError("each hidden width halves or doubles the grid, so there is at least one; got none")
