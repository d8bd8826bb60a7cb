"""Images reduced in size: what people do who save computation."""

import torch
import torch.nn.functional as F
from torch import Tensor

from lossy_lightning.codecs import PCM
from lossy_lightning.core import Codec, CodeSpec


class Smaller(Codec):
    """Pixels of an image of a smaller size, each the mean of a square of the original's.

    Args:
        factor: Side of the square.
    """

    idempotent = True

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def encode(self, signal: Tensor) -> Tensor:
        """Means of squares, uint8."""
        return F.avg_pool2d(signal.float(), self.factor).round().to(torch.uint8)

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """An image of the original's size, by bilinear interpolation."""
        batch = code.float().view(-1, *code.shape[-3:])
        large = F.interpolate(batch, scale_factor=self.factor, mode="bilinear").round()
        return large.to(torch.uint8).view(*code.shape[:-2], *large.shape[-2:])

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """8-bit pixels."""
        channels, *size = shape
        return PCM().spec((channels, *(None if side is None else side // self.factor for side in size)))
