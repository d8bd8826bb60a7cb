"""Augmentations of any codes, for the ``augmentation`` of a datamodule: on the batch's device."""

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from lossy_lightning.augmentation._draws import SILENT_SAMPLES
from lossy_lightning.core import Codec, CodeSpec, CodeStatistics


class BitFlip(nn.Module):
    """Flips each bit of a code with some probability, as the ``augmentation`` of a datamodule.

    A network that is trained so relies on no single bit; it takes the place of shifting and turning images where
    only their codes are stored. It is for codes whose levels fill their bits, from 0 to ``2**bit_width - 1``; a
    datamodule refuses one that makes other codes.

    Args:
        probability: Of each bit to be flipped.
        bit_width: Bits of each number of the code.

    Raises:
        ValueError: Where the probability is not from 0 to 1, or the width not from 1 to 8.

    Example:
        >>> BitFlip(1.0, bit_width=4)(torch.tensor([[[0, 6]]], dtype=torch.uint8))
        tensor([[[15,  9]]], dtype=torch.uint8)
    """

    def __init__(self, probability: float, bit_width: int) -> None:
        super().__init__()
        if not 0 <= probability <= 1 or not 1 <= bit_width <= 8:
            raise ValueError(
                f"BitFlip takes a probability from 0 to 1 and 1 to 8 bits; got {probability=}, {bit_width=}"
            )
        self.probability = probability
        self.bit_width = bit_width

    def forward(self, code: Tensor) -> Tensor:
        """Noisy codes, of the same shape and dtype."""
        flipped = torch.zeros_like(code)
        for bit in range(self.bit_width):
            chosen = torch.rand(code.shape, device=code.device) < self.probability
            flipped |= chosen.to(code.dtype) << bit
        return code ^ flipped

    def extra_repr(self) -> str:
        """The arguments."""
        return f"probability={self.probability}, bit_width={self.bit_width}"


class Chain(nn.Sequential):
    """Augmentations, or transforms, one after another; a list, so that it can stand in YAML.

    Args:
        modules: The augmentations, in their order.
    """

    def __init__(self, modules: list[nn.Module]) -> None:
        super().__init__(*modules)


class StageDropout(nn.Module):
    """Sends only the first stages of some residual codes ``(N, stages, *grid)``, as lower bit rates do; -1 elsewhere.

    A network trained on such codes reads any bit rate, and leans less on the fine stages, which tell voices apart.

    Args:
        share: Of the codes, in [0, 1], whose stages are dropped.
        least: Fewest stages that are sent; how many is drawn for each, up to all.

    Raises:
        ValueError: Where the share is not in [0, 1], or ``least`` is below 1.

    Source:
        Zeghidour et al., SoundStream, 2021, section III.C (quantizer dropout).

    Example:
        >>> StageDropout(share=1.0, least=2)(torch.ones(3, 2, 4, dtype=torch.int8)).min()
        tensor(1, dtype=torch.int8)
    """

    def __init__(self, share: float = 0.5, least: int = 4) -> None:
        super().__init__()
        if not 0 <= share <= 1 or least < 1:
            raise ValueError(f"share is in [0, 1] and least at least 1; got {share=}, {least=}")
        self.share = share
        self.least = least

    def adapt(self, codec: Codec, statistics: CodeStatistics) -> None:
        """Check that the codec's codes can say that a stage is not sent.

        Raises:
            MisconfigurationException: Where they cannot, or have fewer stages than are to be sent.
        """
        spec = codec.spec((1, codec.sample_rate or SILENT_SAMPLES))
        if not is_residual(spec) or len(spec.low) < self.least:
            raise MisconfigurationException(
                f"StageDropout needs residual codes of {self.least} or more stages whose least index is -1, a stage "
                f"not sent; {codec} has {len(spec.low)} channels from {min(spec.low)}: set the codec's num_stages, or "
                "leave the augmentation out"
            )

    def forward(self, code: Tensor) -> Tensor:
        """Codes without some of their last stages."""
        ones = [1] * (code.ndim - 1)
        sent = torch.randint(self.least, code.shape[1] + 1, (len(code), *ones), device=code.device)
        kept = torch.rand(len(code), *ones, device=code.device) >= self.share
        stage = torch.arange(code.shape[1], device=code.device).view(-1, *ones[1:])
        return torch.where(kept | (stage < sent), code, -1)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"share={self.share}, least={self.least}"


def is_residual(spec: CodeSpec) -> bool:
    """Whether codes are stages of which the index -1 is one not sent."""
    return all(field.absent is not None for field in spec.fields)
