"""Discrete cosine transform of blocks."""

import math

import torch
from torch import Tensor

from lossy_lightning.functional.transforms._rounding import descale

# The sums that libjpeg's butterflies make of their 13-bit constants; they differ from rounded cosines by a unit.
_ISLOW = (
    (8192, 8192, 8192, 8192, 8192, 8192, 8192, 8192),
    (11363, 9633, 6437, 2260, -2260, -6437, -9633, -11363),
    (10703, 4433, -4433, -10703, -10703, -4433, 4433, 10703),
    (9633, -2259, -11362, -6436, 6436, 11362, 2259, -9633),
    (8192, -8192, -8192, 8192, 8192, -8192, -8192, 8192),
    (6437, -11362, 2261, 9633, -9633, -2261, 11362, -6437),
    (4433, -10704, 10704, -4433, -4433, 10704, -10704, 4433),
    (2260, -6436, 9633, -11363, 11363, -9633, 6436, -2260),
)


def dct(blocks: Tensor) -> Tensor:
    """Orthonormal two-dimensional DCT-II of blocks ``(..., n, m)``, float; differentiable.

    Source: ITU-T T.81 (1992), annex A.3.3, for n = m = 8.

    Example:
        >>> dct(torch.ones(4, 4, dtype=torch.float64)).round(decimals=9)[0, 0]
        tensor(4., dtype=torch.float64)
    """
    rows, columns = _basis(blocks, -2), _basis(blocks, -1)
    return rows @ (blocks @ columns.mT)


def idct(coefficients: Tensor) -> Tensor:
    """Blocks of orthonormal DCT-II coefficients ``(..., n, m)``, float; differentiable, the inverse of `dct`.

    Example:
        >>> idct(dct(torch.eye(8))).allclose(torch.eye(8), atol=1e-6)
        True
    """
    rows, columns = _basis(coefficients, -2), _basis(coefficients, -1)
    return rows.mT @ (coefficients @ columns)


def halve_blocks(coefficients: Tensor, axis: int) -> Tensor:
    """Orthonormal coefficients of the image of half the height or width; each two samples are averaged.

    The same as transforming back, averaging and transforming again. If the number of blocks is odd, a block with
    the mean of the last one is appended.

    Args:
        coefficients: ``(..., rows, columns, 8, 8)``, float.
        axis: 0 halves the height, 1 the width.

    Returns:
        ``(..., ceil(rows / 2), columns, 8, 8)``, or ``(..., rows, ceil(columns / 2), 8, 8)``.

    Source: Dugad, Ahuja, A fast scheme for image size change in the compressed domain, IEEE TCSVT 11(4), 2001.

    Example:
        >>> halve_blocks(dct(torch.ones(2, 1, 8, 8)), axis=0).shape
        torch.Size([1, 1, 8, 8])
    """
    if axis == 1:
        return _transpose(halve_blocks(_transpose(coefficients), axis=0))
    if coefficients.shape[-4] % 2:
        end = torch.zeros_like(coefficients[..., -1:, :, :, :])
        end[..., 0, 0] = coefficients[..., -1:, :, 0, 0]
        coefficients = torch.cat([coefficients, end], -4)
    first, second = _halving(coefficients)
    return first @ coefficients[..., 0::2, :, :, :] + second @ coefficients[..., 1::2, :, :, :]


def double_blocks(coefficients: Tensor, axis: int) -> Tensor:
    """Orthonormal coefficients of the image of twice the height or width; each sample is repeated.

    Args:
        coefficients: ``(..., rows, columns, 8, 8)``, float.
        axis: 0 doubles the height, 1 the width.

    Returns:
        ``(..., 2 * rows, columns, 8, 8)``, or ``(..., rows, 2 * columns, 8, 8)``.

    Source: as `halve_blocks`, whose right inverse it is.

    Example:
        >>> blocks = torch.randn(3, 2, 8, 8)
        >>> halve_blocks(double_blocks(blocks, axis=1), axis=1).allclose(blocks, atol=1e-5)
        True
    """
    if axis == 1:
        return _transpose(double_blocks(_transpose(coefficients), axis=0))
    halves = [2 * half.mT @ coefficients for half in _halving(coefficients)]
    return torch.stack(halves, -4).flatten(-5, -4)


def dct_islow(blocks: Tensor) -> Tensor:
    """Accurate integer DCT of libjpeg ("islow") of 8 x 8 blocks, to the bit.

    Args:
        blocks: ``(..., 8, 8)``, integer samples less 128.

    Returns:
        ``(..., 8, 8)``, int32: *eight times* the orthonormal coefficients, rounded.

    Source: Loeffler, Ligtenberg, Moschytz, Practical fast 1-D DCT algorithms with 11 multiplications, ICASSP 1989;
        libjpeg's ``jfdctint.c``.

    Example:
        >>> dct_islow(torch.ones(8, 8, dtype=torch.int32))[0, 0]
        tensor(64, dtype=torch.int32)
    """
    # Whole numbers in float64 are exact and make each pass one matrix product, on any device.
    matrix = torch.tensor(_ISLOW, dtype=torch.float64, device=blocks.device).T
    rows = descale(blocks.double() @ matrix, 11)
    return descale(rows.mT @ matrix, 15).mT.int()


def idct_islow(coefficients: Tensor) -> Tensor:
    """Accurate integer inverse DCT of libjpeg ("islow") of 8 x 8 blocks, to the bit.

    Args:
        coefficients: ``(..., 8, 8)``, integer, dequantized.

    Returns:
        ``(..., 8, 8)``, int32: samples less 128, not clipped.

    Source: as `dct_islow`; libjpeg's ``jidctint.c``.

    Example:
        >>> idct_islow(8 * torch.eye(8, dtype=torch.int32))[0, 0]
        tensor(8, dtype=torch.int32)
    """
    matrix = torch.tensor(_ISLOW, dtype=torch.float64, device=coefficients.device)
    columns = descale(coefficients.double().mT @ matrix, 11)
    return descale(columns.mT @ matrix, 18).int()


def _basis(blocks: Tensor, axis: int) -> Tensor:
    """Orthonormal DCT-II matrix ``(frequency, position)`` of the size of an axis."""
    size = blocks.shape[axis]
    index = torch.arange(size, dtype=torch.float64, device=blocks.device)
    basis: Tensor = torch.cos(torch.pi / size * index[:, None] * (index + 0.5)) * math.sqrt(2 / size)
    basis[0] = 1 / math.sqrt(size)
    return basis.to(blocks.dtype)


def _halving(coefficients: Tensor) -> tuple[Tensor, Tensor]:
    """Matrices that average each two samples of two neighbouring blocks, from the left of their coefficients."""
    basis = _basis(coefficients, -2)
    average = torch.eye(8, dtype=basis.dtype, device=basis.device).repeat_interleave(2, 1) / 2
    return basis @ average[:, :8] @ basis.mT, basis @ average[:, 8:] @ basis.mT


def _transpose(coefficients: Tensor) -> Tensor:
    """Coefficients of the transposed image."""
    return coefficients.transpose(-4, -3).mT
