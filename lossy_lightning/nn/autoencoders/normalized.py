"""Convolutions with divisive normalization between them, the networks of nonlinear transform coding."""

from collections.abc import Sequence

from torch import nn

from lossy_lightning.nn.autoencoders._shapes import check_sizes, convolutions
from lossy_lightning.nn.layers.gdn import GDN


class GDNEncoder(nn.Sequential):
    """Latents of a signal: ``(N, channels, *size)`` to ``(N, dim, *grid)``.

    Each convolution halves the grid (kernel 5, stride 2), with a `GDN` between two of them.

    Args:
        dim: Number of latents of a cell.
        hidden: Width behind each halving but the last: three of them make cells of 16 samples along each axis.
        channels: Number of channels of the signal.
        dimensions: 1 for sounds, 2 for images.

    Raises:
        ValueError: If ``dimensions`` is neither, or a width is no whole number above 0.

    Source:
        Ballé et al., Variational image compression with a scale hyperprior, ICLR 2018, figure 4: ``hidden`` is
        [128, 128, 128] and ``dim`` 192 at low rates.

    Example:
        >>> import torch
        >>> GDNEncoder(dim=12, hidden=[16])(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 12, 8, 8])
    """

    def __init__(self, dim: int, hidden: Sequence[int] = (64, 64, 64), channels: int = 3, dimensions: int = 2) -> None:
        convolution, _ = convolutions(dimensions)
        check_sizes(dim, hidden, channels)
        layers: list[nn.Module] = []
        for width, following in zip([channels, *hidden], [*hidden, dim], strict=True):
            layers += [convolution(width, following, 5, 2, 2), GDN(following)]
        super().__init__(*layers[:-1])
        self.stride = (2 ** (len(hidden) + 1),) * dimensions


class GDNDecoder(nn.Sequential):
    """The counterpart of `GDNEncoder`: transposed convolutions with inverse normalization between them.

    Args:
        dim: Number of latents of a cell.
        hidden: Width behind each doubling but the last.
        channels: Number of channels of the signal.
        dimensions: 1 for sounds, 2 for images.

    Raises:
        ValueError: If ``dimensions`` is neither, or a width is no whole number above 0.

    Example:
        >>> import torch
        >>> GDNDecoder(dim=12, hidden=[16])(torch.zeros(1, 12, 8, 8)).shape
        torch.Size([1, 3, 32, 32])
    """

    def __init__(self, dim: int, hidden: Sequence[int] = (64, 64, 64), channels: int = 3, dimensions: int = 2) -> None:
        _, transposed = convolutions(dimensions)
        check_sizes(dim, hidden, channels)
        layers: list[nn.Module] = []
        for width, following in zip([dim, *hidden], [*hidden, channels], strict=True):
            layers += [transposed(width, following, 5, 2, 2, 1), GDN(following, inverse=True)]
        super().__init__(*layers[:-1])
