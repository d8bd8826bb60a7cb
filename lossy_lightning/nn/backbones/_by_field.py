"""What networks straight from JPEG share: the shapes of fields, and the stages of ResNet-50."""

from collections.abc import Sequence

from lossy_lightning.core import FeatureShape, InputError
from lossy_lightning.core.arguments import check_integer_list

#: Kernels of the receptive-field-aware first blocks: a coefficient sees 8 pixels already.
KERNELS = (1, 2, 3)


def field_channels(shape: FeatureShape, backbone: str) -> list[int]:
    """Channels of the features of each field, two or more, those behind the first on one grid."""
    shapes = list(shape.values()) if isinstance(shape, dict) else []
    channels = [each[0] for each in shapes if len(each) == 3 and each[0] is not None]
    if len(channels) < 2 or len(channels) < len(shapes) or len({each[1:] for each in shapes[1:]}) > 1:
        raise InputError(
            f"{backbone} reads the features of each field of a colour image, luma first, such as those of "
            f"FrequencyBatchNorm with by_field=True; got {shape}"
        )
    return channels


def finer(shape: FeatureShape) -> tuple[int, int] | None:
    """How many times as fine the grid of the first field is, along rows and columns; None if sizes vary.

    Raises:
        ValueError: If it is no multiple of the others.
    """
    assert isinstance(shape, dict)
    (_, *fine), (_, *coarse), *_ = shape.values()
    if None in (*fine, *coarse):
        return None
    rows, columns = ((a or 0, b or 1) for a, b in zip(fine, coarse, strict=True))
    if rows[0] % rows[1] or columns[0] % columns[1]:
        raise InputError(f"luma's grid is a multiple of that of chroma here; got {shape}")
    return rows[0] // rows[1], columns[0] // columns[1]


def check_stages(depths: Sequence[int], widths: Sequence[int], aware: tuple[int, int] | None) -> None:
    """Check the four stages of a ResNet, and width and outputs of aware blocks."""
    check_integer_list(1, 4, depths=depths, widths=widths)
    if aware is not None:
        check_integer_list(1, 2, aware=aware)
