"""What shapes of features a backbone reads."""

from collections.abc import Sequence

from lossy_lightning.core import FeatureShape, InputError


def channels_of(shape: FeatureShape, axes: int, backbone: str) -> int:
    """Channels of features on one grid, whose sizes may vary.

    Args:
        shape: Of the features.
        axes: Of their grid.
        backbone: Name of what reads them.

    Raises:
        ValueError: If fields stay apart, or the features have other axes.
    """
    if isinstance(shape, dict):
        raise InputError(
            f"{backbone} reads features on one grid; got fields apart, {shape}: take a backbone such as LateConcat, or "
            "leave by_field of the stem as it is"
        )
    channels = shape[0] if isinstance(shape, Sequence) and len(shape) == 1 + axes else None
    if channels is None:
        raise InputError(f"{backbone} reads features (C, {', '.join(_AXES[axes])}); got {shape}")
    return channels


def fixed_shape(shape: FeatureShape) -> tuple[int, ...] | None:
    """The shape of features on one grid of fixed size; None if they are not."""
    if not isinstance(shape, Sequence):
        return None
    sizes = tuple(size for size in shape if isinstance(size, int) and size > 0)
    return sizes if len(sizes) == len(shape) else None


_AXES = {1: ("L",), 2: ("H", "W")}
