"""Cells of a signal coded by convolutions that see beyond them."""

from collections.abc import Sequence

from torch import nn

from lossy_lightning.core import InputError
from lossy_lightning.nn.autoencoders._shapes import check_sizes, convolutions


class ConvEncoder(nn.Sequential):
    """Features that see beyond their own cell: ``(N, channels, *size)`` to ``(N, dim, *grid)``.

    For each hidden width, a convolution halves the grid (kernel 4, stride 2); one of kernel 3 and one of kernel 1
    follow, with a ReLU between all of them.

    Args:
        dim: Number of features of a cell.
        hidden: Width behind each halving: two of them make cells of four samples along each axis.
        channels: Number of channels of the signal.
        dimensions: 1 for sounds, 2 for images.

    Raises:
        ValueError: If ``dimensions`` is neither, or there is no hidden width.

    Example:
        >>> import torch
        >>> ConvEncoder(dim=4)(torch.zeros(1, 1, 28, 28)).shape
        torch.Size([1, 4, 7, 7])
    """

    def __init__(self, dim: int, hidden: Sequence[int] = (32, 64), channels: int = 1, dimensions: int = 2) -> None:
        convolution, _ = convolutions(dimensions)
        check_sizes(dim, hidden, channels)
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
        channels: Number of channels of the signal.
        dimensions: 1 for sounds, 2 for images.

    Raises:
        ValueError: If ``dimensions`` is neither, or there is no hidden width.

    Example:
        >>> import torch
        >>> ConvDecoder(dim=4)(torch.zeros(1, 4, 7, 7)).shape
        torch.Size([1, 1, 28, 28])
    """

    def __init__(self, dim: int, hidden: Sequence[int] = (64, 32), channels: int = 1, dimensions: int = 2) -> None:
        convolution, transposed = convolutions(dimensions)
        check_sizes(dim, hidden, channels)
        _check_hidden(hidden)
        layers: list[nn.Module] = [convolution(dim, hidden[0], 3, 1, 1)]
        for width, following in zip(hidden, [*hidden[1:], channels], strict=True):
            layers += [nn.ReLU(), transposed(width, following, 4, 2, 1)]
        super().__init__(*layers)


def _check_hidden(hidden: Sequence[int]) -> None:
    if not hidden:
        raise InputError("each hidden width halves or doubles the grid, so at least one is needed; got none")
