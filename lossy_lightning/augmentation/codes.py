"""Augmentations of any codes, for the ``augmentation`` of a datamodule: on the batch's device."""

from collections.abc import Sequence

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from lossy_lightning.augmentation._adapted import Adapted
from lossy_lightning.core import Codec, CodeSpec, CodeStatistics, InputError
from lossy_lightning.core.arguments import check_integers, check_numbers


class BitFlip(nn.Module):
    """Flips each bit of a code with some probability, as the ``augmentation`` of a datamodule.

    A network that is trained so relies on no single bit; this takes the place of shifting and turning images if only
    their codes are stored. It is for codes whose levels fill their bits, from 0 to ``2**bit_width - 1``; a datamodule
    refuses one that makes other codes.

    Args:
        probability: That a bit is flipped.
        bit_width: Bits of each number of the code.

    Raises:
        ValueError: If the probability is not from 0 to 1, or the width not from 1 to 8.

    Example:
        >>> BitFlip(1.0, bit_width=4)(torch.tensor([[[0, 6]]], dtype=torch.uint8))
        tensor([[[15,  9]]], dtype=torch.uint8)
    """

    def __init__(self, probability: float, bit_width: int) -> None:
        super().__init__()
        check_numbers(0, 1, probability=probability)
        check_integers(1, bit_width=bit_width)
        if bit_width > 8:
            raise InputError(f"bit_width is at most 8, that of codes of one byte; got {bit_width}")
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

    Raises:
        ValueError: If they are no list of modules.

    Example:
        >>> flips = Chain([BitFlip(1.0, 4), BitFlip(1.0, 4)])
        >>> flips(torch.tensor([[3, 12]]))
        tensor([[ 3, 12]])
    """

    def __init__(self, modules: list[nn.Module]) -> None:
        if not isinstance(modules, Sequence) or not all(isinstance(each, nn.Module) for each in modules):
            raise InputError(f"Chain takes a list of augmentations, such as [BitFlip(0.1, 4)]; got {modules!r}")
        super().__init__(*modules)


class StageDropout(Adapted):
    """Sends only the first stages of some residual codes, as lower bit rates do; the others become absent.

    A network trained on such codes reads any bit rate, and leans less on the fine stages, which tell voices apart.
    It takes codes with one field whose values may be absent: its channels are the stages. Other fields stay.

    Args:
        probability: That stages of a code are dropped.
        min_stages: Fewest stages that are sent; how many is drawn for each code, up to all.

    Raises:
        ValueError: If the probability is not from 0 to 1, or ``min_stages`` is below 1.

    Source:
        Zeghidour et al., SoundStream, 2021, section III.C (quantizer dropout).

    Example:
        >>> dropout = StageDropout(probability=1.0, min_stages=2)
        >>> dropout.adapt([], CodeSpec.uniform((3, 4), 0, 15, ordinal=False, absent=-1), None)
        >>> dropout(torch.ones(5, 3, 4, dtype=torch.int8))[:, :2].min()
        tensor(1, dtype=torch.int8)
    """

    stage: Tensor

    def __init__(self, probability: float = 0.5, min_stages: int = 4) -> None:
        super().__init__()
        check_numbers(0, 1, probability=probability)
        check_integers(1, min_stages=min_stages)
        self.probability = probability
        self.min_stages = min_stages
        self.register_buffer("stage", torch.empty(0, dtype=torch.long), persistent=False)

    def adapt(self, codecs: Sequence[Codec], spec: CodeSpec, statistics: CodeStatistics) -> None:
        """Take over which channels are stages, and what says that one is absent.

        Raises:
            MisconfigurationException: If not exactly one field can be absent, or it has fewer stages than are sent.
        """
        residual = [field for field in spec.fields if field.absent is not None]
        if len(residual) != 1 or len(residual[0].low) < self.min_stages:
            fields = ", ".join(
                f"{field.name!r} of {len(field.low)} channels, absent={field.absent}" for field in spec.fields
            )
            raise MisconfigurationException(
                f"StageDropout needs codes with one field of {self.min_stages} or more stages that may be absent; "
                f"{list(codecs)} have {fields}: set the codec's num_stages, or leave the augmentation out"
            )
        (field,) = residual
        assert field.absent is not None
        stage = torch.full((sum(each.num_channels for each in spec.fields),), -1)
        stage[spec.channels(field.name)] = torch.arange(len(field.low)).repeat(field.num_cells)
        self.stage = stage.to(self.stage.device)
        self._stages, self._absent = len(field.low), field.absent
        super().adapt(codecs, spec, statistics)

    def augment(self, code: Tensor) -> Tensor:
        """Codes without some of their last stages."""
        ones = [1] * (code.ndim - 1)
        sent = torch.randint(self.min_stages, self._stages + 1, (len(code), *ones), device=code.device)
        kept = torch.rand(len(code), *ones, device=code.device) >= self.probability
        return torch.where(kept | (self.stage.view(-1, *ones[1:]) < sent), code, self._absent)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"probability={self.probability}, min_stages={self.min_stages}"
