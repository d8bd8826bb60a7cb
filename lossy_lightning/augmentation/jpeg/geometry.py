"""Augmentations of codes of JPEG that move blocks, for the ``augmentation`` of a datamodule: on the batch's device."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from lossy_lightning.augmentation._draws import check_shares, choose
from lossy_lightning.core import Codec, CodeStatistics
from lossy_lightning.functional import MCULayout, flip_mcus, mcu_layout, transpose_mcus


class CodeAugmentation(nn.Module, ABC):
    """What augmentations of JPEG codes ``(N, C, rows, columns)`` have in common: each example has its own draw.

    Args:
        chroma_subsampling: Of the codes, as of `JPEG`; unused for grey.
    """

    steps: Tensor

    def __init__(self, chroma_subsampling: str = "4:2:0") -> None:
        super().__init__()
        mcu_layout(64, chroma_subsampling)
        self.chroma_subsampling = chroma_subsampling
        self.range: tuple[int, int] | None = None
        self.dequantized = False
        self.register_buffer("steps", torch.ones(3, 64), persistent=False)

    def adapt(self, codec: Codec, statistics: CodeStatistics) -> None:
        """Take over the range of levels and the quantization tables.

        Raises:
            MisconfigurationException: Where the codec is no `JPEG`, or of another chroma subsampling.
        """
        theirs: Any = getattr(codec, "chroma_subsampling", None)
        if theirs != self.chroma_subsampling:
            raise MisconfigurationException(
                f"{type(self).__name__} augments codes of a JPEG codec with chroma_subsampling="
                f"{self.chroma_subsampling!r}; got {codec}: pass the codec's chroma_subsampling"
            )
        spec = codec.spec((1, None, None))
        self.range = spec.low[0], spec.high[0]
        steps = codec.steps()
        self.dequantized = spec.high[0] > 1023
        if steps is not None:
            self.steps = torch.stack([steps[name] for name in ("luma", "cb", "cr")]).to(self.steps.device)

    def forward(self, code: Tensor) -> Tensor:
        """The augmented codes, of the same dtype.

        Raises:
            MisconfigurationException: Where `adapt` was not called.
            ValueError: Where the codes have not the channels of that chroma subsampling.
        """
        if self.range is None:
            raise MisconfigurationException(
                f"{type(self).__name__} does not know the range of levels; hand it to a datamodule as augmentation, "
                "or call adapt(codec, statistics)"
            )
        if code.ndim != 4:
            raise ValueError(f"{type(self).__name__} takes codes (N, C, rows, columns); got {tuple(code.shape)}")
        return self.augment(code, mcu_layout(code.shape[1], self.chroma_subsampling))

    @abstractmethod
    def augment(self, code: Tensor, layout: MCULayout) -> Tensor:
        """Augmented codes."""

    def saturate(self, code: Tensor) -> Tensor:
        """Codes whose levels beyond the range are its ends; tables are within."""
        low, high = self.range or (0, 0)
        return code.clamp(low, high)

    def steps_of(self, code: Tensor, layout: MCULayout) -> Tensor:
        """Quantization steps of each example, ``(N or 1, components, 64)`` float32."""
        if self.dequantized or not layout.has_tables:
            return self.steps[: layout.components].unsqueeze(0)
        return torch.unflatten(code[:, 64 * len(layout.block_components) :, 0, 0].float(), 1, (-1, 64))


class MCUFlip(CodeAugmentation):
    """Flips each image left and right, up and down, or both ways, each with a probability.

    Exact: no level is rounded, and in exact arithmetic the flipped code decodes to the flipped image. libjpeg's
    integers agree to the bit where top and bottom change, except for 4:4:0. From left to right it rounds halves up, so
    that few samples in ten thousand differ by one, and interpolated chroma up and down by turns, so that chroma may
    differ by one. What only fills the last MCUs comes to lie inside the image: use whole MCUs.

    Args:
        chroma_subsampling: Of the codes, as of `JPEG`.
        horizontal: Probability that left and right are changed.
        vertical: Probability that top and bottom are changed.

    Raises:
        ValueError: Where the subsampling is unknown, or a probability is none.

    Source: as `flip_mcus`; Park, Johnson, RGB no more, CVPR 2023, section 4.

    Example:
        >>> from lossy_lightning.codecs import JPEG
        >>> flip = MCUFlip(horizontal=1)
        >>> flip.adapt(JPEG(), None)
        >>> code = torch.randint(-9, 9, (4, 384, 2, 2), dtype=torch.int16)
        >>> torch.equal(flip(flip(code)), code)
        True
    """

    def __init__(self, chroma_subsampling: str = "4:2:0", horizontal: float = 0.5, vertical: float = 0.0) -> None:
        super().__init__(chroma_subsampling)
        check_shares(horizontal=horizontal, vertical=vertical)
        self.horizontal, self.vertical = horizontal, vertical

    def augment(self, code: Tensor, layout: MCULayout) -> Tensor:
        """Flipped codes."""
        for axis, probability in ((-1, self.horizontal), (-2, self.vertical)):
            if probability > 0:
                chosen = torch.rand(len(code), device=code.device) < probability
                code = choose(chosen, self.saturate(flip_mcus(code, layout, axis)), code)
        return code

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.chroma_subsampling!r}, horizontal={self.horizontal}, vertical={self.vertical}"


class MCUTurn(CodeAugmentation):
    """Turns each image by 0, 90, 180 or 270 degrees, all alike probable.

    Exact where codes are dequantized or carry their tables, which turn too. Levels alone must keep the meaning that
    the codec's tables give them; where these are not symmetric, such as the standard's for luma, levels turned by 90
    degrees are rounded to the other table's steps. Decoded samples may differ by a unit of rounding, since libjpeg
    transforms columns before rows.

    Args:
        chroma_subsampling: Of the codes, ``"4:4:4"`` or ``"4:2:0"``; the images are square.

    Raises:
        ValueError: Where the subsampling is another.

    Source: as `MCUFlip`.
    """

    def __init__(self, chroma_subsampling: str = "4:2:0") -> None:
        super().__init__(chroma_subsampling)
        if chroma_subsampling not in ("4:4:4", "4:2:0"):
            raise ValueError(f"only codes of 4:4:4 and 4:2:0 keep their layout when turned; got {chroma_subsampling!r}")

    def augment(self, code: Tensor, layout: MCULayout) -> Tensor:
        """Turned codes."""
        turns = torch.randint(4, (len(code),), device=code.device)
        code = choose(turns % 2 == 1, self.transposed(code, layout), code)
        code = choose((turns == 1) | (turns == 2), flip_mcus(code, layout, -2), code)
        return self.saturate(choose(turns >= 2, flip_mcus(code, layout, -1), code))

    def transposed(self, code: Tensor, layout: MCULayout) -> Tensor:
        """Codes of the transposed images.

        Raises:
            ValueError: Where the images are not square.
        """
        if code.shape[-1] != code.shape[-2]:
            raise ValueError(f"MCUTurn takes square images; got a grid of {tuple(code.shape[-2:])} MCUs")
        turned = transpose_mcus(code, layout)
        if layout.has_tables:
            return turned
        steps = self.steps[: layout.components]
        ratio = steps.view(-1, 8, 8).mT.reshape(-1, 64) / steps
        return rounded(turned * ratio[list(layout.block_components)].view(-1, 1, 1)).to(code.dtype)


class MCUShift(CodeAugmentation):
    """Moves each image by whole MCUs, up to a number along each axis; what comes in is grey, zero levels.

    Exact: no level changes, and a decoder makes the moved image of it, but for chroma interpolated at a new edge.

    Args:
        chroma_subsampling: Of the codes, as of `JPEG`.
        max_mcus: Greatest move along each axis.

    Raises:
        ValueError: Where the subsampling is unknown, or the move negative.
    """

    def __init__(self, chroma_subsampling: str = "4:2:0", max_mcus: int = 1) -> None:
        super().__init__(chroma_subsampling)
        if max_mcus < 0:
            raise ValueError(f"max_mcus is at least 0; got {max_mcus}")
        self.max_mcus = max_mcus

    def augment(self, code: Tensor, layout: MCULayout) -> Tensor:
        """Moved codes."""
        start = torch.randint(-self.max_mcus, self.max_mcus + 1, (2, len(code)), device=code.device)
        return take_part(code, layout, start, (code.shape[-2], code.shape[-1]))

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.chroma_subsampling!r}, max_mcus={self.max_mcus}"


class MCUCrop(CodeAugmentation):
    """Takes a part of each image, of whole MCUs, at random.

    Exact, as `MCUShift`. Codes change their size, which the data sets of this package do not: `JPEGFolder` crops when
    it reads, and for images of one size take `MCUShift` or `MCUZoom`. This is for a loop of your own, and for a
    datamodule of your own whose ``codes`` are of one size though its spec leaves that open (None).

    Args:
        rows: MCUs of the part along its height.
        columns: The same along its width.
        chroma_subsampling: Of the codes, as of `JPEG`.

    Raises:
        ValueError: Where the subsampling is unknown, or a number is not positive.
    """

    def __init__(self, rows: int, columns: int, chroma_subsampling: str = "4:2:0") -> None:
        super().__init__(chroma_subsampling)
        if min(rows, columns) < 1:
            raise ValueError(f"a crop has 1 or more MCUs along each axis; got {rows=}, {columns=}")
        self.size = rows, columns

    def augment(self, code: Tensor, layout: MCULayout) -> Tensor:
        """Parts of codes.

        Raises:
            ValueError: Where the codes are smaller.
        """
        start = random_places(code, self.size)
        return take_part(code, layout, start, self.size)


def random_places(code: Tensor, size: tuple[int, int]) -> Tensor:
    """Where a part of each code starts, uniform over the places where it fits: ``(2, N)``.

    Raises:
        ValueError: Where it does not fit.
    """
    free = [whole - part + 1 for whole, part in zip(code.shape[-2:], size, strict=True)]
    if min(free) < 1:
        raise ValueError(f"a part of {size} MCUs does not fit into codes of {tuple(code.shape[-2:])}")
    return torch.stack([torch.randint(count, (len(code),), device=code.device) for count in free])


def take_part(code: Tensor, layout: MCULayout, start: Tensor, size: tuple[int, int]) -> Tensor:
    """A part of each code, which may reach beyond it; levels there are zero, tables as everywhere.

    Args:
        code: ``(N, C, rows, columns)``.
        layout: Of its channels.
        start: First row and column of each part, ``(2, N)``.
        size: Rows and columns of the parts.
    """
    row, column = (
        s.view(-1, 1) + torch.arange(length, device=code.device) for s, length in zip(start, size, strict=True)
    )
    rows, columns = code.shape[-2:]
    example = torch.arange(len(code), device=code.device).view(-1, 1, 1)
    # Channels last, as a batch of files lies in memory: each MCU is one copy.
    units = code.movedim(1, -1)[example, row.clamp(0, rows - 1).unsqueeze(2), column.clamp(0, columns - 1).unsqueeze(1)]
    inside = ((row >= 0) & (row < rows)).unsqueeze(2) & ((column >= 0) & (column < columns)).unsqueeze(1)
    units[..., : 64 * len(layout.block_components)] *= inside.unsqueeze(-1)
    return units.movedim(-1, 1)


def rounded(levels: Tensor) -> Tensor:
    """The nearest whole numbers, halves away from zero, as encoders round."""
    return (levels.abs() + 0.5).floor().copysign(levels)
