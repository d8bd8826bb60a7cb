"""Colour spaces of images."""

from functools import reduce

import torch
from torch import Tensor

_TO_YCBCR = ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))
_HALF = 1 << 15


def rgb_to_ycbcr(rgb: Tensor) -> Tensor:
    """RGB to full-range YCbCr, both from 0 to 255.

    Samples of type uint8 are computed in libjpeg's 16-bit fixed point, bit for bit; float samples in floating point,
    differentiable, without rounding or clipping.

    Args:
        rgb: ``(..., 3, H, W)``, uint8 or float.

    Returns:
        ``(..., 3, H, W)``, of the same dtype.

    Source: ITU-T T.871 (2011), section 7; libjpeg's ``jccolor.c``.

    Example:
        >>> rgb_to_ycbcr(torch.tensor([255, 0, 0], dtype=torch.uint8).view(3, 1, 1)).flatten()
        tensor([ 76,  85, 255], dtype=torch.uint8)
    """
    if rgb.is_floating_point():
        return _matrix(_TO_YCBCR, rgb) + rgb.new_tensor([0, 128, 128]).view(3, 1, 1)
    r, g, b = rgb.int().unbind(-3)
    y = (19595 * r + 38470 * g + 7471 * b + _HALF) >> 16
    offset = (128 << 16) + _HALF - 1
    cb = (-11059 * r - 21709 * g + 32768 * b + offset) >> 16
    cr = (32768 * r - 27439 * g - 5329 * b + offset) >> 16
    return torch.stack([y, cb, cr], -3).to(rgb.dtype)


def ycbcr_to_rgb(ycbcr: Tensor) -> Tensor:
    """Full-range YCbCr to RGB, both from 0 to 255; the inverse of `rgb_to_ycbcr` up to rounding.

    Args:
        ycbcr: ``(..., 3, H, W)``, uint8 or float.

    Returns:
        ``(..., 3, H, W)``, of the same dtype; uint8 is clipped to its range, float is not.

    Source: ITU-T T.871 (2011), section 7; libjpeg's ``jdcolor.c``.

    Example:
        >>> ycbcr_to_rgb(torch.tensor([76, 85, 255], dtype=torch.uint8).view(3, 1, 1)).flatten()
        tensor([254,   0,   0], dtype=torch.uint8)
    """
    if ycbcr.is_floating_point():
        return _matrix(_TO_RGB, ycbcr - ycbcr.new_tensor([0, 128, 128]).view(3, 1, 1))
    y, cb, cr = ycbcr.int().unbind(-3)
    cb, cr = cb - 128, cr - 128
    r = y + ((91881 * cr + _HALF) >> 16)
    g = y + ((-22554 * cb - 46802 * cr + _HALF) >> 16)
    b = y + ((116130 * cb + _HALF) >> 16)
    return torch.stack([r, g, b], -3).clamp(0, 255).to(ycbcr.dtype)


def rgb_to_rct(rgb: Tensor) -> Tensor:
    """The reversible colour transform of JPEG 2000: luma ``(R + 2 G + B) / 4``, rounded down, ``B - G`` and ``R - G``.

    Args:
        rgb: ``(..., 3, H, W)``, signed integers, with one bit to spare.

    Returns:
        ``(..., 3, H, W)``, of the same dtype.

    Source: ITU-T T.800 (2019), annex G.2.

    Example:
        >>> rgb_to_rct(torch.tensor([255, 0, 0]).view(3, 1, 1)).flatten()
        tensor([ 63,   0, 255])
    """
    r, g, b = rgb.unbind(-3)
    return torch.stack([(r + 2 * g + b) >> 2, b - g, r - g], -3)


def rct_to_rgb(rct: Tensor) -> Tensor:
    """The inverse of `rgb_to_rct`, exact.

    Example:
        >>> rct_to_rgb(torch.tensor([63, 0, 255]).view(3, 1, 1)).flatten()
        tensor([255,   0,   0])
    """
    luma, u, v = rct.unbind(-3)
    g = luma - ((u + v) >> 2)
    return torch.stack([v + g, g, u + g], -3)


def rgb_to_ict(rgb: Tensor) -> Tensor:
    """The irreversible colour transform of JPEG 2000: YCbCr of samples around zero; differentiable.

    Args:
        rgb: ``(..., 3, H, W)``, float.

    Returns:
        ``(..., 3, H, W)``.

    Source: ITU-T T.800 (2019), annex G.3.

    Example:
        >>> rgb_to_ict(torch.tensor([100.0, 0, 0]).view(3, 1, 1)).flatten()
        tensor([ 29.9000, -16.8736,  50.0000])
    """
    r, g, b = rgb.unbind(-3)
    luma = torch.add(r * 0.299, g, alpha=0.587).add(b, alpha=0.114)
    return torch.stack([luma, (b - luma) * (1 / 1.772), (r - luma) * (1 / 1.402)], -3)


