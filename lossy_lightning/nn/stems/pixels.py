"""Stems that read decoded pixels: the controls of networks on coefficients."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossy_lightning.core import CodeSpec, Stem
from lossy_lightning.functional import SAMPLING_FACTORS, jpeg_transform


class SpaceToDepth(Stem):
    """Pixels scaled to [-1, 1], those of a square patch side by side: ``(N, C, H, W)`` to ``(N, C * n * n, H/n, W/n)``.

    The pixels' own way to a coarse grid: the control for `Unfold` by ``8 / patch``, on the same layers behind.

    Args:
        spec: Of the pixels, such as those of `PCM`.
        patch: Height and width ``n`` of a patch.

    Raises:
        ValueError: Where it does not divide height and width, or images differ in size.

    Example:
        >>> SpaceToDepth(CodeSpec.uniform((3, 32, 32), 0, 255, ordinal=True)).shape
        (12, 16, 16)
    """

    low: Tensor
    span: Tensor

    def __init__(self, spec: CodeSpec, patch: int = 2) -> None:
        super().__init__()
        channels, height, width = _image_shape(spec)
        if patch < 1 or height % patch or width % patch:
            raise ValueError(f"a patch divides height and width; got {patch=}, shape {spec.shape}")
        self.patch = patch
        self.shape = (channels * patch**2, height // patch, width // patch)
        self.register_buffer("low", torch.tensor(spec.low).view(-1, 1, 1), persistent=False)
        span = torch.tensor(spec.levels).view(-1, 1, 1) - 1
        self.register_buffer("span", span.clamp(min=1), persistent=False)

    def forward(self, code: Tensor) -> Tensor:
        """Features of pixels."""
        return F.pixel_unshuffle((code - self.low) * (2 / self.span) - 1, self.patch)


class BlockDCT(Stem):
    """Coefficients of decoded pixels, by a fixed 8x8 convolution of stride 8; then a stem for coefficients.

    The sceptics' control: what a network on coefficients reads is only this convolution of pixels. It gives the
    numbers that JPEG has before it rounds them, in the layout of its codes. Of chroma that is averaged over
    ``(h, v)`` pixels, the convolution is that much larger.

    Args:
        spec: Of RGB pixels, 0 to 255, such as those of ``PCM``, of whole MCUs.
        chroma_subsampling: Of the coefficients, as of `JPEG`.
        then: Makes a stem of the coefficients' spec, such as `FrequencyBatchNorm`; by default none. It is not adapted,
            since the statistics are those of pixels.

    Raises:
        ValueError: Where pixels are not RGB from 0 to 255, sizes no multiples of an MCU, or images differ in size.

    Source: ITU-T T.81 (1992), annex A.3.3; T.871 (2011).

    Example:
        >>> BlockDCT(CodeSpec.uniform((3, 224, 224), 0, 255, ordinal=True), "4:2:0").shape
        (384, 14, 14)
    """

    luma: Tensor
    chroma: Tensor
    offset: Tensor

    def __init__(
        self,
        spec: CodeSpec,
        chroma_subsampling: str = "4:2:0",
        then: Callable[[CodeSpec], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        channels, height, width = _image_shape(spec)
        if channels != 3 or set(spec.low) != {0} or set(spec.high) != {255}:
            raise ValueError(f"BlockDCT reads RGB pixels from 0 to 255; got {spec}: use PCM()")
        if isinstance(then, nn.Module):
            raise ValueError(
                f"then makes a stem; got {type(then).__name__}(...), which is made already: pass its class"
            )
        if chroma_subsampling not in SAMPLING_FACTORS:
            raise ValueError(f"chroma_subsampling must be one of {list(SAMPLING_FACTORS)}; got {chroma_subsampling!r}")
        self.factors = h, v = SAMPLING_FACTORS[chroma_subsampling]
        if height % (8 * v) or width % (8 * h):
            raise ValueError(f"BlockDCT reads whole MCUs of {8 * v}x{8 * h} pixels; got shape {spec.shape}: crop them")
        luma, _, _ = _responses((1, 1))
        _, *chroma = _responses(self.factors)
        self.register_buffer("luma", luma, persistent=False)
        self.register_buffer("chroma", torch.cat(chroma), persistent=False)
        offset = torch.zeros(64)
        offset[0] = -8 * 128
        self.register_buffer("offset", offset, persistent=False)
        grid = height // (8 * v), width // (8 * h)
        # Of samples from 0 to 255, of an orthonormal transform.
        coefficients = CodeSpec.uniform((64 * (h * v + 2), *grid), -1024, 1024, ordinal=True)
        self.then = nn.Identity() if then is None else then(coefficients)
        self.shape = coefficients.shape if then is None else self.then.shape  # type: ignore[assignment]

    def forward(self, code: Tensor) -> Tensor:
        """Features of pixels."""
        pixels = code.float()
        h, v = self.factors
        luma = F.conv2d(pixels, self.luma, self.offset, stride=8)
        batch, _, rows, columns = luma.shape
        # Blocks of one MCU side by side, as in the codes.
        cells = luma.view(batch, 64, rows // v, v, columns // h, h).permute(0, 3, 5, 1, 2, 4)
        stacked = cells.reshape(batch, 64 * h * v, rows // v, columns // h)
        chroma = F.conv2d(pixels, self.chroma, stride=(8 * v, 8 * h))
        features: Tensor = self.then(torch.cat([stacked, chroma], 1))
        return features


def _responses(factors: tuple[int, int]) -> tuple[Tensor, ...]:
    """Kernels ``(64, 3, height, width)`` of each component: its coefficients of each pixel of an MCU alone."""
    h, v = factors
    size = 8 * v, 8 * h
    impulses = torch.eye(3 * size[0] * size[1]).view(-1, 3, *size).double()
    # The transform is affine: of zeros it gives the level shift.
    made, shift = jpeg_transform(impulses, factors), jpeg_transform(torch.zeros_like(impulses[:1]), factors)
    first = [(made[i] - shift[i])[:, 0, 0] for i in range(3)]
    return tuple(each.reshape(3, *size, 64).movedim(-1, 0).float() for each in first)


def _image_shape(spec: CodeSpec) -> tuple[int, int, int]:
    channels, *size = spec.shape
    # A patch at the end of a padded image would mix it with padding.
    if channels is None or len(size) != 2 or None in size:
        raise ValueError(f"this stem reads images (C, H, W) of one size; got codes of shape {spec.shape}: crop them")
    height, width = (side or 0 for side in size)
    return channels, height, width
