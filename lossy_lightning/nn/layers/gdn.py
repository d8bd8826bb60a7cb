"""Divisive normalization."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossy_lightning.core.arguments import check_integers
from lossy_lightning.functional import bound

_LEAST_BETA = 1e-6
_PEDESTAL = 2.0**-36


class GDN(nn.Module):
    """Generalized divisive normalization: each channel divided by a learned norm of all channels at its place.

    ``y_i = x_i / sqrt(beta_i + sum_j gamma_ij x_j^2)``, with ``beta > 0`` and ``gamma >= 0``; the inverse multiplies
    with the root in place of dividing, which is how decoders undo it, approximately.

    Args:
        channels: Number of channels.
        inverse: Whether to multiply.

    Raises:
        ValueError: If there is no channel.

    Source:
        Ballé, Laparra and Simoncelli, Density modeling of images using a generalized normalization transformation,
        ICLR 2016; as in End-to-end optimized image compression, ICLR 2017. Parameters are stored as roots, with the
        bounds of Ballé, Efficient nonlinear transforms for lossy image compression, PCS 2018.

    Example:
        >>> GDN(8)(torch.ones(1, 8, 4, 4)).shape
        torch.Size([1, 8, 4, 4])
    """

    def __init__(self, channels: int, inverse: bool = False) -> None:
        super().__init__()
        check_integers(1, channels=channels)
        self.channels = channels
        self.inverse = inverse
        self.beta_root = nn.Parameter((torch.ones(channels) + _PEDESTAL).sqrt())
        self.gamma_root = nn.Parameter((0.1 * torch.eye(channels) + _PEDESTAL).sqrt())

    @property
    def beta(self) -> Tensor:
        """What each norm has in any case, ``(channels,)``."""
        return bound(self.beta_root, (_LEAST_BETA + _PEDESTAL) ** 0.5).square() - _PEDESTAL

    @property
    def gamma(self) -> Tensor:
        """Weight of each square in each norm, ``(channels, channels)``."""
        return bound(self.gamma_root, _PEDESTAL**0.5).square() - _PEDESTAL

    def forward(self, x: Tensor) -> Tensor:
        """Values ``(N, channels, *grid)`` normalized, of the same shape; a grid has any number of axes."""
        squares = F.conv1d(x.square().flatten(2), self.gamma[..., None], self.beta).view_as(x)
        return x * squares.sqrt() if self.inverse else x * squares.rsqrt()

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.channels}, inverse={self.inverse}"
