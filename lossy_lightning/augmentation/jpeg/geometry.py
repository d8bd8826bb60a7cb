"""Augmentations of codes of JPEG that move blocks, for the ``augmentation`` of a datamodule: on the batch's device."""

from collections.abc import Sequence

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from lossy_lightning.augmentation._draws import choose
from lossy_lightning.augmentation.jpeg._blocks import BlockAugmentation, StepsAugmentation
from lossy_lightning.core import Codec, CodeSpec, CodeStatistics, Field, InputError
from lossy_lightning.core.arguments import check_integers, check_numbers
from lossy_lightning.functional import round_half_away, transpose_blocks


class MCUFlip(BlockAugmentation):
    """Flips each image left and right, up and down, or both ways, each with a probability.

    Exact: no level is rounded, and in exact arithmetic the flipped code decodes to the flipped image. libjpeg's
    integers agree to the bit if top and bottom change, except for 4:4:0. From left to right it rounds halves up, so
    few samples in ten thousand differ by one, and interpolated chroma up and down by turns, so chroma may differ by
    one. What only fills the last MCUs comes to lie inside the image: use whole MCUs.

    It takes all codes of 8 x 8 blocks of DCT coefficients; constant fields, such as tables, stay.

    Args:
        horizontal_probability: That left and right change.
        vertical_probability: That top and bottom change.

    Raises:
        ValueError: If a probability is not from 0 to 1.

    Source: as `flip_blocks`; Park, Johnson, RGB no more, CVPR 2023, section 4.

    Example:
        >>> from lossy_lightning.codecs import JPEG
        >>> flip = MCUFlip(horizontal_probability=1)
        >>> flip.adapt([JPEG()], JPEG().spec((3, 32, 32)), None)
        >>> code = torch.randint(-9, 9, (4, 384, 2, 2), dtype=torch.int16)
        >>> torch.equal(flip(flip(code)), code)
        True
    """

    moves_places = True

    def __init__(self, horizontal_probability: float = 0.5, vertical_probability: float = 0.0) -> None:
        super().__init__()
        check_numbers(0, 1, horizontal_probability=horizontal_probability, vertical_probability=vertical_probability)
        self.horizontal_probability = horizontal_probability
        self.vertical_probability = vertical_probability

    def augment(self, code: Tensor) -> Tensor:
        """Flipped codes."""
        for axis, probability in ((-1, self.horizontal_probability), (-2, self.vertical_probability)):
            if probability > 0:
                chosen = torch.rand(len(code), device=code.device) < probability
                code = choose(chosen, self.saturated(self.flipped(code, axis)), code)
        return code

    def extra_repr(self) -> str:
        """The arguments."""
        return f"horizontal_probability={self.horizontal_probability}, vertical_probability={self.vertical_probability}"


class MCUTurn(StepsAugmentation):
    """Turns each image by 0, 90, 180 or 270 degrees, all alike probable.

    Exact if codes are dequantized or carry their tables, which turn too. Levels alone must keep the meaning that the
    codec's tables give them; if these are not symmetric, such as the standard's for luma, levels turned by 90 degrees
    are rounded to the other table's steps. Decoded samples may differ by a unit of rounding, since libjpeg transforms
    columns before rows.

    It takes codes of square images whose fields have as many cells along rows as along columns, such as 4:4:4 and
    4:2:0.

    Source: as `MCUFlip`.

    Example:
        >>> from lossy_lightning.codecs import JPEG
        >>> turn = MCUTurn()
        >>> turn.adapt([JPEG()], JPEG().spec((3, 32, 32)), None)
        >>> turn(torch.zeros(4, 384, 2, 2, dtype=torch.int16)).shape
        torch.Size([4, 384, 2, 2])
    """

    def adapt(self, codecs: Sequence[Codec], spec: CodeSpec, statistics: CodeStatistics) -> None:
        """Take over the fields, their ranges and their quantization steps.

        Raises:
            MisconfigurationException: If a field is not made of blocks, has other cells along rows than along columns,
                or has no steps that hold for all examples.
        """
        super().adapt(codecs, spec, statistics)
        for field in self.levels:
            if len({*field.cells}) > 1:
                raise MisconfigurationException(
                    "MCUTurn takes codes that keep their fields when rows and columns change places, such as 4:4:4 and "
                    f"4:2:0; field {field.name!r} of {list(codecs)} has cells {field.cells}: leave the augmentation out"
                )
        own = [field for field in self.levels if field.steps_from is None]
        steps = {field.name: self.own_steps(field).view(8, 8) for field in own}
        self._rescaled = [name for name, table in steps.items() if not torch.equal(table, table.T)]

    def augment(self, code: Tensor) -> Tensor:
        """Turned codes.

        Raises:
            ValueError: If the images are not square.
        """
        if code.shape[-1] != code.shape[-2]:
            raise InputError(f"MCUTurn takes square images; got a grid of {tuple(code.shape[-2:])} MCUs")
        turns = torch.randint(4, (len(code),), device=code.device)
        code = choose(turns % 2 == 1, self.by_cells(code, torch.t, self.transposed), code)
        code = choose((turns == 1) | (turns == 2), self.flipped(code, -2), code)
        code = choose(turns >= 2, self.flipped(code, -1), code)
        # Only now: a level that leaves the range may come back by a second flip.
        return self.saturated(code)

    def transposed(self, field: Field, blocks: Tensor) -> Tensor:
        """Levels of the transposed images ``(N, 64, columns, rows)``, by the steps that they will be read with."""
        if blocks.shape[1] != 64:
            return blocks
        blocks = transpose_blocks(blocks)
        if field.constant or field.name not in self._rescaled:
            return blocks
        steps = self.own_steps(field).view(64, 1, 1)
        limit = torch.iinfo(blocks.dtype).max
        return round_half_away(blocks * (transpose_blocks(steps) / steps)).clamp_(-limit, limit).to(blocks.dtype)


