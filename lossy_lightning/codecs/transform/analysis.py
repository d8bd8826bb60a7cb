"""What a transform codec quantizes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from lossy_lightning.core import CodeSpec, InputError


class Analysis(nn.Module, ABC):
    """What a `TransformCodec` quantizes: real values of a signal, and a signal of such values."""

    sample_rate: int | None = None
    """Sound: the rate in Hz that it expects; None for any."""
    keeps_phase: bool = True
    """Sound: False if the inverse makes up the phase, so that samples cannot be compared with the original's."""

    @abstractmethod
    def forward(self, signal: Tensor) -> Tensor:
        """Values of a signal: ``(..., *signal)`` to ``(..., C, *grid)``, float32."""

    @abstractmethod
    def inverse(self, values: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """Signal of values ``(..., C, *grid)``, cropped to ``shape``, the signal's own, with or without its batch.

        The grid may be larger than the signal's, as a quantizer of blocks leaves it.
        """

    @abstractmethod
    def shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape ``(C, *grid)`` of the values of a signal of that shape (None: varies)."""


class FieldAnalysis(Analysis):
    """An analysis whose values have named fields, laid out as those of a code, and known limits."""

    signal_axes: int
    """Axes of a signal, channels included: 2 of a sound, 3 of an image."""
    richest: tuple[int | None, ...] | None = None
    """Shape of a signal that has all fields there are; None if channels of a field vary with those of the signal."""

    @abstractmethod
    def fields(self, signal: Tensor) -> dict[str, Tensor]:
        """Values of a signal by field, each ``(..., its channels, *its grid)`` float32."""

    @abstractmethod
    def signal(self, fields: Mapping[str, Tensor], shape: tuple[int, ...]) -> Tensor:
        """Signal of that shape, with or without its batch, of values by field, the inverse of `fields`."""

    @abstractmethod
    def layout(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """Fields of the values of a signal of that shape, with whole numbers that the values lie between."""

    @abstractmethod
    def whole(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the largest signal whose values have that shape ``(C, *grid)``."""

    def units(self) -> Mapping[str, float]:
        """By field what steps are multiplied with if one quantizer serves all; 1 for those that are not named."""
        return {}

    def shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape ``(C, *grid)`` of the values of a signal of that shape (None: varies)."""
        return self.layout(shape).shape

    def forward(self, signal: Tensor) -> Tensor:
        """Values of a signal: ``(..., *signal)`` to ``(..., C, *grid)``, float32; the fields as a code has them."""
        fields = self.fields(signal)
        return self.layout(tuple(signal.shape[-self.signal_axes :])).join(fields)

    def inverse(self, values: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """Signal of values ``(..., C, *grid)``; all of the grid if no shape is given.

        Raises:
            ValueError: If the values are of other channels, or of fewer positions than the signal's.
        """
        shape = self.whole(tuple(values.shape[-self.signal_axes :])) if shape is None else shape
        layout = self.layout(tuple(shape[-self.signal_axes :]))
        layout.check_channels(values)
        grid = tuple(values.shape[1 - self.signal_axes :])
        if any(size < least for size, least in zip(grid, layout.shape[1:], strict=True) if least is not None):
            raise InputError(f"values of signals {tuple(shape)} have a grid of {layout.shape[1:]} or more; got {grid}")
        return self.signal(layout.split(values), shape)
