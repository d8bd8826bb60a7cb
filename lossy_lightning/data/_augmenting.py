"""What a datamodule does with an augmentation of codes before training."""

import copy
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

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


def check_targets(augmentation: nn.Module, targets: Any, grid: tuple[int, ...]) -> None:
    """Check that targets by place, such as masks, are not left behind by an augmentation that moves codes.

    Args:
        augmentation: Of codes alone; what moves them has an attribute ``moves_places`` that is true.
        targets: Of a batch.
        grid: Size of the codes along each axis.

    Raises:
        MisconfigurationException: If they would be.
    """
    by_place = isinstance(targets, Tensor) and (targets.ndim > 2 or tuple(targets.shape[1:]) == grid)
    movers = [type(each).__name__ for each in augmentation.modules() if getattr(each, "moves_places", False)]
    if by_place and movers:
        raise MisconfigurationException(
            f"{movers[0]} moves codes, but not their targets, which are given by place, {tuple(targets.shape)}: leave "
            "it out, or augment codes and targets together in a datamodule or task of your own"
        )


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
