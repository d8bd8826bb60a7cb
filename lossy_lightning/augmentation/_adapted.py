"""Augmentations that must know what the fields of a code are."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from lossy_lightning.core import Codec, CodeSpec, CodeStatistics, InputError


class Adapted(nn.Module, ABC):
    """Changes codes ``(N, C, *grid)`` whose fields it knows from `adapt`, each example by a draw of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._spec: CodeSpec | None = None

    @property
    def spec(self) -> CodeSpec:
        """Spec of the codes, on a grid of any size.

        Raises:
            MisconfigurationException: If `adapt` was not called.
        """
        if self._spec is None:
            raise MisconfigurationException(
                f"{type(self).__name__} does not know the fields of the codes; hand it to a datamodule as "
                "augmentation, or call adapt(codecs, spec, statistics)"
            )
        return self._spec

    def adapt(self, codecs: Sequence[Codec], spec: CodeSpec, statistics: CodeStatistics) -> None:
        """Take over what the codes are; a datamodule calls it before training.

        Args:
            codecs: All that training examples go through.
            spec: Of their codes.
            statistics: Of the training codes.

        Raises:
            MisconfigurationException: If such codes cannot be augmented so.
        """
        self._spec = CodeSpec(spec.fields, (None,) * len(spec.grid))

    def forward(self, code: Tensor) -> Tensor:
        """The augmented codes, of the same shape and dtype.

        Raises:
            MisconfigurationException: If `adapt` was not called.
            ValueError: If these are not codes of the spec, batch included; their grids may be of another size.
        """
        axes = 1 + len(self.spec.grid)
        if code.ndim != axes + 1:
            raise InputError(
                f"{type(self).__name__} was adapted to codes of {axes} axes; got {tuple(code.shape)}, batch included"
            )
        self.spec.check_layout(code)
        return self.augment(code)

    @abstractmethod
    def augment(self, code: Tensor) -> Tensor:
        """Augmented codes; those given stay as they are."""
