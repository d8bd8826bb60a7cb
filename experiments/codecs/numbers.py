"""Codecs of 192 numbers an image that need no training: smaller pixels, and linear maps of blocks.

Each has a decoder, as learned codecs have: a module that makes images in [-1, 1] of codes, nothing rounded.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from lossy_lightning.codecs import PCM
from lossy_lightning.core import Codec, CodeSpec
from lossy_lightning.functional import idct, rgb_to_ycbcr

IMAGE, SIDE = 32, 8
"""Sides of an image, and of a block; smaller images have as many pixels along each axis as a block."""
COUNT = 12
"""Numbers of a block."""
MOST = 127
_REACH = 4.0  # standard deviations that 8 bits span on either side


class _Numbers(Codec):
    """Numbers that a decoder makes an image of 32x32 of."""

    decoder: nn.Module

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """Images ``(..., 3, 32, 32)`` uint8."""
        image = self.decoder(code.reshape(-1, *code.shape[-3:]).float())
        rounded = (127.5 * image + 127.5).round().clamp(0, 255).to(torch.uint8)
        return rounded.view(*code.shape[:-3], *rounded.shape[1:])


class Enlarged(nn.Module):
    """Images of 32x32 by bicubic interpolation of 8x8, two products of matrices.

    Args:
        step: What codes are multiplied with to give pixels.
    """

    up: Tensor

    def __init__(self, step: float) -> None:
        super().__init__()
        self.step = step
        self.register_buffer("up", resampling("bicubic", SIDE, IMAGE))

    def forward(self, code: Tensor) -> Tensor:
        """``(N, 3, 8, 8)`` to ``(N, 3, 32, 32)``."""
        return self.up @ (code * (self.step / 127.5) - 1) @ self.up.T


class Resampled(_Numbers):
    """Pixels of an image of 32x32, made 8x8 by one of Pillow's resamplers.

    Args:
        resampler: "box", "bicubic" or "lanczos".
        step: Of the quantization; 1: the usual 8 bits.
    """

    idempotent = False

    def __init__(self, resampler: str, step: float = 1.0) -> None:
        self.resampler = resampler
        self.step = step
        self.decoder = Enlarged(step)
        self._down = resampling(resampler, IMAGE, SIDE)

    def encode(self, signal: Tensor) -> Tensor:
        """``(..., 3, 32, 32)`` uint8 to ``(..., 3, 8, 8)``."""
        small = (self._down @ signal.float() @ self._down.T).clamp(0, 255)
        return (small / self.step).round().to(self.spec(tuple(signal.shape[-3:])).dtype)

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """Levels from 0 on."""
        return CodeSpec.uniform((3, SIDE, SIDE), 0, round(255 / self.step), ordinal=True)


class Expanded(nn.Module):
    """Images of numbers of their blocks by one linear layer.

    Args:
        rows: What each number multiplies, of a block, ``(numbers, 192)``.
        mean: Of blocks, ``(192,)``.
    """

    rows: Tensor
    mean: Tensor

    def __init__(self, rows: Tensor, mean: Tensor) -> None:
        super().__init__()
        self.register_buffer("rows", (rows / 127.5).T[..., None, None].contiguous())
        self.register_buffer("mean", (mean / 127.5 - 1).view(-1, 1, 1))

    def forward(self, code: Tensor) -> Tensor:
        """``(N, numbers, 4, 4)`` to ``(N, 3, 32, 32)``."""
        return F.pixel_shuffle(F.conv2d(code, self.rows) + self.mean, SIDE)


class Projected(_Numbers):
    """Numbers of 8x8 blocks in colour: products with some directions, in 8 bits over four standard deviations.

    Args:
        directions: ``(numbers, 192)``.
        mean: Of blocks, ``(192,)``.
        units: Step of the quantization of each number.
        learned: Whether the directions were fitted to images.
    """

    idempotent = False

    decoder: Expanded

    def __init__(self, directions: Tensor, mean: Tensor, units: Tensor, learned: bool) -> None:
        self.directions = directions
        self.mean = mean
        self.units = units
        self.learned = learned
        self.decoder = Expanded(torch.linalg.pinv(directions.double()).float().T * units[:, None], mean)

    def encode(self, signal: Tensor) -> Tensor:
        """``(..., 3, 32, 32)`` uint8 to ``(..., numbers, 4, 4)`` int8."""
        blocks = F.pixel_unshuffle(signal.reshape(-1, *signal.shape[-3:]).float(), SIDE) - self.mean.view(-1, 1, 1)
        values = F.conv2d(blocks, (self.directions / self.units[:, None])[..., None, None])
        code = values.round().clamp(-MOST, MOST).to(torch.int8)
        return code.view(*signal.shape[:-3], *code.shape[1:])

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """Numbers from -127 to 127."""
        return CodeSpec.uniform((len(self.directions), IMAGE // SIDE, IMAGE // SIDE), -MOST, MOST, ordinal=True)


class Directions(nn.Module):
    """Numbers of 8x8 blocks whose directions are trained with the network that reads them, and an image of them.

    Rounding passes gradients on as they are.

    Args:
        start: Which directions training starts from.
    """

    mean: Tensor

    def __init__(self, start: Projected) -> None:
        super().__init__()
        self.register_buffer("mean", start.mean.view(-1, 1, 1))
        deviations = MOST / _REACH * start.units
        self.analysis = nn.Conv2d(len(start.mean), len(deviations), 1, bias=False)
        self.norm = nn.BatchNorm2d(len(deviations), affine=False)
        self.expansion = nn.Conv2d(len(deviations), len(start.mean), 1)
        with torch.no_grad():
            self.analysis.weight.copy_((127.5 * start.directions / deviations[:, None])[..., None, None])
            self.expansion.weight.copy_(start.decoder.rows * (MOST / _REACH))
            self.expansion.bias.copy_(start.mean / 127.5 - 1)  # type: ignore[union-attr]

    def forward(self, code: Tensor) -> Tensor:
        """``(N, 3, 32, 32)``, pixels, to images as large."""
        blocks = (F.pixel_unshuffle(code.float(), SIDE) - self.mean) / 127.5
        numbers = MOST / _REACH * self.norm(self.analysis(blocks))
        numbers = numbers + (numbers.round().clamp(-MOST, MOST) - numbers).detach()
        return F.pixel_shuffle(self.expansion(_REACH / MOST * numbers), SIDE)


class TrainedAlong(PCM):
    """Pixels, of which the network itself makes 192 numbers: its first part is what others have as a decoder.

    Args:
        start: Which numbers training starts from.
    """

    def __init__(self, start: Projected) -> None:
        super().__init__()
        self.decoder = Directions(start)


def strongest(images: Tensor) -> Projected:
    """The principal components of blocks of images ``(N, 3, 32, 32)`` that have most variance."""
    mean, covariance = _moments(images)
    directions = torch.linalg.eigh(covariance).eigenvectors.flip(1)[:, :COUNT].T
    return _projected(directions, mean, covariance, True)


def lowest(images: Tensor, counts: Sequence[int]) -> Projected:
    """The lowest frequencies of luma, Cb and Cr, so many of each; images say how far they reach."""
    mean, covariance = _moments(images)
    black = rgb_to_ycbcr(torch.zeros(3, 1, 1))
    colours = (rgb_to_ycbcr(torch.eye(3).view(3, 3, 1, 1)) - black).view(3, 3).T  # by component
    waves = idct(torch.eye(64, dtype=torch.float64).view(64, 8, 8)).view(64, 64)
    order = sorted(range(64), key=lambda number: ((number // 8) ** 2 + (number % 8) ** 2, number))
    found = [
        torch.outer(colour.double(), waves[number]).flatten()
        for colour, count in zip(colours, counts, strict=True)
        for number in order[:count]
    ]
    return _projected(torch.stack(found), mean, covariance, False)


def resampling(resampler: str, source: int, target: int) -> Tensor:
    """What one of Pillow's resamplers multiplies columns of samples with: ``(target, source)``."""
    columns = Image.fromarray(np.eye(source, dtype=np.float32))
    found = columns.resize((source, target), Image.Resampling[resampler.upper()])
    return torch.from_numpy(np.asarray(found).copy())


def _moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of blocks, float64."""
    total, products, count = torch.zeros(192).double(), torch.zeros(192, 192).double(), 0
    for part in images.split(1024):
        blocks = F.pixel_unshuffle(part.double(), SIDE).movedim(1, -1).reshape(-1, 192)
        total, products, count = total + blocks.sum(0), products + blocks.T @ blocks, count + len(blocks)
    mean = total / count
    return mean, products / count - torch.outer(mean, mean)


def _projected(directions: Tensor, mean: Tensor, covariance: Tensor, learned: bool) -> Projected:
    deviations = ((directions @ covariance) * directions).sum(1).clamp(min=1e-6).sqrt()
    return Projected(directions.float(), mean.float(), (_REACH / MOST * deviations).float(), learned)
