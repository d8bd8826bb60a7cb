"""A network that computes in whole numbers, so that any machine gets the same."""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossy_lightning.functional import bound

_WEIGHT = 127
_ACTIVATION = 255
_BITS = 16  # of the multipliers


class IntegerNetwork(nn.Module):
    """Indices from integers, by transposed convolutions of 8-bit weights and activations.

    Weights are whole multiples of a step of their channel, a step is a whole multiple of 2^-16, activations are whole
    numbers from 0 to 255. All sums stay below 2^53, so float64 holds each exactly: the order in which they are added,
    the batch, the threads and the processor make no difference. Gradients pass the roundings unchanged.

    Args:
        dim: Channels of the input.
        hidden: Channels behind each doubling of the grid but the last.
        out: Channels of the output.
        most: Greatest index.
        dimensions: Axes of the grid.

    Source:
        Ballé, Johnston and Minnen, Integer networks for data compression with latent-variable models, ICLR 2019.
    """

    def __init__(self, dim: int, hidden: Sequence[int], out: int, most: int, dimensions: int) -> None:
        super().__init__()
        kind = (nn.ConvTranspose1d, nn.ConvTranspose2d)[dimensions - 1]
        sizes = zip([dim, *hidden], [*hidden, out], strict=True)
        self.layers = nn.ModuleList(kind(width, following, 5, 2, 2, 1) for width, following in sizes)
        self.limits = [_ACTIVATION] * len(hidden) + [most]
        for layer, start in zip(self.layers, [8.0] * len(hidden) + [most / 3], strict=True):
            nn.init.constant_(cast(Tensor, layer.bias), start)

    def forward(self, values: Tensor) -> Tensor:
        """Indices ``(N, out, *grid * stride)`` float64, whole, of integers ``(N, dim, *grid)``."""
        x = values.double()
        for layer, limit in zip(self.layers, self.limits, strict=True):
            x = bound(self._layer(layer, x), 0, limit)
        return x

    def _layer(self, layer: nn.Module, x: Tensor) -> Tensor:
        weight, bias = cast(Tensor, layer.weight).double(), cast(Tensor, layer.bias).double()
        channels = (1, -1) + (1,) * (weight.ndim - 2)
        step = weight.detach().abs().amax((0, *range(2, weight.ndim))).clamp(min=2.0**-_BITS) / _WEIGHT
        multiplier = (step * 2**_BITS).ceil().clamp(min=1)  # whole; rounded up, so that no weight exceeds 127 steps
        real_step = (multiplier / 2**_BITS).view(channels)
        whole = _rounded(weight / real_step) * real_step  # its multiples of 2^-16 keep every product and sum exact
        convolution = F.conv_transpose1d if weight.ndim == 3 else F.conv_transpose2d
        return _rounded(convolution(x, whole, _rounded(bias * 2**_BITS) / 2**_BITS, 2, 2, 1))


def _rounded(x: Tensor) -> Tensor:
    """To whole numbers, ties up, as integers do by adding a half and shifting; the gradient passes."""
    return x + (torch.floor(x + 0.5) - x).detach()