class MCUShift(BlockAugmentation):
    """Moves each image by whole MCUs, up to a number along each axis; what comes in is grey, zero levels.

    Exact: no level changes, and a decoder makes the moved image of it, but for chroma interpolated at a new edge.

    It takes all codes of 8 x 8 blocks whose zero is grey; constant fields, such as tables, stay.

    Args:
        max_mcus: Greatest move along each axis, in positions of the code's grid.

    Raises:
        ValueError: If the move is negative.

    Example:
        >>> from lossy_lightning.codecs import JPEG
        >>> shift = MCUShift(max_mcus=1)
        >>> shift.adapt([JPEG()], JPEG().spec((3, 32, 32)), None)
        >>> shift(torch.ones(4, 384, 2, 2, dtype=torch.int16)).shape
        torch.Size([4, 384, 2, 2])
    """

    moves_places = True

    def __init__(self, max_mcus: int = 1) -> None:
        super().__init__()
        check_integers(0, max_mcus=max_mcus)
        self.max_mcus = max_mcus

    def augment(self, code: Tensor) -> Tensor:
        """Moved codes."""
        start = torch.randint(-self.max_mcus, self.max_mcus + 1, (2, len(code)), device=code.device)
        return take_part(code, start, (code.shape[-2], code.shape[-1]), self.spec)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"max_mcus={self.max_mcus}"


def random_places(code: Tensor, size: tuple[int, int]) -> Tensor:
    """Where a part of each code starts, uniform over the places where it fits: ``(2, N)``."""
    free = [whole - part + 1 for whole, part in zip(code.shape[-2:], size, strict=True)]
    return torch.stack([torch.randint(count, (len(code),), device=code.device) for count in free])


def take_part(code: Tensor, start: Tensor, size: tuple[int, int], spec: CodeSpec) -> Tensor:
    """A part of each code, which may reach beyond it; levels there are zero, tables as everywhere.

    Args:
        code: ``(N, C, rows, columns)``.
        start: First row and column of each part, ``(2, N)``.
        size: Rows and columns of the parts.
        spec: Of the codes.
    """
    row, column = (
        s.view(-1, 1) + torch.arange(length, device=code.device) for s, length in zip(start, size, strict=True)
    )
    rows, columns = code.shape[-2:]
    example = torch.arange(len(code), device=code.device).view(-1, 1, 1)
    # Channels last, as a batch of files lies in memory: each MCU is one copy.
    units = code.movedim(1, -1)[example, row.clamp(0, rows - 1).unsqueeze(2), column.clamp(0, columns - 1).unsqueeze(1)]
    part = units.movedim(-1, 1)
    inside = ((row >= 0) & (row < rows)).unsqueeze(2) & ((column >= 0) & (column < columns)).unsqueeze(1)
    inside = inside.unsqueeze(1).to(code.dtype)
    for field in spec.fields:
        if not field.constant:
            spec.narrow(part, field.name).mul_(inside)
    return part
