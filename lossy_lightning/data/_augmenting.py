"""What a datamodule does with an augmentation of codes before training."""

import copy
from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from lossy_lightning.core import Codec, CodeSpec, CodeStatistics, RandomKey


@runtime_checkable
class Adaptable(Protocol):
    """A part of an augmentation that wants to know the codes, as stems do."""

    def adapt(self, codecs: Sequence[Codec], spec: CodeSpec, statistics: CodeStatistics) -> None:
        """Take over what is known of the training codes."""


def adapt(augmentation: nn.Module, codecs: Sequence[Codec], spec: CodeSpec, statistics: CodeStatistics) -> None:
    """Hand the codecs of training, the spec and the statistics to each part of an augmentation that wants them."""
    for module in augmentation.modules():
        if isinstance(module, Adaptable):
            module.adapt(codecs, spec, statistics)


def try_out(augmentation: nn.Module, codes: Iterable[Tensor], spec: CodeSpec) -> None:
    """Check that an augmentation leaves some codes within their spec; it stays as it is, on its device.

    Raises:
        MisconfigurationException: If it does not.
    """
    twin = copy.deepcopy(augmentation).cpu()
    for code in codes:
        try:
            with RandomKey(("try",)).everywhere():
                spec.check(twin(code))
        except ValueError as error:
            raise MisconfigurationException(
                f"augmentation = {augmentation} makes codes that are not of the datamodule's spec: {error}"
            ) from error
