"""Whether a tensor has no more different values than its bit width allows."""

import torch
from torch import Tensor

_SHOWN = 8  # values in a report
_WIDEST = 16  # beyond, float32 rounding leaves the grid


def stray_values(
    values: Tensor,
    bit_width: int,
    scale: Tensor | None = None,
    zero_point: Tensor | None = None,
    channel_axis: int | None = None,
) -> Tensor | None:
    """Some of a tensor's values if it holds more different ones than a bit width allows, None if all is well.

    One bit allows the two values of one scale: ``-s, s`` or ``0, s``. More bits allow ``2 ** bit_width`` successive
    multiples of the scale, or, if no scale is known, that many different values. Widths above 16 are not checked.

    Args:
        values: Of any shape.
        bit_width: Bits that a value may take.
        scale: Step between neighbouring values, broadcast to the values.
        zero_point: Integer that stands for zero, broadcast likewise.
        channel_axis: Axis along which each index may have its own scale; None for one scale.

    Returns:
        At most eight different values of one faulty channel, ascending, or None.

    Example:
        >>> stray_values(torch.tensor([-1.0, 0.0, 1.0]), 1)
        tensor([-1.,  0.,  1.])
        >>> stray_values(torch.tensor([[-1.0, 1.0], [-0.5, 0.5]]), 1, channel_axis=0) is None
        True
    """
    if values.numel() == 0 or bit_width > _WIDEST:
        return None
    values = values.detach()
    rows = values.reshape(1, -1) if channel_axis is None else values.movedim(channel_axis, 0).flatten(1)
    if bit_width == 1:
        bad = _beyond_one_bit(rows)
    elif scale is not None:
        return _off_grid(values, bit_width, scale.detach(), zero_point)
    else:
        different = (rows.sort(dim=1).values.diff(dim=1) != 0).sum(dim=1) + 1
        bad = different > 2**bit_width
    return _some(rows[bad.nonzero()[0, 0]]) if bool(bad.any()) else None


def _beyond_one_bit(rows: Tensor) -> Tensor:
    """Which rows hold other than two values of one scale."""
    low, high = rows.amin(dim=1, keepdim=True), rows.amax(dim=1, keepdim=True)
    between = ((rows != low) & (rows != high)).any(dim=1)  # NaN differs from itself
    one_scale = (low == high) | (low == -high) | (low == 0) | (high == 0)
    return between | ~one_scale.squeeze(1)


def _off_grid(values: Tensor, bit_width: int, scale: Tensor, zero_point: Tensor | None) -> Tensor | None:
    steps = values / scale + (0 if zero_point is None else zero_point.detach())
    nearest = steps.round()
    tolerance = 4 * 2**bit_width * torch.finfo(values.dtype).eps  # what rounding to the dtype may move a value
    stray = ~((steps - nearest).abs() <= tolerance)
    if tolerance < 0.5 and bool(stray.any()):
        return _some(values[stray])
    if bool(nearest.amax() - nearest.amin() >= 2**bit_width):
        return _some(torch.stack([values.amin(), values.amax()]))
    return None


def _some(values: Tensor) -> Tensor:
    different: Tensor = torch.unique(values)
    return different[:_SHOWN]
