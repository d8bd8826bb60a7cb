"""What a datamodule does with an augmentation of codes before training."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from lossy_lightning.core import Codec, CodeSpec, CodeStatistics, RandomKey
from lossy_lightning.data._statistics import read_sample
from lossy_lightning.data.source import Source


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


def try_out(
    augmentation: nn.Module,
    source: Source | None,
    spec: CodeSpec,
    encode: Callable[[Tensor, Any], Tensor] | None = None,
) -> None:
    """Check that an augmentation leaves some codes within their spec; it stays as it is, on its device.

    Args:
        augmentation: Of codes.
        source: Of the training split. Codes of different size are left alone: batches may be padded.
        spec: Of the codes.
        encode: Makes codes of signals and targets, if the source has signals.

    Raises:
        MisconfigurationException: If it does not.
    """
    if source is None or None in spec.shape:
        return
    twin = copy.deepcopy(augmentation).cpu()
    for values, targets in read_sample(source, 16):
        code = values if encode is None else encode(values, targets)
        try:
            with RandomKey(("try",)).everywhere():
                spec.check(twin(code))
        except ValueError as error:
            raise MisconfigurationException(
                f"augmentation = {augmentation} makes codes that are not of the datamodule's spec: {error}"
            ) from error
