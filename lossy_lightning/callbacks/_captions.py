"""Pictures under their captions."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

_LEAST_WIDTH, _MARGIN = 176, 4  # pixels


def captioned(pictures: Sequence[tuple[str, Tensor]], vertical: bool = False) -> Tensor:
    """Pictures beside each other, or one above the other, each under its caption; small ones are enlarged.

    Args:
        pictures: Captions, whose lines are few words each, and images ``(1 or 3, H, W)`` uint8.
        vertical: Whether they stand one above the other.

    Returns:
        ``(3, H, W)`` uint8; a pixel of all pictures is a square of the same size.

    Example:
        >>> captioned([("original", torch.zeros(1, 88, 88, dtype=torch.uint8))]).shape
        torch.Size([3, 196, 176])
    """
    narrowest = min(picture.shape[-1] for _, picture in pictures)
    scale = -(-_LEAST_WIDTH // narrowest)
    size = max(12, scale * narrowest // 16)
    height = max(text.count("\n") + 1 for text, _ in pictures) * (size + 2) + 2 * _MARGIN - 2
    parts = []
    for text, picture in pictures:
        large = picture.expand(3, -1, -1).repeat_interleave(scale, 1).repeat_interleave(scale, 2)
        parts.append(torch.cat([_caption(text, size, height, large.shape[-1]), large], 1))
    return torch.cat(parts, 1 if vertical else 2)


def _caption(text: str, size: int, height: int, width: int) -> Tensor:
    """A text of a size, black on white, ``(3, height, width)`` uint8."""
    image = Image.new("RGB", (width, height), "white")
    font = ImageFont.load_default(size)
    ImageDraw.Draw(image).multiline_text((_MARGIN, _MARGIN - 2), text, fill="black", font=font, spacing=2)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)
