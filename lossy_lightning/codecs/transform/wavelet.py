"""JPEG 2000's wavelets, as an analysis of images."""

from collections.abc import Mapping
from functools import cache
from itertools import chain
from math import ceil, prod

import torch
from torch import Tensor

from lossy_lightning.codecs.transform.analysis import FieldAnalysis
from lossy_lightning.core import CodeSpec, Field, InputError
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.functional import (
    Subbands,
    crop,
    ict_to_rgb,
    inverse_wavelet,
    mirror_to,
    rct_to_rgb,
    rgb_to_ict,
    rgb_to_rct,
    wavelet,
)

_MAX_LEVELS = 6


class Wavelet(FieldAnalysis):
    """Subbands of images, as JPEG 2000 makes them: colour transform, then a wavelet transform with symmetric edges.

    Fields are the subbands, the coarsest first: ``ll``, then ``hl_l``, ``lh_l`` and ``hh_l`` of each level, from
    ``levels`` to 1. The grid has one position for each ``2**levels`` samples; a finer subband has ``2**(levels - l)``
    cells along each axis. Each subband has exactly the standard's coefficients; what the grid has beyond them mirrors
    them, and is left out again in decoding.

    ``TransformCodec(Wavelet(3), DeadZone(0.5))`` quantizes as the standard's *derived* steps do: 0.5 is the step of
    ``ll``, and each level that is finer, and each high frequency, doubles it. ``TransformCodec(Wavelet(1), {"ll":
    DeadZone(0.5), "hl_1": DeadZone(2.0), …})`` gives a step for each subband. ``TransformCodec(Wavelet(3, "5/3"),
    DeadZone(1.0, reconstruction=0.0))`` is lossless.

    Args:
        levels: How often low frequencies are split, 1 to 6.
        kernel: ``"9/7"``, in floating point after the irreversible colour transform (YCbCr), or ``"5/3"``, in integers
            after the reversible one. Steps of the 5/3 are all alike, as it is made for a step of 1.

    Raises:
        ValueError: If an argument is none of these.

    Source: ITU-T T.800 (2019), annexes E to G.

    Example:
        >>> from lossy_lightning.codecs import DeadZone, TransformCodec
        >>> codec = TransformCodec(Wavelet(2), DeadZone(0.5))
        >>> code = codec.encode(torch.full((3, 30, 41), 9, dtype=torch.uint8))
        >>> {name: tuple(part.shape) for name, part in codec.spec((3, 30, 41)).split(code).items()}["hl_1"]
        (3, 16, 22)
    """

    signal_axes = 3

    def __init__(self, levels: int, kernel: str = "9/7") -> None:
        super().__init__()
        check_integers(1, levels=levels)
        if levels > _MAX_LEVELS or kernel not in ("9/7", "5/3"):
            raise InputError(f"Wavelet has 1 to {_MAX_LEVELS} levels, by '9/7' or '5/3'; got {levels=}, {kernel=}")
        self.levels = levels
        self.kernel = kernel

    def fields(self, signal: Tensor) -> dict[str, Tensor]:
        """Subbands of images ``(..., C, H, W)`` uint8, mirrored to fill their part of the grid.

        Raises:
            ValueError: If the signal is not uint8 with one or three channels, or smaller than one position.
        """
        if signal.dtype != torch.uint8:
            raise InputError(f"Wavelet takes images of torch.uint8; got {signal.dtype}: round and clip the signal")
        layout = self.layout(tuple(signal.shape[-3:]))
        low, details = wavelet(self._planes(signal), self.levels)
        bands = [low, *chain.from_iterable(reversed(details))]  # the coarsest first
        fields = zip(layout.fields, bands, strict=True)
        return {field.name: _extend(band, _size(field, layout.grid)).float() for field, band in fields}

    def signal(self, fields: Mapping[str, Tensor], shape: tuple[int, ...]) -> Tensor:
        """The image of subbands, ``(..., C, H, W)`` uint8."""
        parts = {name: part.round().int() for name, part in fields.items()} if self.kernel == "5/3" else fields
        height, width = shape[-2:]
        details = []
        for level in range(1, self.levels + 1):
            up, left = -(-height // 2), -(-width // 2)
            sizes = {"hl": (up, width // 2), "lh": (height // 2, left), "hh": (height // 2, width // 2)}
            details.append(Subbands(*(crop(parts[f"{kind}_{level}"], size) for kind, size in sizes.items())))
            height, width = up, left
        return self._image(inverse_wavelet(crop(parts["ll"], (height, width)), details))

    def whole(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """``(C, H, W)`` of images without an incomplete position."""
        channels, *grid = shape
        return channels // 4**self.levels, *(size << self.levels for size in grid)

    def layout(self, shape: tuple[int | None, ...]) -> CodeSpec:
        """The subbands, and the greatest values that images of 8 bits can give.

        Raises:
            ValueError: If the shape is not (1 or 3, height, width), or an image is smaller than one position.
        """
        if len(shape) != 3 or shape[0] not in (1, 3):
            raise InputError(f"Wavelet takes images of shape (1 or 3, height, width); got {tuple(shape)}")
        if any(size is not None and size < 2**self.levels for size in shape[1:]):
            raise InputError(
                f"Wavelet({self.levels}) needs images of {2**self.levels} or more samples along each axis; got "
                f"{tuple(shape[1:])}: take fewer levels"
            )
        grid = [None if size is None else -(-size // 2**self.levels) for size in shape[1:]]
        gains = _gains(self.levels, self.kernel)
        planes = (128, 255, 255) if self.kernel == "5/3" else (128, 128, 128)
        fields = []
        for name, level in _names(self.levels):
            bounds = [ceil(gains[name] * plane) for plane in planes[: shape[0]]]
            cells = (2 ** (self.levels - level),) * 2
            fields.append(Field(name, [-bound for bound in bounds], bounds, True, cells))
        return CodeSpec(fields, grid)

    def units(self) -> Mapping[str, float]:
        """The standard's derived steps, of that of ``ll``; the same for all of the 5/3."""
        if self.kernel == "5/3":
            return {}
        highs = {"ll": 0, "hl": 1, "lh": 1, "hh": 2}
        return {name: 2.0 ** (highs[name[:2]] + self.levels - level) for name, level in _names(self.levels)}

    def extra_repr(self) -> str:
        """The arguments."""
        return f"levels={self.levels}, kernel={self.kernel!r}"

    def _planes(self, image: Tensor) -> Tensor:
        """Components around zero: int16, or float32 for the 9/7."""
        colour = image.shape[-3] == 3
        if self.kernel == "5/3":
            centred = image.to(torch.int16) - 128
            return rgb_to_rct(centred) if colour else centred
        centred = image.float().sub_(128)
        return rgb_to_ict(centred) if colour else centred

    def _image(self, planes: Tensor) -> Tensor:
        colour = planes.shape[-3] == 3
        if self.kernel == "5/3":
            image = (rct_to_rgb(planes) if colour else planes) + 128
        else:
            image = (ict_to_rgb(planes) if colour else planes).add(128).round()
        return image.clamp(0, 255).to(torch.uint8)


def _names(levels: int) -> list[tuple[str, int]]:
    """Subbands and their levels, the coarsest first."""
    details = ((f"{kind}_{level}", level) for level in range(levels, 0, -1) for kind in ("hl", "lh", "hh"))
    return [("ll", levels), *details]


def _size(field: Field, grid: tuple[int | None, ...]) -> list[int]:
    """Size of a field on a known grid."""
    return [(size or 0) * cells for size, cells in zip(grid, field.cells or (1, 1), strict=True)]


def _extend(band: Tensor, size: list[int]) -> Tensor:
    """A subband mirrored at its lower and right edge until it fills its part of the grid."""
    return mirror_to(mirror_to(band, size[0], -2), size[1], -1)


@cache
def _gains(levels: int, kernel: str) -> dict[str, float]:
    """How many times the greatest sample a coefficient of each subband can be: sums of the filters' absolute taps."""
    one = 1 << 20  # whole numbers so large that rounding does not matter; a row so long that edges do not
    rows = one * torch.eye(12 << levels, dtype=torch.int64 if kernel == "5/3" else torch.float64).unsqueeze(1)
    along = {}
    for level in range(1, levels + 1):
        low, details = wavelet(rows, level)
        along[level] = [float(band.abs().sum(0).max()) / one for band in (low, details[-1].hl)]
    highs = {"ll": (0, 0), "hl": (0, 1), "lh": (1, 0), "hh": (1, 1)}
    gains = {name: 1.001 * prod(along[level][high] for high in highs[name[:2]]) for name, level in _names(levels)}
    # What a floor takes off adds up to at most one level for each split.
    slack = levels / 16 if kernel == "5/3" else 0.0
    return {name: gain + slack for name, gain in gains.items()}
