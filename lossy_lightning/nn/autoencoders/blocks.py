"""Each block of a signal coded by itself."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from lossy_lightning.functional import from_blocks
from lossy_lightning.nn.autoencoders._shapes import check_blocks, check_grid, check_sizes, convolutions


class BlockEncoder(nn.Sequential):
    """Features of each block from its own samples alone: ``(N, channels, *size)`` to ``(N, dim, *grid)``.

    A small fully connected network, the same for each block: a convolution whose kernel and stride are the block,
    then 1x1 convolutions, with a ReLU between them. So any block can be coded by itself, before the rest of the signal
    is there.

    Args:
        block: Samples of a block along each axis: ``(4, 4)`` pixels, ``(8,)`` samples.
        dim: Number of features of a block.
        hidden: Widths of the hidden layers; empty for a linear map.
        channels: Number of channels of the signal.
        grid: Blocks along each axis, for signals of one size: each position then has biases of its own, so that a
            code may mean something else at the border than in the middle. None: the same everywhere, any size.

    Raises:
        ValueError: If the block has not one or two axes, or the grid another number of them.

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
        check_sizes(dim, hidden, channels)
        check_grid(grid, block)
        convolution, _ = convolutions(len(block))
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
        hidden: Widths of the hidden layers; empty for a linear map.
        channels: Number of channels of the signal.
        grid: Blocks along each axis, for signals of one size, if the encoder knows them too.

    Raises:
        ValueError: If the block has not one or two axes, or the grid another number of them.

    Example:
        >>> import torch
        >>> BlockDecoder((4, 4), dim=4)(torch.zeros(1, 4, 7, 7)).shape
        torch.Size([1, 1, 28, 28])
    """

    def __init__(
        self,
        block: tuple[int, ...],
        dim: int,
        hidden: Sequence[int] = (64,),
        channels: int = 1,
        grid: tuple[int, ...] | None = None,
    ) -> None:
        check_sizes(dim, hidden, channels)
        check_grid(grid, block)
        convolution, _ = convolutions(len(block))
        layers: list[nn.Module] = []
        for width, following in pairwise([dim, *hidden, channels * prod(block)]):
            layers += [convolution(width, following, 1), *_place_bias(following, grid), nn.ReLU()]
        super().__init__(*layers[:-1], _Blocks(tuple(block)))


class _Blocks(nn.Module):
    """Puts blocks ``(N, channels * prod(block), *grid)`` together."""

    def __init__(self, block: tuple[int, ...]) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        return from_blocks(x.movedim(1, -1), self.block)


class _PlaceBias(nn.Module):
    """A bias for each feature and position."""

    def __init__(self, features: int, grid: tuple[int, ...]) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(features, *grid))

    def forward(self, x: Tensor) -> Tensor:
        check_blocks(tuple(self.bias.shape[1:]), x)
        return x + self.bias


def _place_bias(features: int, grid: tuple[int, ...] | None) -> list[nn.Module]:
    return [] if grid is None else [_PlaceBias(features, tuple(grid))]
