"""What the signals of a data set are, as their codec gets them in test."""

from typing import NamedTuple


class SignalForm(NamedTuple):
    """What signals a network's codes were made of, so that a file's signal is brought to the same.

    Args:
        shape: ``(channels, height, width)`` or ``(channels, samples)``; None if a size varies.
        cropped: Whether the middle of that size is taken of larger signals; shorter sounds get zeros at their end.
        as_stored: Whether codes in files of the codec's own standard are read as they are; else files are decoded, and
            their signals encoded.
        sample_rate: To which sounds are resampled, in Hz; None for any, or no sounds.

    Example:
        >>> SignalForm((3, 224, 224), cropped=True).crop
        (224, 224)
    """

    shape: tuple[int | None, ...]
    cropped: bool = False
    as_stored: bool = False
    sample_rate: int | None = None

    @property
    def crop(self) -> tuple[int, ...] | None:
        """Size along each axis of the part that is taken; None for whole signals."""
        return tuple(size for size in self.shape[1:] if size is not None) if self.cropped else None
