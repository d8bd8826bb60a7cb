"""How the arms of the study read files: libjpeg's scaled decoding, frequencies unfolded, images moved."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from experiments.smaller import Smaller
from lossy_lightning.augmentation import PixelFlip, PixelShift
from lossy_lightning.augmentation._adapted import Adapted
from lossy_lightning.codecs import JPEG
from lossy_lightning.core import Codec, CodeSpec, CodeStatistics
from lossy_lightning.functional import idct, ycbcr_to_rgb
from lossy_lightning.nn.stems._coefficients import CoefficientStem


class Scaled(Smaller):
    """Pixels of JPEG 4:4:4 files at 1/2 or 1/4 of their size, as libjpeg decodes them: means of squares, before RGB.

    Args:
        quality: Of the files.
        factor: Side of the square, 2 or 4.
    """

    idempotent = False

    def __init__(self, quality: int, factor: int) -> None:
        super().__init__(factor)
        self.quality = quality
        self._jpeg = JPEG(quality, "4:4:4", dequantize=True)

    def encode(self, signal: Tensor) -> Tensor:
        """Pixels ``(..., 3, H / factor, W / factor)`` uint8 of images; they may differ by one from libjpeg's."""
        samples = images(self._jpeg.encode(signal).view(-1, 192, *(side // 8 for side in signal.shape[-2:])).float())
        ycbcr = (F.avg_pool2d(samples, self.factor) + 128).round().clamp(0, 255)
        rgb = ycbcr_to_rgb(ycbcr).round().clamp(0, 255).to(torch.uint8)
        return rgb.view(*signal.shape[:-2], *rgb.shape[-2:])


def images(coefficients: Tensor, size: int = 8) -> Tensor:
    """Images ``(N, C, size * rows, size * columns)`` of the lowest frequencies of ``(N, 64 * C, rows, columns)``.

    Two products of matrices for each block; samples are less 128.
    """
    count, channels, rows, columns = coefficients.shape
    blocks = coefficients.view(count, -1, 8, 8, rows, columns)[:, :, :size, :size]
    samples = idct(blocks.permute(0, 1, 4, 5, 2, 3) * (size / 8))  # (N, C, rows, columns, size, size)
    return samples.transpose(3, 4).reshape(count, channels // 64, size * rows, size * columns)


class Unfolded(CoefficientStem):
    """Coefficients of JPEG 4:4:4, the lowest of each block, as the image that they are: YCbCr, less 128, over 128.

    Nothing is rounded, and nothing trained.

    Args:
        spec: Of the code.
        size: Frequencies along each axis of a block that are read, and samples that become of it: 8, 4 or 2.
        patch: Side of the squares of samples that become channels.
    """

    def __init__(self, spec: CodeSpec, size: int = 8, patch: int = 1) -> None:
        super().__init__(spec)
        self.size = size
        self.patch = patch
        sides = (None if side is None else side * size // patch for side in spec.grid)
        self.shape = (len(self.blocks) * patch**2, *sides)

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Features of a code, and their own sizes if it is padded."""
        with torch.autocast(code.device.type, enabled=False):
            features = images(torch.cat(self.coefficients(code), 1) / 128, self.size)
        features = F.pixel_unshuffle(features, self.patch)
        return features if grid_size is None else (features, grid_size * self.size // self.patch)


class Moved(Adapted):
    """Codes decoded, the images flipped and moved as pixels are, and encoded again.

    Args:
        max_pixels: Greatest move to either side.
    """

    moves_places = True

    def __init__(self, max_pixels: int) -> None:
        super().__init__()
        self.flip = PixelFlip()
        self.shift = PixelShift(max_pixels)
        self._codecs: list[Codec] = []

    def adapt(self, codecs: Sequence[Codec], spec: CodeSpec, statistics: CodeStatistics) -> None:
        """Take over the one codec of all training examples."""
        super().adapt(codecs, spec, statistics)
        self._codecs = [*codecs]

    def augment(self, code: Tensor) -> Tensor:
        """Codes of the moved images."""
        (codec,) = self._codecs
        return codec.encode(self.shift(self.flip(codec.decode(code)))).to(code.dtype)
