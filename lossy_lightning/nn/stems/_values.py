"""What stems on single values share: which values are there, and how those of all channels number through."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lossy_lightning.core import CodeSpec, InputError, Stem

_MAX_CHANNELS = 65_535
#: What no value is equal to.
_NEVER = torch.iinfo(torch.int64).min


class ValueStem(Stem):
    """A stem on single values, which knows those that say "not there".

    Args:
        spec: Of the codes.
        fields: Names of the fields to read, in that order; None: all.

    Attributes:
        optional: Channels, of those that are read, whose values may be absent.
    """

    absent: Tensor
    low: Tensor

    def __init__(self, spec: CodeSpec, fields: Sequence[str] | None = None) -> None:
        super().__init__(spec, fields)
        absent = [field.absent for field in self.spec.fields for _ in range(field.num_channels)]
        self.optional = [channel for channel, value in enumerate(absent) if value is not None]
        axes = len(self.spec.grid)
        never = [_NEVER if value is None else value for value in absent]
        self.register_buffer("absent", column(never, axes), persistent=False)
        self.register_buffer("low", column(self.spec.low, axes), persistent=False)

    def present(self, code: Tensor) -> Tensor | None:
        """Which values ``(N, C', *grid)`` that are read are there; None if all always are."""
        return code != self.absent if self.optional else None

    def filled(self, code: Tensor, present: Tensor | None) -> Tensor:
        """Values, int64, the least of their channel in place of those that are not there."""
        return code.long() if present is None else torch.where(present, code.long(), self.low)

    def presence(self, present: Tensor | None) -> list[Tensor]:
        """Planes of presence, true or false, of each channel whose values may be absent: none or one tensor."""
        return [] if present is None else [present[:, self.optional]]


def column(values: Sequence[int], axes: int) -> Tensor:
    """One number for each channel, to be spread over a grid of that many axes."""
    return torch.tensor(values).view(-1, *[1] * axes)


def starts(spec: CodeSpec) -> Tensor:
    """What to add to each channel's values, so that those of all channels number through: ``(C, 1, ...)``."""
    levels = torch.tensor(spec.levels)
    return (levels.cumsum(0) - levels - torch.tensor(spec.low)).view(-1, *[1] * len(spec.grid))


def one_hot_channels(spec: CodeSpec, stem: str) -> int:
    """How many values all channels have together.

    Raises:
        ValueError: If they are more than 65 535.
    """
    channels = sum(spec.levels)
    if channels > _MAX_CHANNELS:
        raise InputError(
            f"{stem} of this code would have {channels} one-hot channels, more than {_MAX_CHANNELS}; "
            "use Scale or Bits instead, or a codec of fewer levels"
        )
    return channels


def fixed_grid(spec: CodeSpec) -> tuple[int, ...]:
    """The grid of codes of one size.

    Raises:
        ValueError: If the size varies.
    """
    if None in spec.grid:
        raise InputError(f"this stem needs codes of one size; got shape {spec.shape}: crop or pad the signals")
    return tuple(size for size in spec.grid if size is not None)
