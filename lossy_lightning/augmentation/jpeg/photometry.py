"""Augmentations of codes of JPEG that change levels where they are: brightness, contrast, missing frequencies."""

from collections.abc import Sequence

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from lossy_lightning.augmentation.jpeg._blocks import BlockAugmentation, StepsAugmentation, saturate
from lossy_lightning.core import Codec, CodeSpec, CodeStatistics, Field
from lossy_lightning.core.arguments import check_numbers
from lossy_lightning.functional import round_half_away


class CoefficientBrightness(StepsAugmentation):
    """Adds a number to all samples of red, green and blue, which is to add it to luma: only means change.

    Exact up to the quantization step of luma's mean: a step ``q`` moves samples by ``q / 8``, and whole steps are
    added. Samples that leave 0 to 255 are clipped by decoders, not in the code.

    It takes codes with a field "luma" of 8 x 8 blocks of orthonormal DCT coefficients, such as those of JPEG.

    Args:
        max_change: Greatest number added or taken away, in sample values of 0 to 255.

    Raises:
        ValueError: If the number is negative.

    Source: Park, Johnson, RGB no more, CVPR 2023, section 4.

    Example:
        >>> from lossy_lightning.codecs import JPEG
        >>> brightness = CoefficientBrightness(max_change=16)
        >>> brightness.adapt([JPEG()], JPEG().spec((3, 32, 32)), None)
        >>> code = torch.zeros(4, 384, 2, 2, dtype=torch.int16)
        >>> brightness(code)[:, 1:64].any()  # only means change
        tensor(False)
    """

    def __init__(self, max_change: float = 32.0) -> None:
        super().__init__()
        check_numbers(0, max_change=max_change)
        self.max_change = max_change

    def stepped(self, spec: CodeSpec) -> list[Field]:
        """Luma alone."""
        return [spec.field("luma")]

    def adapt(self, codecs: Sequence[Codec], spec: CodeSpec, statistics: CodeStatistics) -> None:
        """Take over luma's range and quantization steps.

        Raises:
            MisconfigurationException: If a field is not made of blocks, there is no luma, or it has no steps that hold
                for all examples.
        """
        names = [field.name for field in spec.fields]
        if "luma" not in names:
            raise MisconfigurationException(
                f"CoefficientBrightness changes the field 'luma', as codes of JPEG have; those of {list(codecs)} have "
                f"{names}: leave the augmentation out"
            )
        super().adapt(codecs, spec, statistics)

    def augment(self, code: Tensor) -> Tensor:
        """Brighter or darker codes."""
        amount = torch.empty(len(code), device=code.device).uniform_(-self.max_change, self.max_change)
        luma = self.spec.field("luma")
        whole = round_half_away(8 * amount / self.steps_of(luma, code)[:, 0]).to(code.dtype)
        code = code.clone()
        means = self.spec.narrow(code, "luma")[:, ::64]
        means += whole.view(-1, 1, 1, 1)
        means.clamp_(luma.low[0], luma.high[0])
        return code

    def extra_repr(self) -> str:
        """The arguments."""
        return f"max_change={self.max_change}"


class CoefficientContrast(BlockAugmentation):
    """Multiplies all levels by a number, which is to multiply each sample's distance from mid-grey, 128, by it.

    Exact up to the rounding of levels. Samples that leave 0 to 255 are clipped by decoders, not in the code.

    It takes all codes of 8 x 8 blocks whose zero is grey; constant fields, such as tables, stay.

    Args:
        max_change: The number is from ``1 - max_change`` to ``1 + max_change``.

    Raises:
        ValueError: If ``max_change`` is not from 0 to 1.

    Source: as `CoefficientBrightness`.

    Example:
        >>> from lossy_lightning.codecs import JPEG
        >>> contrast = CoefficientContrast(max_change=0.5)
        >>> contrast.adapt([JPEG()], JPEG().spec((3, 32, 32)), None)
        >>> changed = contrast(torch.full((4, 384, 2, 2), 8, dtype=torch.int16))
        >>> bool(((changed >= 4) & (changed <= 12)).all())
        True
    """

    def __init__(self, max_change: float = 0.25) -> None:
        super().__init__()
        check_numbers(0, 1, max_change=max_change)
        self.max_change = max_change

    def augment(self, code: Tensor) -> Tensor:
        """Codes of more or less contrast."""
        factor = 1 + torch.empty(len(code), 1, 1, 1, device=code.device).uniform_(-self.max_change, self.max_change)
        code = code.clone()
        for field in self.levels:
            levels = self.spec.narrow(code, field.name)
            levels.copy_(saturate(field, round_half_away(levels * factor)))
        return code

    def extra_repr(self) -> str:
        """The arguments."""
        return f"max_change={self.max_change}"


class FrequencyDropout(BlockAugmentation):
    """Sets frequencies to zero, each with a probability, in all blocks of an example; never the mean.

    It takes all codes of 8 x 8 blocks; constant fields, such as tables, stay.

    Args:
        probability: That a frequency is dropped.

    Raises:
        ValueError: If the probability is not from 0 to 1.

    Source: Park, Johnson, RGB no more, CVPR 2023, section 4.

    Example:
        >>> from lossy_lightning.codecs import JPEG
        >>> dropout = FrequencyDropout(probability=1.0)
        >>> dropout.adapt([JPEG()], JPEG().spec((3, 32, 32)), None)
        >>> dropout(torch.ones(4, 384, 2, 2, dtype=torch.int16))[0, :64].sum((1, 2)).tolist()[:3]
        [4, 0, 0]
    """

    def __init__(self, probability: float = 0.1) -> None:
        super().__init__()
        check_numbers(0, 1, probability=probability)
        self.probability = probability

    def augment(self, code: Tensor) -> Tensor:
        """Codes without some frequencies."""
        kept = torch.rand(len(code), 64, device=code.device) >= self.probability
        kept[:, 0] = True
        factors = code.new_ones(code.shape[:2])
        for field in self.levels:
            factors[:, self.spec.channels(field.name)] = kept.repeat(1, field.num_cells).to(code.dtype)
        return code * factors[..., None, None]

    def extra_repr(self) -> str:
        """The arguments."""
        return f"probability={self.probability}"
