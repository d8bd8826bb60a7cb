"""Augmentations of codes of JPEG that change levels: brightness, contrast, missing frequencies, size."""

import torch
from torch import Tensor

from lossy_lightning.augmentation._draws import check_shares
from lossy_lightning.augmentation.jpeg.geometry import (
    CodeAugmentation,
    random_places,
    rounded,
    take_part,
)
from lossy_lightning.functional import MCULayout, double_blocks, halve_blocks, stack_mcus, unstack_mcus


class CoefficientBrightness(CodeAugmentation):
    """Adds a number to all samples of red, green and blue, which is to add it to luma: only means change.

    Exact up to the quantization step of luma's mean: a step ``q`` moves samples by ``q / 8``, and whole steps are
    added. Samples that leave 0 to 255 are clipped by decoders, not in the code.

    Args:
        chroma_subsampling: Of the codes, as of `JPEG`.
        most: Greatest number added or taken away, in sample values of 0 to 255.

    Raises:
        ValueError: Where the subsampling is unknown, or the number negative.

    Source: Park, Johnson, RGB no more, CVPR 2023, section 4.
    """

    def __init__(self, chroma_subsampling: str = "4:2:0", most: float = 32.0) -> None:
        super().__init__(chroma_subsampling)
        if most < 0:
            raise ValueError(f"most is at least 0; got {most}")
        self.most = most

    def augment(self, code: Tensor, layout: MCULayout) -> Tensor:
        """Brighter or darker codes."""
        amount = torch.empty(len(code), device=code.device).uniform_(-self.most, self.most)
        whole = rounded(8 * amount / self.steps_of(code, layout)[:, 0, 0]).to(code.dtype)
        means = slice(0, 64 * layout.luma_blocks, 64)
        code = code.clone()
        code[:, means] = self.saturate(code[:, means] + whole.view(-1, 1, 1, 1))
        return code

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.chroma_subsampling!r}, most={self.most}"


class CoefficientContrast(CodeAugmentation):
    """Multiplies all levels by a number, which is to multiply each sample's distance from mid-grey, 128, by it.

    Exact up to the rounding of levels. Samples that leave 0 to 255 are clipped by decoders, not in the code.

    Args:
        chroma_subsampling: Of the codes, as of `JPEG`.
        most: The number is from ``1 - most`` to ``1 + most``.

    Raises:
        ValueError: Where the subsampling is unknown, or ``most`` not from 0 to 1.

    Source: as `CoefficientBrightness`.
    """

    def __init__(self, chroma_subsampling: str = "4:2:0", most: float = 0.25) -> None:
        super().__init__(chroma_subsampling)
        check_shares(most=most)
        self.most = most

    def augment(self, code: Tensor, layout: MCULayout) -> Tensor:
        """Codes of more or less contrast."""
        factor = 1 + torch.empty(len(code), 1, 1, 1, device=code.device).uniform_(-self.most, self.most)
        split = 64 * len(layout.block_components)
        levels = self.saturate(rounded(code[:, :split] * factor)).to(code.dtype)
        return torch.cat([levels, code[:, split:]], 1) if layout.has_tables else levels

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.chroma_subsampling!r}, most={self.most}"


class FrequencyDropout(CodeAugmentation):
    """Sets frequencies to zero, each with a probability, in all blocks of an example; never the mean.

    Args:
        chroma_subsampling: Of the codes, as of `JPEG`.
        probability: That a frequency is dropped.

    Raises:
        ValueError: Where the subsampling is unknown, or the probability none.

    Source: Park, Johnson, RGB no more, CVPR 2023, section 4.
    """

    def __init__(self, chroma_subsampling: str = "4:2:0", probability: float = 0.1) -> None:
        super().__init__(chroma_subsampling)
        check_shares(probability=probability)
        self.probability = probability

    def augment(self, code: Tensor, layout: MCULayout) -> Tensor:
        """Codes without some frequencies."""
        kept = torch.rand(len(code), 64, device=code.device) >= self.probability
        kept[:, 0] = True
        blocks = len(layout.block_components)
        levels = kept.repeat(1, blocks)
        tables = kept.new_ones(len(code), code.shape[1] - 64 * blocks)
        return code * torch.cat([levels, tables], 1)[..., None, None]

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.chroma_subsampling!r}, probability={self.probability}"


class MCUZoom(CodeAugmentation):
    """Doubles a part of some images, a quarter of their area, and halves others, which grey then surrounds.

    Blocks are converted without decoding: doubling repeats each sample, halving averages two by two along each axis,
    both exact up to the rounding of levels to quantization steps. The part, and the place of what is halved, are drawn
    at random, at whole MCUs. Where the grid is odd, the last row or column is left out of what is halved, and half of
    an MCU of what is doubled.

    Args:
        chroma_subsampling: Of the codes, as of `JPEG`.
        enlarge: Probability that a part is doubled.
        reduce: Probability that the image is halved.

    Raises:
        ValueError: Where the subsampling is unknown, or the probabilities are none or add up to more than 1.

    Source: as `halve_blocks`; Park, Johnson, RGB no more, CVPR 2023, section 4 (resizing by sub-block conversion).
    """

    def __init__(self, chroma_subsampling: str = "4:2:0", enlarge: float = 0.25, reduce: float = 0.25) -> None:
        super().__init__(chroma_subsampling)
        check_shares(enlarge=enlarge, reduce=reduce, sum=enlarge + reduce)
        self.enlarge, self.reduce = enlarge, reduce

    def augment(self, code: Tensor, layout: MCULayout) -> Tensor:
        """Codes, some of them of another scale."""
        draw = torch.rand(len(code), device=code.device)
        enlarged, reduced = draw < self.enlarge, draw >= 1 - self.reduce
        out = code.clone()
        out[enlarged] = self.enlarged(code[enlarged], layout)
        if min(code.shape[-2:]) > 1:
            out[reduced] = self.reduced(code[reduced], layout)
        return out

    def enlarged(self, code: Tensor, layout: MCULayout) -> Tensor:
        """A part of each code, doubled along both axes."""
        rows, columns = code.shape[-2:]
        half = -(-rows // 2), -(-columns // 2)
        part = take_part(code, layout, random_places(code, half), half)
        return self._resized(part, layout, enlarge=True)[..., :rows, :columns]

    def reduced(self, code: Tensor, layout: MCULayout) -> Tensor:
        """Each code, halved along both axes, somewhere in grey."""
        rows, columns = code.shape[-2:]
        small = self._resized(code[..., : rows // 2 * 2, : columns // 2 * 2], layout, enlarge=False)
        # Where the larger starts in the smaller one: that many rows and columns before it.
        start = -random_places(code, (rows // 2, columns // 2))
        return take_part(small, layout, start, (rows, columns))

    def _resized(self, code: Tensor, layout: MCULayout, enlarge: bool) -> Tensor:
        steps = torch.unflatten(self.steps_of(code, layout)[:, :, None, None], -1, (8, 8))
        split = 64 * len(layout.block_components)
        resize = double_blocks if enlarge else halve_blocks
        levels = []
        for i, component in enumerate(unstack_mcus(code[:, :split], layout.factors)):
            values = resize(resize(component * steps[:, i], 0), 1)
            levels.append(self.saturate(rounded(values / steps[:, i])).to(code.dtype))
        stacked = stack_mcus(levels, layout.factors)
        if not layout.has_tables:
            return stacked
        tables = code[:, split:, :1, :1].expand(-1, -1, *stacked.shape[-2:])
        return torch.cat([stacked, tables], 1)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.chroma_subsampling!r}, enlarge={self.enlarge}, reduce={self.reduce}"
