"""JPEG from pixels to quantized coefficients and back: in libjpeg's integers, and in differentiable floats."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from lossy_lightning.functional.blocks import crop, from_blocks, pad_to_multiple, to_blocks
from lossy_lightning.functional.color import downsample, rgb_to_ycbcr, upsample, ycbcr_to_rgb
from lossy_lightning.functional.transforms.dct import (
    dct,
    dct_islow,
    idct,
    idct_islow,
)

_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *[(99,) * 8] * 4,
)


def quality_tables(quality: int) -> Tensor:
    """Quantization tables of a quality, for luma and for chroma, as libjpeg scales them (``force_baseline``).

    Args:
        quality: 1 (coarse) to 100 (fine).

    Returns:
        ``(2, 8, 8)``, int32, 1 to 255, natural order ``[v][u]``.

    Raises:
        ValueError: If it is not such a quality.

    Source: ITU-T T.81 (1992), annex K.1; libjpeg's ``jcparam.c``.

    Example:
        >>> quality_tables(50)[0, 0, :4]
        tensor([16, 11, 10, 16], dtype=torch.int32)
    """
    if not isinstance(quality, Integral) or not 1 <= quality <= 100:
        raise ValueError(f"a JPEG quality is a whole number from 1 to 100; got {quality!r}")
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return ((torch.tensor((_LUMINANCE, _CHROMINANCE)) * percent + 50) // 100).clamp(1, 255).int()


def image_to_coefficients(image: Tensor, tables: Tensor, factors: tuple[int, int]) -> tuple[Tensor, ...]:
    """Quantized coefficients of an image, bit for bit those that libjpeg writes with its accurate integer DCT.

    Args:
        image: ``(..., C, H, W)``, uint8, C = 1 (grey) or 3 (RGB).
        tables: Quantization tables ``(2, 8, 8)``, integer, for luma and for chroma.
        factors: ``(h, v)``, luma's sampling factors; unused for grey.

    Returns:
        Components ``(..., rows, columns, 8, 8)``, int16: luma, then Cb and Cr of a colour image.

    Source: ITU-T T.81 (1992); libjpeg-turbo's ``jcprepct.c`` and ``jcdctmgr.c``.

    Example:
        >>> image = torch.full((3, 20, 20), 128, dtype=torch.uint8)
        >>> [tuple(c.shape) for c in image_to_coefficients(image, quality_tables(75), (2, 2))]
        [(3, 3, 8, 8), (2, 2, 8, 8), (2, 2, 8, 8)]
    """
    tables = tables.to(image.device)
    components = [dct_islow(blocks) for blocks in _to_blocks(image, factors)]
    return tuple(round_divide(c, 8 * tables[min(i, 1)]).to(torch.int16) for i, c in enumerate(components))


def coefficients_to_image(
    components: Sequence[Tensor], tables: Sequence[Tensor], size: tuple[int, int], factors: tuple[int, int]
) -> Tensor:
    """Image of quantized coefficients, bit for bit the one that libjpeg decodes (accurate DCT, fancy upsampling).

    Args:
        components: ``(..., rows, columns, 8, 8)``, integer: luma, then none or two chroma.
        tables: Quantization table of each component, integer, ``(..., 1, 1, 8, 8)``, or anything that broadcasts.
        size: Height and width of the image; blocks beyond are dropped.
        factors: ``(h, v)``, luma's sampling factors.

    Returns:
        ``(..., C, H, W)``, uint8.

    Source: ITU-T T.81 (1992); libjpeg-turbo's ``jddctmgr.c``.

    Example:
        >>> coefficients_to_image([torch.zeros(1, 1, 8, 8).int()], [torch.ones(8, 8).int()], (1, 2), (1, 1))
        tensor([[[128, 128]]], dtype=torch.uint8)
    """
    blocks = [idct_islow(c.int() * table.int()) for c, table in zip(components, tables, strict=True)]
    return _from_blocks([(b + 128).clamp(0, 255).to(torch.uint8) for b in blocks], size, factors)


def jpeg_transform(image: Tensor, factors: tuple[int, int]) -> tuple[Tensor, ...]:
    """Unquantized DCT coefficients of an image in floating point, differentiable.

    Args:
        image: ``(..., C, H, W)``, float, from 0 to 255, C = 1 (grey) or 3 (RGB).
        factors: ``(h, v)``, luma's sampling factors; unused for grey.

    Returns:
        Components ``(..., rows, columns, 8, 8)``: luma, then Cb and Cr of a colour image.

    Example:
        >>> jpeg_transform(torch.full((1, 8, 8), 129.0), (1, 1))[0][0, 0, 0, :4].round().int()
        tensor([8, 0, 0, 0], dtype=torch.int32)
    """
    return tuple(dct(blocks) for blocks in _to_blocks(image, factors))


def inverse_jpeg_transform(components: Sequence[Tensor], size: tuple[int, int], factors: tuple[int, int]) -> Tensor:
    """Image of DCT coefficients in floating point, differentiable; neither rounded nor clipped.

    Args:
        components: ``(..., rows, columns, 8, 8)``: luma, then none or two chroma, dequantized.
        size: Height and width of the image.
        factors: ``(h, v)``, luma's sampling factors.

    Returns:
        ``(..., C, H, W)``, from 0 to 255 or a little beyond.

    Example:
        >>> inverse_jpeg_transform([torch.zeros(1, 1, 8, 8)], (1, 2), (1, 1))
        tensor([[[128., 128.]]])
    """
    return _from_blocks([idct(c) + 128 for c in components], size, factors)


def quantize(coefficients: Tensor, table: Tensor) -> Tensor:
    """``coefficients / table``, rounded to whole numbers; the gradient passes straight through the rounding.

    Gradients reach the table too, so it can be learned. Multiply by the table to dequantize.

    Args:
        coefficients: ``(..., 8, 8)``, float.
        table: ``(..., 8, 8)``, float, positive.

    Source: Bengio, Léonard, Courville, Estimating or propagating gradients through stochastic neurons,
        arXiv:1308.3432, 2013.

    Example:
        >>> table = torch.tensor(10.0, requires_grad=True)
        >>> quantize(torch.tensor(27.0), table)
        tensor(3., grad_fn=<_RoundStraightThroughBackward>)
    """
    rounded: Tensor = _RoundStraightThrough.apply(coefficients / table)  # type: ignore[no-untyped-call]
    return rounded


def round_half_away(number: Tensor) -> Tensor:
    """The nearest whole numbers, halves away from zero, as encoders of JPEG round.

    Args:
        number: ``(...)``, float.

    Returns:
        The same shape and dtype.

    Example:
        >>> round_half_away(torch.tensor([-0.5, 0.4, 2.5]))
        tensor([-1.,  0.,  3.])
    """
    return number.abs().add_(0.5).floor_().copysign_(number)


def round_divide(number: Tensor, divisor: Tensor) -> Tensor:
    """Integers over positive integers, rounded to the nearest, halves away from zero; int32.

    Example:
        >>> round_divide(torch.tensor([-5, 4, 5]), torch.tensor(10))
        tensor([-1,  0,  1], dtype=torch.int32)
    """
    # Whole numbers in float64 are exact, and much faster to divide than integers.
    twice = 2 * divisor.double()
    return ((2 * number.double().abs() + divisor) / twice).floor().copysign(number).int()


class _RoundStraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, number: Tensor) -> Tensor:
        return round_half_away(number)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


def _to_blocks(image: Tensor, factors: tuple[int, int]) -> list[Tensor]:
    """Blocks ``(..., rows, columns, 8, 8)`` of samples less 128, of each component; uint8 becomes int32."""
    h, v = factors
    planes = [image[..., 0, :, :]]
    if image.shape[-3] == 3:
        luma, *chroma = rgb_to_ycbcr(image).unbind(-3)
        # libjpeg pads columns before it averages, rows after.
        planes = [luma, *(downsample(pad_to_multiple(plane, (v, 8 * h)), factors) for plane in chroma)]
    flat = [to_blocks(plane.unsqueeze(-3), (8, 8)) for plane in planes]
    blocks = [b.reshape(*b.shape[:-1], 8, 8) for b in flat]
    return [b - 128 if b.is_floating_point() else b.int() - 128 for b in blocks]


def _from_blocks(blocks: Sequence[Tensor], size: tuple[int, int], factors: tuple[int, int]) -> Tensor:
    """Image of the blocks of samples of each component, uint8 or float."""
    h, v = factors
    height, width = size
    planes = [from_blocks(b.flatten(-2), (8, 8)).squeeze(-3) for b in blocks]
    if len(planes) == 1:
        return crop(planes[0], size).unsqueeze(-3)
    # The filter must not reach samples beyond the image's own.
    chroma = (upsample(crop(plane, (-(-height // v), -(-width // h))), factors) for plane in planes[1:])
    return ycbcr_to_rgb(torch.stack([crop(plane, size) for plane in (planes[0], *chroma)], -3))
