"""YAMNet's front end."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_WINDOW, _HOP, _FFT = 400, 160, 512  # samples
_BANDS, _LOW, _HIGH, _OFFSET = 64, 125.0, 7500.0, 0.001
_PATCH, _PATCH_HOP = 96, 48  # columns
_RATE = 16_000

#: Samples that a patch sees, and those from one patch to the next.
PATCH, PATCH_HOP = _WINDOW + (_PATCH - 1) * _HOP, _PATCH_HOP * _HOP


class LogMel(nn.Module):
    """Patches of a log-mel spectrogram: ``(N, samples)`` in [-1, 1] at 16 kHz to ``(N, patches, 96, 64)``.

    Magnitudes of 25 ms every 10 ms, by a periodic Hann window and 512 points, in 64 mel bands of 125 to 7 500 Hz,
    natural logarithm of them plus 0.001. A patch is 0.96 s, and another starts every 0.48 s. Zeros behind the end fill
    the last patch.

    Source: Plakal, Ellis, YAMNet, ``features.py`` and ``params.py`` of tensorflow/models.
    """

    window: Tensor
    points = _FFT

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(_WINDOW), persistent=False)
        self.bands = MelBands()

    def forward(self, signal: Tensor) -> Tensor:
        """Patches of signals."""
        length = signal.shape[-1]
        whole = PATCH + max(0, -(-(length - PATCH) // PATCH_HOP)) * PATCH_HOP
        columns = self.columns(F.pad(signal, (0, whole - length)).unfold(-1, _WINDOW, _HOP))
        return columns.unfold(1, _PATCH, _PATCH_HOP).transpose(2, 3)

    def columns(self, frames: Tensor) -> Tensor:
        """Logarithms of mel bands ``(..., 64)`` of frames ``(..., 400)``."""
        bands: Tensor = self.bands(torch.fft.rfft(frames * self.window, self.points).abs())
        return (bands + _OFFSET).log()


class MelBands(nn.Module):
    """Magnitudes ``(..., 257)`` in mel bands, ``(..., 64)``."""

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", _mel_matrix(), persistent=False)

    def forward(self, magnitudes: Tensor) -> Tensor:
        """Bands of magnitudes."""
        return magnitudes @ self.weight


def _mel_matrix() -> Tensor:
    """Weights ``(257, 64)`` of triangles that are straight in mel; the constant frequency has none.

    Source: TensorFlow, ``tf.signal.linear_to_mel_weight_matrix``.
    """

    def mel(frequency: Tensor) -> Tensor:
        return 1127.0 * torch.log1p(frequency / 700.0)

    bins = mel(torch.linspace(0, _RATE / 2, _FFT // 2 + 1, dtype=torch.float64)[1:, None])
    low, high = mel(torch.tensor([_LOW, _HIGH], dtype=torch.float64)).tolist()
    edges = torch.linspace(low, high, _BANDS + 2, dtype=torch.float64)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - lower) / (centre - lower), (upper - bins) / (upper - centre)
    return F.pad(torch.minimum(rising, falling).clamp(min=0), (0, 0, 1, 0)).float()
