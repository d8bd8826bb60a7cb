"""Bands of frequencies as wide as hearing resolves."""

import torch
from torch import Tensor


def mel_bands(hertz: Tensor, bands: int, highest: float) -> Tensor:
    """Weight of each frequency in each band: triangles from 0 Hz on, whose centres are even on the mel scale.

    Args:
        hertz: The frequencies, ``(frequencies,)``.
        bands: Number of bands.
        highest: Upper end of the last band, in Hz.

    Returns:
        ``(bands, frequencies)`` float32, from 0 to 1; a band that is narrower than the frequencies are apart may have
        no weight.

    Source:
        O'Shaughnessy, Speech Communication, 1987 (the mel scale, ``2595 log10(1 + f / 700)``).

    Example:
        >>> mel_bands(torch.tensor([0.0, 1000, 2000, 3000]), 2, 4000.0).round(decimals=2)
        tensor([[0.0000, 0.6800, 0.0000, 0.0000],
                [0.0000, 0.3200, 0.9100, 0.4500]])
    """
    hertz = hertz.double()
    top = 2595 * torch.log10(torch.tensor(1 + highest / 700, dtype=torch.float64))
    corners = 700 * (10 ** (torch.linspace(0, 1, bands + 2, dtype=torch.float64) * top / 2595) - 1)
    low, centre, high = (corners[i : i + bands, None] for i in range(3))
    rising, falling = (hertz - low) / (centre - low), (high - hertz) / (high - centre)
    return torch.minimum(rising, falling).clamp(min=0).float()
