"""Augmentation of codes of JPEG that changes the size of images."""

import torch
from torch import Tensor

from lossy_lightning.augmentation.jpeg._blocks import StepsAugmentation, saturate
from lossy_lightning.augmentation.jpeg.geometry import random_places, take_part
from lossy_lightning.core import Field, InputError
from lossy_lightning.core.arguments import check_numbers
from lossy_lightning.functional import double_blocks, halve_blocks, round_half_away


class MCUZoom(StepsAugmentation):
    """Doubles a part of some images, a quarter of their area, and halves others, which grey then surrounds.

    Blocks are converted without decoding: doubling repeats each sample, halving averages two by two along each axis,
    both exact up to the rounding of levels to quantization steps. The part, and the place of what is halved, are drawn
    at random, at whole MCUs. If the grid is odd, the last row or column is left out of what is halved, and half of an
    MCU of what is doubled.

    It takes all codes of 8 x 8 blocks of DCT coefficients whose zero is grey; constant fields, such as tables, stay.

    Args:
        enlarge_probability: That a part is doubled.
        reduce_probability: That the image is halved.

    Raises:
        ValueError: If the probabilities, or their sum, are not from 0 to 1.

    Source: as `halve_blocks`; Park, Johnson, RGB no more, CVPR 2023, section 4 (resizing by sub-block conversion).

    Example:
        >>> from lossy_lightning.codecs import JPEG
        >>> zoom = MCUZoom(enlarge_probability=0.5, reduce_probability=0.5)
        >>> zoom.adapt([JPEG()], JPEG().spec((3, 32, 32)), None)
        >>> zoom(torch.zeros(4, 384, 2, 2, dtype=torch.int16)).shape
        torch.Size([4, 384, 2, 2])
    """

    moves_places = True

    def __init__(self, enlarge_probability: float = 0.25, reduce_probability: float = 0.25) -> None:
        super().__init__()
        check_numbers(0, 1, enlarge_probability=enlarge_probability, reduce_probability=reduce_probability)
        if enlarge_probability + reduce_probability > 1:
            raise InputError(
                "an image is enlarged, reduced or neither, so the probabilities are together at most 1; got "
                f"{enlarge_probability=} and {reduce_probability=}"
            )
        self.enlarge_probability = enlarge_probability
        self.reduce_probability = reduce_probability

    def augment(self, code: Tensor) -> Tensor:
        """Codes, some of them of another scale."""
        draw = torch.rand(len(code), device=code.device)
        enlarged, reduced = draw < self.enlarge_probability, draw >= 1 - self.reduce_probability
        out = code.clone()
        out[enlarged] = self.enlarged(code[enlarged])
        if min(code.shape[-2:]) > 1:
            out[reduced] = self.reduced(code[reduced])
        return out

    def enlarged(self, code: Tensor) -> Tensor:
        """A part of each code, doubled along both axes."""
        rows, columns = code.shape[-2:]
        half = -(-rows // 2), -(-columns // 2)
        part = take_part(code, random_places(code, half), half, self.spec)
        return self.resized(part, enlarge=True)[..., :rows, :columns]

    def reduced(self, code: Tensor) -> Tensor:
        """Each code, halved along both axes, somewhere in grey."""
        rows, columns = code.shape[-2:]
        small = self.resized(code[..., : rows // 2 * 2, : columns // 2 * 2], enlarge=False)
        # Where the larger starts in the smaller one: that many rows and columns before it.
        start = -random_places(code, (rows // 2, columns // 2))
        return take_part(small, start, (rows, columns), self.spec)

    def resized(self, code: Tensor, enlarge: bool) -> Tensor:
        """Codes of whole images that are doubled, or halved, along both axes."""
        resize = double_blocks if enlarge else halve_blocks

        def resized(field: Field, part: Tensor) -> Tensor:
            if field.constant:
                return part
            steps = self.steps_of(field, code).view(-1, 1, 1, 8, 8)
            blocks = torch.unflatten(part.movedim(1, -1), -1, (8, 8)) * steps
            levels = (resize(resize(blocks, 0), 1) / steps).flatten(-2).movedim(-1, 1)
            return saturate(field, round_half_away(levels)).to(code.dtype)

        parts = self.spec.split(code)
        return self.spec.join({field.name: resized(field, parts[field.name]) for field in self.spec.fields})

    def extra_repr(self) -> str:
        """The arguments."""
        return f"enlarge_probability={self.enlarge_probability}, reduce_probability={self.reduce_probability}"
