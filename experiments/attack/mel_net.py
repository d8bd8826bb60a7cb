"""A network on samples of sound: mel bands, their logarithms, and convolutions over time."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import register_flop_formula

from lossy_lightning.core import FeatureShape
from lossy_lightning.functional import mel_bands
from lossy_lightning.nn import SequenceNet

WINDOW, UNIT = 1152, 2**15
RATE, HIGHEST = 16_000, 7000.0


@register_flop_formula(torch.ops.aten._fft_r2c)
def _fourier_flops(*_: object, **__: object) -> int:
    return 0  # as Fourier transforms count in encoders


class MelNet(nn.Module):
    """Log-mel spectrogram in windows as long as long blocks of MP3, and `SequenceNet`, as `SpectralBands` is of levels.

    Args:
        shape: Of the features, ``(1, samples)``, from -1 to 1 at 16 kHz.
        num_classes: Number of outputs.
        hop: Samples from one window to the next.
        bands: Of the spectrogram.
        channels: Of `SequenceNet`.
        strides: Of `SequenceNet`.
        kernel_size: Of `SequenceNet`.
    """

    hann: Tensor
    weights: Tensor

    def __init__(
        self,
        shape: FeatureShape,
        num_classes: int,
        hop: int = 576,
        bands: int = 64,
        channels: Sequence[int] = (96, 96, 128, 160, 160),
        strides: Sequence[int] = (1, 1, 2, 1, 1),
        kernel_size: int = 5,
    ) -> None:
        super().__init__()
        self.register_buffer("hann", torch.hann_window(WINDOW), persistent=False)
        hertz = torch.linspace(0, RATE / 2, WINDOW // 2 + 1)
        self.register_buffer("weights", mel_bands(hertz, bands, HIGHEST), persistent=False)
        self.hop = hop
        frames = 1 + (int(shape[1]) - WINDOW) // hop  # type: ignore[call-overload, index]
        self.net = SequenceNet((bands, frames), num_classes, channels, strides, kernel_size)

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` of ``(N, 1, samples)``."""
        with torch.autocast(features.device.type, enabled=False):  # there is no FFT of half precision
            frames = (features.float().squeeze(1) * UNIT).unfold(-1, WINDOW, self.hop) * self.hann
            power = torch.view_as_real(torch.fft.rfft(frames)).square().sum(-1)
            logs = (power @ self.weights.T).log1p().mT
        answer: Tensor = self.net(logs)
        return answer
