"""Coefficients of decoded pixels: the control of networks on coefficients."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from lossy_lightning.core import ByField, CodeSpec, Field, InputError, Stem
from lossy_lightning.core.arguments import check_maker
from lossy_lightning.functional import SAMPLING_FACTORS, jpeg_transform
from lossy_lightning.nn.stems.space_to_depth import image_size


class BlockDCT(Stem):
    """Coefficients of decoded pixels, by a fixed 8x8 convolution of stride 8; then a stem for coefficients.

    The sceptics' control: what a network on coefficients reads is only this convolution of pixels. It gives the
    numbers that JPEG has before it rounds them, in the layout of its codes. Of chroma that is averaged over
    ``(h, v)`` pixels, the convolution is that much larger.

    Args:
        spec: Of RGB pixels, 0 to 255, such as those of ``PCM``, of whole MCUs.
        chroma_subsampling: Of the coefficients, as of `JPEG`.
        then: Makes a stem of the coefficients' spec, of the fields luma, cb and cr, such as `FrequencyBatchNorm`; by
            default none. It is not adapted, since the statistics are those of pixels.

    Raises:
        ValueError: If pixels are not RGB from 0 to 255, sizes are no multiples of an MCU, or images differ in size.

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
        then: Callable[[CodeSpec], Stem] | None = None,
    ) -> None:
        super().__init__(spec)
        height, width = image_size(spec)
        if len(spec.low) != 3 or set(spec.low) != {0} or set(spec.high) != {255}:
            raise InputError(f"BlockDCT reads RGB pixels from 0 to 255; got {spec}: use PCM()")
        if then is not None:
            check_maker("then", then, spec)
        if chroma_subsampling not in list(SAMPLING_FACTORS):
            raise InputError(f"chroma_subsampling must be one of {list(SAMPLING_FACTORS)}; got {chroma_subsampling!r}")
        self.factors = h, v = SAMPLING_FACTORS[chroma_subsampling]
        if height % (8 * v) or width % (8 * h):
            raise InputError(f"BlockDCT reads whole MCUs of {8 * v}x{8 * h} pixels; got shape {spec.shape}: crop them")
        luma, _, _ = _responses((1, 1))
        _, *chroma = _responses(self.factors)
        self.register_buffer("luma", luma, persistent=False)
        self.register_buffer("chroma", torch.cat(chroma), persistent=False)
        offset = torch.zeros(64)
        offset[0] = -8 * 128
        self.register_buffer("offset", offset, persistent=False)
        # Of samples from 0 to 255, of an orthonormal transform.
        low, high = (-1024,) * 64, (1024,) * 64
        fields = [Field(name, low, high, True, (v, h) if name == "luma" else ()) for name in ("luma", "cb", "cr")]
        coefficients = CodeSpec(fields, (height // (8 * v), width // (8 * h)))
        self.then = None if then is None else then(coefficients)
        self.shape = coefficients.shape if self.then is None else self.then.shape

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> ByField | tuple[ByField, ByField]:
        """Features of pixels, and their own sizes, whole MCUs, if images are padded."""
        pixels = code.float()
        h, v = self.factors
        luma = F.conv2d(pixels, self.luma, self.offset, stride=8)
        batch, _, rows, columns = luma.shape
        # Blocks of one MCU side by side, as in the codes.
        cells = luma.view(batch, 64, rows // v, v, columns // h, h).permute(0, 3, 5, 1, 2, 4)
        stacked = cells.reshape(batch, 64 * h * v, rows // v, columns // h)
        chroma = F.conv2d(pixels, self.chroma, stride=(8 * v, 8 * h))
        coefficients = torch.cat([stacked, chroma], 1)
        sizes = None if grid_size is None else grid_size // torch.tensor((8 * v, 8 * h), device=grid_size.device)
        if self.then is not None:
            features: ByField | tuple[ByField, ByField] = self.then(coefficients, sizes)
            return features
        return coefficients if sizes is None else (coefficients, sizes)


def _responses(factors: tuple[int, int]) -> tuple[Tensor, ...]:
    """Kernels ``(64, 3, height, width)`` of each component: its coefficients of each pixel of an MCU alone."""
    h, v = factors
    size = 8 * v, 8 * h
    impulses = torch.eye(3 * size[0] * size[1]).view(-1, 3, *size).double()
    # The transform is affine: of zeros it gives the level shift.
    made, shift = jpeg_transform(impulses, factors), jpeg_transform(torch.zeros_like(impulses[:1]), factors)
    first = [(made[i] - shift[i])[:, 0, 0] for i in range(3)]
    return tuple(each.reshape(3, *size, 64).movedim(-1, 0).float() for each in first)
