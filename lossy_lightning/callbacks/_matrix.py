"""A confusion matrix as a picture."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_DARK, _SIZE, _GAP = (33, 82, 143), 14, 6  # colour of a share of 1, letters and space between, pixels
_MOST_NAMED, _LONGEST, _SIDE = (
    40,
    16,
    640,
)  # classes that are named, letters of a name, pixels of a matrix without names


def matrix_picture(counts: Tensor, names: Sequence[str], title: str) -> Tensor:
    """Counts in cells whose colour is their share of the row: true classes down, predicted ones across.

    Args:
        counts: ``(classes, classes)``, integer.
        names: Of the classes; of more than 40 neither names nor counts are written.
        title: Stands above.

    Returns:
        ``(3, H, W)`` uint8.

    Example:
        >>> matrix_picture(torch.tensor([[3, 1], [0, 4]]), ["cat", "dog"], "test").shape[0]
        3
    """
    font = ImageFont.load_default(_SIZE)
    named = len(counts) <= _MOST_NAMED
    words = [_turned(_short(name), font) for name in names] if named else []
    cell = int(max(28, font.getlength(str(int(counts.max()))) + _GAP)) if named else max(2, _SIDE // len(counts))
    longest = max((word.height for word in words), default=0)
    left, top = _SIZE + 3 * _GAP + longest, 2 * (_SIZE + _GAP) + 2 * _GAP + longest
    words_end = max(left + int(font.getlength("predicted")), int(font.getlength(title)) + _GAP)
    end = max(left + cell * len(counts), words_end) + _GAP
    image = Image.new("RGB", (end, top + cell * len(counts) + _GAP), "white")
    draw = ImageDraw.Draw(image)
    draw.text((_GAP, _GAP), title, "black", font)
    draw.text((left, 2 * _GAP + _SIZE), "predicted", "black", font)
    image.paste(_turned("true", font), (_GAP, top))
    _cells(draw, counts, (left, top), cell, font if named else None)
    for place, word in enumerate(words):
        middle = place * cell + (cell - word.width) // 2
        image.paste(word, (left + middle, top - word.height - 2))
        flat = word.rotate(-90, expand=True)
        image.paste(flat, (left - flat.width - _GAP, top + middle))
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def _cells(draw: ImageDraw.ImageDraw, counts: Tensor, corner: tuple[int, int], cell: int, font: _Font | None) -> None:
    """Draw the cells, and write their counts if there is a font."""
    shares = counts / counts.sum(1, keepdim=True).clamp(min=1)
    for row, column in np.ndindex(*counts.shape):
        share, count = float(shares[row, column]), int(counts[row, column])
        x, y = corner[0] + column * cell, corner[1] + row * cell
        colour = tuple(round(255 + share * (dark - 255)) for dark in _DARK)
        draw.rectangle((x, y, x + cell - 1, y + cell - 1), colour, None if font is None else "#dddddd")
        if font is not None and count:
            draw.text((x + cell / 2, y + cell / 2), str(count), "white" if share > 0.5 else "black", font, "mm")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _turned(text: str, font: _Font) -> Image.Image:
    """A text that is read from below, black on white."""
    image = Image.new("RGB", (int(font.getlength(text)) + 2, _SIZE + 4), "white")
    ImageDraw.Draw(image).text((1, 0), text, "black", font)
    return image.rotate(90, expand=True)
