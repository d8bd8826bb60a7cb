"""Linear analysis: a wavelet packet, one linear layer to few channels, and companding; a light decoder."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from lossy_lightning.core.arguments import check_integers
from lossy_lightning.functional import inverse_wavelet_packet, wavelet_packet
from lossy_lightning.nn.autoencoders._shapes import check_sizes, convolutions

_HIGH = 127.499  # rounded, 255 levels: 8 bits
_NEARLY_ALL = 0.9998


class WaveletEncoder(nn.Module):
    """Latents of a signal by one linear layer: ``(N, channels, *size)`` to ``(N, dim, *grid)``.

    A wavelet packet turns cells of ``2**levels`` samples along each axis into bands; one linear layer makes ``dim``
    numbers of them; the distribution function of the normal distribution compands these to -127.499 … 127.499, such
    that 8 bits are enough. A `Factorized` codec with ``exact=False`` encodes images of 1 megapixel in a twentieth of
    a second on one core; it has ``channels * 2**(levels * dimensions) * dim`` weights.

    Args:
        dim: Number of latents of a cell: 12 for cells of 8 by 8 pixels in colour are a 16th of the samples.
        levels: How often the packet splits.
        channels: Number of channels of the signal.
        dimensions: 1 for sounds, 2 for images.

    Raises:
        ValueError: If ``dimensions`` is neither, or a number is not whole or below 1.

    Source:
        Jacobellis and Yadwadkar, Learned compression for compressed learning (WaLLoC), DCC 2025.

    Example:
        >>> import torch
        >>> WaveletEncoder(dim=12)(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 12, 4, 4])
    """

    def __init__(self, dim: int, levels: int = 3, channels: int = 3, dimensions: int = 2) -> None:
        super().__init__()
        convolution, _ = convolutions(dimensions)
        check_integers(1, dim=dim, levels=levels, channels=channels)
        self.levels = levels
        self.stride = (2**levels,) * dimensions
        self.linear = convolution(channels << levels * dimensions, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Latents, not rounded."""
        latents: Tensor = self.linear(wavelet_packet(x, self.levels, len(self.stride)))
        return _HIGH * torch.erf(latents / 2**0.5)


class WaveletDecoder(nn.Module):
    """The counterpart of `WaveletEncoder`: expands latents, makes bands of them, and a signal of the bands.

    A linear layer makes bands of each cell's latents by themselves, a few convolutions on the coarse grid what
    neighbours add to them.

    Args:
        dim: Number of latents of a cell.
        hidden: Widths between the convolutions, of kernel 3 but for the last; empty for the linear layer alone.
        levels: How often the packet splits.
        channels: Number of channels of the signal.
        dimensions: 1 for sounds, 2 for images.

    Raises:
        ValueError: If ``dimensions`` is neither, or a number is not whole or below 1.

    Example:
        >>> import torch
        >>> WaveletDecoder(dim=12)(torch.zeros(1, 12, 4, 4)).shape
        torch.Size([1, 3, 32, 32])
    """

    def __init__(
        self, dim: int, hidden: Sequence[int] = (96, 96), levels: int = 3, channels: int = 3, dimensions: int = 2
    ) -> None:
        super().__init__()
        convolution, _ = convolutions(dimensions)
        check_sizes(dim, hidden, channels)
        check_integers(1, levels=levels)
        self.levels = levels
        self.dimensions = dimensions
        bands = channels << levels * dimensions
        self.linear = convolution(dim, bands, 1)
        layers: list[nn.Module] = []
        for width, following in pairwise([dim, *hidden]):
            layers += [convolution(width, following, 3, 1, 1), nn.ReLU()]
        self.neighbours = nn.Sequential(*layers, convolution(hidden[-1], bands, 1)) if hidden else None

    def forward(self, x: Tensor) -> Tensor:
        """Signal of latents ``(N, dim, *grid)``."""
        latents = 2**0.5 * torch.erfinv((x / _HIGH).clamp(-_NEARLY_ALL, _NEARLY_ALL))
        bands: Tensor = self.linear(latents)
        if self.neighbours is not None:
            bands = bands + self.neighbours(latents)
        return inverse_wavelet_packet(bands, self.levels, self.dimensions)
