"""The integer transforms and the scaling of HEVC."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lossy_lightning.functional.transforms._rounding import descale

# Cosines of odd multiples of pi / 64, pi / 32, pi / 16, pi / 8 and pi / 4, times 64 sqrt(2), as the standard has them.
_COSINES = (
    (90, 90, 88, 85, 82, 78, 73, 67, 61, 54, 46, 38, 31, 22, 13, 4),
    (90, 87, 80, 70, 57, 43, 25, 9),
    (89, 75, 50, 18),
    (83, 36),
    (64,),
)
_DST = ((29, 55, 74, 84), (74, 74, 0, -74), (84, -29, -74, 55), (55, -84, 74, -29))
_LEVEL_SCALE = (40, 45, 51, 57, 64, 72)
_SIZES = (4, 8, 16, 32)

#: The default scaling list of intra blocks of 8 x 8 (H.265, table 7-6), rows of vertical frequency.
HEVC_INTRA_SCALING = (
    (16, 16, 16, 16, 17, 18, 21, 24),
    (16, 16, 16, 16, 17, 19, 22, 25),
    (16, 16, 17, 18, 20, 22, 25, 29),
    (16, 16, 18, 21, 24, 27, 31, 36),
    (17, 17, 20, 24, 30, 35, 41, 47),
    (18, 19, 22, 27, 35, 44, 54, 65),
    (21, 22, 25, 31, 41, 54, 70, 88),
    (24, 25, 29, 36, 47, 65, 88, 115),
)


def hevc_matrix(size: int, sine: bool = False) -> Tensor:
    """Transform matrix ``(frequency, position)`` of HEVC, whole numbers, about ``64 sqrt(size)`` times orthonormal.

    Args:
        size: 4, 8, 16 or 32.
        sine: The sine transform instead of the cosine transform; of size 4 only.

    Returns:
        ``(size, size)``, float64.

    Raises:
        ValueError: If there is no such transform.

    Source: ITU-T H.265 (2021), 8.6.4.2.

    Example:
        >>> hevc_matrix(4).int().tolist()
        [[64, 64, 64, 64], [83, 36, -36, -83], [64, -64, -64, 64], [36, -83, 83, -36]]
    """
    if not isinstance(size, int) or size not in _SIZES or (sine and size != 4):
        raise ValueError(f"HEVC has cosine transforms of size {_SIZES} and a sine transform of 4; got {size=}, {sine=}")
    if sine:
        return torch.tensor(_DST, dtype=torch.float64)
    quarter = torch.zeros(33, dtype=torch.float64)  # by multiples of pi / 64 from 0 to pi / 2
    for i, row in enumerate(_COSINES):
        quarter[1 << i :: 2 << i][: len(row)] = torch.tensor(row, dtype=torch.float64)
    half = torch.cat([quarter, -quarter[:-1].flip(0)])
    whole = torch.cat([half, half[1:-1].flip(0)])
    whole[0] = 64  # the constant alone has an angle of 0
    index = torch.arange(size)
    return whole[index[:, None] * (32 // size) * (2 * index + 1) % 128]


def hevc_transform(blocks: Tensor, sine: bool = False) -> Tensor:
    """Coefficients of blocks of 8-bit residuals, as HEVC's reference encoder computes them.

    Args:
        blocks: ``(..., n, n)``, whole numbers from -255 to 255; n = 4, 8, 16 or 32.
        sine: The sine transform, for n = 4.

    Returns:
        ``(..., n, n)``, vertical frequencies first; whole numbers, float: ``128 / n`` times orthonormal coefficients.

    Source: the inverse is ITU-T H.265 (2021), 8.6.4.2; this direction is that of the HM software, ``TComTrQuant.cpp``.

    Example:
        >>> hevc_transform(torch.ones(8, 8))[0, 0]
        tensor(128.)
    """
    size = blocks.shape[-1]
    bits = size.bit_length() - 1
    matrix = hevc_matrix(size, sine).to(blocks.device).T
    rows = descale(blocks.float() @ matrix.float(), bits - 1)
    # Sums of the second pass stay below 2**24, so that they are exact in float32, only up to 8 x 8.
    dtype = torch.float32 if size <= 8 else torch.float64
    return descale(rows.mT.to(dtype) @ matrix.to(dtype), bits + 6).mT.float()


def inverse_hevc_transform(coefficients: Tensor, sine: bool = False) -> Tensor:
    """Residuals of scaled coefficients, to the bit as the standard decodes them for 8-bit samples.

    Args:
        coefficients: ``(..., n, n)``, whole numbers of 16 bits, vertical frequencies first.
        sine: The sine transform, for n = 4.

    Returns:
        ``(..., n, n)``, whole numbers, float.

    Source: ITU-T H.265 (2021), 8.6.4.2 and 8.6.2, with ``bdShift = 12``.

    Example:
        >>> inverse_hevc_transform(128.0 * torch.eye(8)[:1].expand(8, 8) * torch.eye(8))[3, 3]
        tensor(1.)
    """
    matrix = hevc_matrix(coefficients.shape[-1], sine).to(coefficients.device)
    columns = descale(coefficients.double().mT @ matrix, 7).clamp(-(2**15), 2**15 - 1)
    return descale(columns.mT @ matrix, 12).float()


def hevc_scaling(size: int, scaling_list: Sequence[Sequence[int]] | Tensor | None = None) -> Tensor:
    """Scaling factor of each coefficient: 16, or those of a list of 8 x 8, repeated for larger blocks but for the mean.

    Args:
        size: Of blocks, 4, 8, 16 or 32; a list is 4 x 4 for blocks of 4, else 8 x 8.
        scaling_list: Factors from 1 to 255, 16 of which leave the step as it is; None: 16 for all.

    Returns:
        ``(size, size)``, int64.

    Raises:
        ValueError: If the list has another shape, or factors beyond 1 to 255.

    Source: ITU-T H.265 (2021), 7.4.5; the mean of blocks of 16 and 32 has the first factor, or 16 in default lists.

    Example:
        >>> hevc_scaling(16, HEVC_INTRA_SCALING)[-1, -1]
        tensor(115)
    """
    if not isinstance(size, int) or size not in _SIZES:
        raise ValueError(f"HEVC has blocks of size {_SIZES}; got {size=}")
    if scaling_list is None:
        return torch.full((size, size), 16)
    own, factors = min(size, 8), torch.as_tensor(scaling_list)
    if factors.shape != (own, own) or factors.is_floating_point() or factors.min() < 1 or factors.max() > 255:
        raise ValueError(
            f"a scaling list for blocks of {size} has {own} x {own} whole numbers from 1 to 255; got "
            f"{tuple(factors.shape)}, {factors.tolist()}"
        )
    return factors.long().repeat_interleave(size // own, 0).repeat_interleave(size // own, 1)


def hevc_scale(levels: Tensor, qp: int, scaling: Tensor) -> Tensor:
    """Scaled coefficients of levels, to the bit as the standard has them for 8-bit samples.

    Args:
        levels: ``(..., n, n)``, integer.
        qp: Quantization parameter, 0 to 51; six more double the step.
        scaling: ``(n, n)``, of `hevc_scaling`.

    Returns:
        ``(..., n, n)``, int64, of 16 bits.

    Source: ITU-T H.265 (2021), 8.6.4.1.

    Example:
        >>> hevc_scale(torch.ones(4, 4, dtype=torch.int64), 4, hevc_scaling(4))[0, 0]
        tensor(32)
    """
    shift = scaling.shape[-1].bit_length() - 1 + 3
    scaled = (levels.long() * scaling.to(levels.device) * _LEVEL_SCALE[qp % 6]) << qp // 6
    return ((scaled + (1 << shift - 1)) >> shift).clamp(-(2**15), 2**15 - 1)


def hevc_steps(qp: int, scaling: Tensor) -> Tensor:
    """Quantization step of each coefficient, in the units of samples: ``2**((qp - 4) / 6)`` if the factor is 16.

    Example:
        >>> hevc_steps(28, hevc_scaling(4))[0, 0]
        tensor(16.)
    """
    return scaling * (_LEVEL_SCALE[qp % 6] * 2.0 ** (qp // 6) / 1024)
