"""HEVC's transforms and quantizer, of images without prediction."""

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Any

import torch
from torch import Tensor

from lossy_lightning.codecs.quantizers import Quantizer
from lossy_lightning.codecs.transform.analysis import FieldAnalysis
from lossy_lightning.core import CodeSpec, Field, InputError
from lossy_lightning.core.arguments import check_integers, check_numbers
from lossy_lightning.functional import (
    SAMPLING_FACTORS,
    crop,
    downsample,
    from_blocks,
    hevc_matrix,
    hevc_scale,
    hevc_scaling,
    hevc_steps,
    hevc_transform,
    inverse_hevc_transform,
    pad_to_multiple,
    rgb_to_ycbcr,
    to_blocks,
    upsample,
    ycbcr_to_rgb,
)

_COMPONENTS = ("luma", "cb", "cr")


class HEVCTransform(FieldAnalysis):
    """HEVC's integer transforms of blocks of images, *without prediction*: samples less 128 take the residual's place.

    That is what the standard predicts if a block has no neighbours; real files predict nearly all blocks from others,
    so their levels are smaller than these. Fields are ``luma``, ``cb`` and ``cr`` as those of `JPEG`, each with
    ``size**2`` channels a block in natural order ``[v][u]``.

    Args:
        size: Of blocks, 4, 8, 16 or 32.
        sine: The sine transform of 4 x 4 blocks, which HEVC has for intra luma, instead of the cosine transform.
        chroma_subsampling: ``"4:4:4"``, ``"4:2:2"``, ``"4:2:0"``, ``"4:4:0"`` or ``"4:1:1"``. Unused for grey images.

    Raises:
        ValueError: If an argument is none of these.

    Source: ITU-T H.265 (2021), 8.6.4.2.

    Example:
        >>> from lossy_lightning.codecs import HEVCQuantizer, TransformCodec
        >>> codec = TransformCodec(HEVCTransform(16), HEVCQuantizer(27, size=16))
        >>> codec.encode(torch.full((3, 40, 64), 9, dtype=torch.uint8)).shape
        torch.Size([1536, 2, 2])
    """

    signal_axes = 3
    richest = (3, None, None)

    def __init__(self, size: int = 8, sine: bool = False, chroma_subsampling: str = "4:2:0") -> None:
        super().__init__()
        if chroma_subsampling not in SAMPLING_FACTORS:
            raise InputError(f"chroma_subsampling must be one of {list(SAMPLING_FACTORS)}; got {chroma_subsampling!r}")
        taps = _checked(hevc_matrix, size, sine).abs().sum(1)
        self.size = size
        self.sine = sine
        self.chroma_subsampling = chroma_subsampling
        # Blocks of -128 and 127 whose signs are those of a basis function; each of two roundings adds at most one.
        limits = torch.outer(taps, taps) * 128 / 2 ** (2 * size.bit_length() + 3)
        self._limits = [ceil(limit) + 2 for limit in limits.flatten().tolist()]

    def fields(self, signal: Tensor) -> dict[str, Tensor]:
        """Coefficients of images ``(..., C, H, W)`` uint8, ``size**2`` channels a block.

        Raises:
            ValueError: If the signal is not uint8 with one or three channels.
        """
        if signal.dtype != torch.uint8:
            raise InputError(f"HEVCTransform takes images of torch.uint8; got {signal.dtype}: round and clip them")
        self.layout(tuple(signal.shape[-3:]))
        planes = [signal[..., 0, :, :]]
        h, v = self._factors(signal.shape[-3])
        if signal.shape[-3] == 3:
            luma, *chroma = rgb_to_ycbcr(signal).unbind(-3)
            planes = [luma, *(downsample(pad_to_multiple(plane, (v, h)), (h, v)) for plane in chroma)]
        planes[0] = pad_to_multiple(planes[0], (v * self.size, h * self.size))
        return {name: self._coefficients(plane) for name, plane in zip(_COMPONENTS, planes, strict=False)}

    def signal(self, fields: Mapping[str, Tensor], shape: tuple[int, ...]) -> Tensor:
        """The image of coefficients, ``(..., C, H, W)`` uint8."""
        channels, height, width = shape[-3:]
        planes = [self._samples(part) for part in fields.values()]
        luma = crop(planes[0], (height, width))
        if channels == 1:
            return luma.unsqueeze(-3)
        h, v = self._factors(channels)
        small = -(-height // v), -(-width // h)
        chroma = (crop(upsample(crop(plane, small), (h, v)), (height, width)) for plane in planes[1:])
        return ycbcr_to_rgb(torch.stack([luma, *chroma], -3))

    def whole(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """``(C, H, W)`` of images of whole blocks.

        Raises:
            ValueError: If there are other channels than those of grey or colour images.
        """
        for channels in (1, 3):
            h, v = self._factors(channels)
            if shape[0] == self.layout((channels, None, None)).shape[0]:
                return channels, shape[1] * v * self.size, shape[2] * h * self.size
        raise InputError(f"{self!r} makes codes of grey and colour images; got {shape[0]} channels")

    def layout(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """Fields luma, cb and cr, and the greatest coefficients that images of 8 bits can give.

        Raises:
            ValueError: If the shape is not (1 or 3, height, width).
        """
        if len(shape) != 3 or shape[0] not in (1, 3) or 0 in shape:
            raise InputError(f"HEVCTransform takes images of shape (1 or 3, height, width); got {tuple(shape)}")
        h, v = self._factors(shape[0])
        sizes = zip(shape[1:], (v, h), strict=True)
        grid = [None if size is None else -(-size // (self.size * factor)) for size, factor in sizes]
        low = [-limit for limit in self._limits]
        names = zip(_COMPONENTS[: shape[0]], ((v, h), (), ()), strict=False)
        return CodeSpec([Field(name, low, self._limits, True, cells) for name, cells in names], grid)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"size={self.size}, sine={self.sine}, chroma_subsampling={self.chroma_subsampling!r}"

    def _factors(self, channels: int) -> tuple[int, int]:
        return SAMPLING_FACTORS[self.chroma_subsampling] if channels == 3 else (1, 1)

    def _coefficients(self, plane: Tensor) -> Tensor:
        """``(..., H, W)`` uint8 to ``(..., size**2, rows, columns)``."""
        blocks = to_blocks(plane.unsqueeze(-3), (self.size, self.size))
        square = torch.unflatten(blocks.float().sub_(128), -1, (self.size, self.size))
        return hevc_transform(square, self.sine).flatten(-2).movedim(-1, -3)

    def _samples(self, coefficients: Tensor) -> Tensor:
        """``(..., size**2, rows, columns)`` to ``(..., H, W)`` uint8."""
        square = torch.unflatten(coefficients.movedim(-3, -1), -1, (self.size, self.size))
        samples = (inverse_hevc_transform(square, self.sine) + 128).clamp(0, 255).to(torch.uint8)
        return from_blocks(samples.flatten(-2), (self.size, self.size)).squeeze(-3)


class HEVCQuantizer(Quantizer):
    """HEVC's quantizer of the coefficients of `HEVCTransform`: decoded to the bit as the standard scales levels.

    How an encoder rounds is its own affair: ``sign(c) floor(|c| / step + rounding)``, by default with the 1/3 of the
    reference encoder's intra blocks. ``step_sizes``, and so ``TransformCodec.steps``, are in the units of samples, for
    orthonormal transforms: ``2**((qp - 4) / 6)`` times factor / 16.

    Args:
        qp: Quantization parameter, 0 (fine) to 51 (coarse); six more double the step.
        size: Of blocks, that of the transform.
        scaling_list: Factors of the frequencies, 1 to 255, 4 x 4 for blocks of 4, else 8 x 8, such as
            `lossy_lightning.functional.HEVC_INTRA_SCALING`; None: 16 for all, even steps.
        rounding: 0 to 0.5.

    Raises:
        ValueError: If an argument is none of these.

    Source: ITU-T H.265 (2021), 8.6.4.1; the HM software, ``TComTrQuant.cpp``.

    Example:
        >>> HEVCQuantizer(28, size=4).step_sizes(16)[0]
        tensor(16.)
    """

    idempotent = True

    def __init__(
        self,
        qp: int,
        size: int = 8,
        scaling_list: Sequence[Sequence[int]] | Tensor | None = None,
        rounding: float = 1 / 3,
    ) -> None:
        super().__init__()
        check_integers(0, qp=qp)
        check_numbers(0, 0.5, rounding=rounding)
        if qp > 51:
            raise InputError(f"qp is a whole number from 0 to 51; got {qp}")
        self.qp = qp
        self.size = size
        self.scaling_list = scaling_list
        self.rounding = rounding
        self._scaling = _checked(hevc_scaling, size, scaling_list)
        self._steps = hevc_steps(qp, self._scaling).flatten().float() * (128 / size)

    @property
    def dtype(self) -> torch.dtype:
        """16 bits, as the standard has them."""
        return torch.int16

    def quantize(self, values: Tensor) -> Tensor:
        """Levels of coefficients ``(..., C, rows, columns)``, of 16 bits."""
        self._check_channels(values.shape[-3])
        steps = self._steps.to(values.device).view(-1, 1, 1)
        levels = values / steps
        return levels.add_(levels.sign(), alpha=self.rounding).to(self.dtype)

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        """Scaled coefficients of levels, to the bit."""
        self._check_channels(code.shape[-3])
        levels = torch.unflatten(code.movedim(-3, -1), -1, (self.size, self.size))
        return hevc_scale(levels, self.qp, self._scaling).flatten(-2).float().movedim(-1, -3)

    def level_ranges(self, bounds: Sequence[float]) -> list[tuple[int, int]]:
        """Levels of the least and the greatest coefficient of each frequency."""
        self._check_channels(len(bounds))
        steps = zip(bounds, self._steps.tolist(), strict=True)
        most = [int(min(bound / step + self.rounding, 2**15 - 1)) for bound, step in steps]
        return [(-one, one) for one in most]

    def step_sizes(self, channels: int) -> Tensor:
        """The step of each frequency, in the units of samples."""
        self._check_channels(channels)
        return self._steps * (self.size / 128)

    def _check_channels(self, channels: int) -> None:
        if channels != self.size**2:
            raise InputError(
                f"HEVCQuantizer of blocks of {self.size} takes {self.size**2} channels; got {channels}: give it the "
                "size of the transform"
            )


def _checked(make: Callable[..., Tensor], *arguments: Any) -> Tensor:
    """What a function makes; its complaint as an error of ours."""
    try:
        return make(*arguments)
    except ValueError as error:
        raise InputError(str(error)) from None