def ict_to_rgb(ict: Tensor) -> Tensor:
    """The inverse of `rgb_to_ict`; differentiable.

    Example:
        >>> ict_to_rgb(torch.tensor([29.9, -16.8736, 50.0]).view(3, 1, 1)).flatten().round().abs()
        tensor([100.,   0.,   0.])
    """
    return _matrix(_TO_RGB, ict)


def _matrix(rows: tuple[tuple[float, ...], ...], image: Tensor) -> Tensor:
    return torch.einsum("ij,...jhw->...ihw", image.new_tensor(rows), image)


def downsample(plane: Tensor, factors: tuple[int, int]) -> Tensor:
    """Mean of each cell of a chroma plane: ``(..., v * H, h * W)`` to ``(..., H, W)``.

    Samples of type uint8 are rounded as libjpeg does: halves go down and up by turns if ``h`` is 2. Float ones are
    not rounded, and differentiable.

    Args:
        plane: uint8 or float.
        factors: ``(h, v)``, horizontal and vertical, powers of two.

    Source: libjpeg's ``jcsample.c``.

    Example:
        >>> downsample(torch.tensor([[1, 2, 1, 2]], dtype=torch.uint8), (2, 1))
        tensor([[1, 2]], dtype=torch.uint8)
    """
    h, v = factors
    if h * v == 1:
        return plane
    wide = plane if plane.is_floating_point() else plane.int()
    cells = (wide[..., row::v, column::h] for row in range(v) for column in range(h))
    total = reduce(torch.add, cells)
    if plane.is_floating_point():
        return total / (h * v)
    bias = _by_turns(v - 1, v, total, -1) if h == 2 else h * v // 2
    return ((total + bias) >> (h * v).bit_length() - 1).to(plane.dtype)


def upsample(plane: Tensor, factors: tuple[int, int]) -> Tensor:
    """A chroma plane at full resolution, ``(..., H, W)`` to ``(..., v * H, h * W)``, by a triangle filter.

    Weights are 3/4 and 1/4 along each axis that is doubled ("fancy upsampling"). As in libjpeg, samples are repeated
    instead if ``h`` is 4, or 2 and the plane has at most two columns. Samples of type uint8 are rounded as libjpeg
    does, float ones are not rounded, and differentiable.

    Args:
        plane: uint8 or float.
        factors: ``(h, v)``, horizontal and vertical, ``(1, 1)``, ``(2, 1)``, ``(1, 2)``, ``(2, 2)`` or ``(4, 1)``.

    Source: libjpeg-turbo's ``jdsample.c``.

    Example:
        >>> upsample(torch.tensor([[0, 8, 16]], dtype=torch.uint8), (2, 1))
        tensor([[ 0,  2,  6, 10, 14, 16]], dtype=torch.uint8)
    """
    h, v = factors
    if h == 4 or (h == 2 and plane.shape[-1] <= 2):
        return plane.repeat_interleave(h, -1).repeat_interleave(v, -2)
    if h * v == 1:
        return plane
    total = plane if plane.is_floating_point() else plane.int()
    for axis, factor in ((-2, v), (-1, h)):
        total = _double(total, axis) if factor == 2 else total
    if plane.is_floating_point():
        return total / (h * v) ** 2
    bias = _by_turns(8, 7, total, -1) if h == v else _by_turns(1, 2, total, -1 if h == 2 else -2)
    return ((total + bias) >> 2 * (h * v).bit_length() - 2).to(plane.dtype)


def _double(plane: Tensor, axis: int) -> Tensor:
    """Twice as many samples along an axis, each three times the nearer one plus the farther one."""
    last = plane.shape[axis] - 1
    index = torch.arange(last + 1, device=plane.device)
    before, after = (plane.index_select(axis, (index + step).clamp(0, last)) for step in (-1, 1))
    pairs = torch.stack([3 * plane + before, 3 * plane + after], axis)
    return pairs.flatten(axis - 1, axis)


def _by_turns(even: int, odd: int, plane: Tensor, axis: int) -> Tensor:
    """Two numbers that alternate along an axis of a plane, to be added to it."""
    turns = torch.arange(plane.shape[axis], device=plane.device, dtype=plane.dtype) % 2 * (odd - even) + even
    return turns if axis == -1 else turns.unsqueeze(-1)
