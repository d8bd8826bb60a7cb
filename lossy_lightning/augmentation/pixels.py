"""Augmentations of pixels, for experiments that compare pixels with codes."""

import math

import torch
from torch import Tensor, nn

from lossy_lightning.augmentation._draws import choose
from lossy_lightning.core import InputError
from lossy_lightning.core.arguments import check_integers, check_numbers


class PixelFlip(nn.Module):
    """Flips each image of a batch of pixels by a draw of its own, as `MCUFlip` does codes of JPEG.

    Args:
        horizontal_probability: That left and right change.
        vertical_probability: That top and bottom change.

    Raises:
        ValueError: If a probability is not from 0 to 1.

    Example:
        >>> PixelFlip(horizontal_probability=1)(torch.arange(3).view(1, 1, 1, 3)).flatten()
        tensor([2, 1, 0])
    """

    moves_places = True

    def __init__(self, horizontal_probability: float = 0.5, vertical_probability: float = 0.0) -> None:
        super().__init__()
        check_numbers(0, 1, horizontal_probability=horizontal_probability, vertical_probability=vertical_probability)
        self.horizontal_probability = horizontal_probability
        self.vertical_probability = vertical_probability

    def forward(self, code: Tensor) -> Tensor:
        """Flipped pixels ``(N, C, H, W)``."""
        for axis, probability in ((-1, self.horizontal_probability), (-2, self.vertical_probability)):
            if probability > 0:
                code = choose(torch.rand(len(code), device=code.device) < probability, code.flip(axis), code)
        return code

    def extra_repr(self) -> str:
        """The arguments."""
        return f"horizontal_probability={self.horizontal_probability}, vertical_probability={self.vertical_probability}"


class PixelShift(nn.Module):
    """Moves each image ``(N, channels, height, width)`` along both axes, by a number of pixels of its own.

    It is for codes that are pixels, those of `PCM`. Edges are repeated.

    Args:
        max_pixels: Greatest move to either side.

    Raises:
        ValueError: If that is negative.

    Example:
        >>> PixelShift(max_pixels=2)(torch.zeros(4, 1, 28, 28, dtype=torch.uint8)).shape
        torch.Size([4, 1, 28, 28])
    """

    moves_places = True

    def __init__(self, max_pixels: int) -> None:
        super().__init__()
        check_integers(0, max_pixels=max_pixels)
        self.max_pixels = max_pixels

    def forward(self, code: Tensor) -> Tensor:
        """Moved images.

        Raises:
            ValueError: If these are no images.
        """
        if code.ndim != 4:
            raise InputError(f"PixelShift takes images (N, channels, height, width); got {tuple(code.shape)}")
        for axis in (2, 3):
            ones = [1] * (code.ndim - 1)
            move = torch.randint(-self.max_pixels, self.max_pixels + 1, (len(code), *ones), device=code.device)
            places = torch.arange(code.shape[axis], device=code.device).view([-1 if i == axis else 1 for i in range(4)])
            code = code.gather(axis, (places - move).clamp(0, code.shape[axis] - 1).expand_as(code))
        return code

    def extra_repr(self) -> str:
        """The arguments."""
        return f"max_pixels={self.max_pixels}"


class PixelAffine(nn.Module):
    """Turns, scales and moves each image ``(N, channels, height, width)`` about its middle, by draws of its own.

    Each value is that of the nearest pixel, so that codes of few levels stay codes. It is for codes that are pixels,
    those of `PCM` and `Threshold`. Edges are repeated.

    Args:
        max_degrees: Greatest angle to either side.
        max_scale: Greatest change of size: the factor is from ``1 - max_scale`` to ``1 + max_scale``.
        max_pixels: Greatest move to either side along each axis; it need not be whole.

    Raises:
        ValueError: If a number is negative, an angle is above 180, or ``max_scale`` is 1 or more.

    Example:
        >>> PixelAffine(max_degrees=8, max_scale=0.1, max_pixels=1)(torch.zeros(4, 1, 28, 28, dtype=torch.uint8)).shape
        torch.Size([4, 1, 28, 28])
    """

    moves_places = True

    def __init__(self, max_degrees: float = 0.0, max_scale: float = 0.0, max_pixels: float = 0.0) -> None:
        super().__init__()
        check_numbers(0, 180, max_degrees=max_degrees)
        check_numbers(0, 0.99, max_scale=max_scale)
        check_numbers(0, max_pixels=max_pixels)
        self.max_degrees = max_degrees
        self.max_scale = max_scale
        self.max_pixels = max_pixels

    def forward(self, code: Tensor) -> Tensor:
        """Images of the same shape and dtype.

        Raises:
            ValueError: If these are no images.
        """
        if code.ndim != 4:
            raise InputError(f"PixelAffine takes images (N, channels, height, width); got {tuple(code.shape)}")
        height, width = code.shape[-2:]
        angle, scale, down, right = (2 * torch.rand(4, len(code), 1, 1, device=code.device) - 1).unbind()
        angle, scale = angle * math.radians(self.max_degrees), 1 / (1 + scale * self.max_scale)
        y = torch.arange(height, device=code.device).view(-1, 1) - (height - 1) / 2 - down * self.max_pixels
        x = torch.arange(width, device=code.device) - (width - 1) / 2 - right * self.max_pixels
        row = (scale * (angle.cos() * y - angle.sin() * x) + (height - 1) / 2).round().long().clamp(0, height - 1)
        column = (scale * (angle.sin() * y + angle.cos() * x) + (width - 1) / 2).round().long().clamp(0, width - 1)
        places = (row * width + column).flatten(1).unsqueeze(1).expand(-1, code.shape[1], -1)
        return code.flatten(2).gather(2, places).view_as(code)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"max_degrees={self.max_degrees}, max_scale={self.max_scale}, max_pixels={self.max_pixels}"
