"""A whole signal decoded at once."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from lossy_lightning.core.arguments import check_integer_list, check_numbers
from lossy_lightning.nn.autoencoders._shapes import check_blocks, check_grid, check_sizes


class DenseDecoder(nn.Sequential):
    """The whole signal from the features of all cells at once, by fully connected layers with a ReLU between them.

    If features are one bit each, a noisy channel in training makes similar signals differ in few bits: a small network
    can read such codes.

    Args:
        block: Samples of a cell along each axis.
        dim: Number of features of a cell.
        grid: Cells along each axis.
        hidden: Widths of the hidden layers; empty for a linear map.
        channels: Number of channels of the signal.
        flip_probability: Probability that a feature changes its sign in training.

    Raises:
        ValueError: If the block has not one or two axes, or the grid another number of them; if the probability is not
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
        check_sizes(dim, hidden, channels)
        check_integer_list(1, grid=grid)
        check_grid(grid, block)
        check_numbers(0, 1, flip_probability=flip_probability)
        size = [width * cells for width, cells in zip(block, grid, strict=True)]
        layers: list[nn.Module] = [_Whole(tuple(grid)), _SignFlip(flip_probability)]
        for width, following in pairwise([dim * prod(grid), *hidden, channels * prod(size)]):
            layers += [nn.Linear(width, following), nn.ReLU()]
        super().__init__(*layers[:-1], nn.Unflatten(1, (channels, *size)))


class _Whole(nn.Module):
    """Flattens features ``(N, dim, *grid)`` of a grid of one size."""

    def __init__(self, grid: tuple[int, ...]) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, x: Tensor) -> Tensor:
        check_blocks(self.grid, x)
        return x.flatten(1)


class _SignFlip(nn.Module):
    """Changes signs at random, in training."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(torch.rand_like(x) < self.probability, -x, x) if self.training else x
