"""Unfolding: coefficients back to a finer grid by an inverse DCT that may be trained."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossy_lightning.core import CodeSpec
from lossy_lightning.functional import idct, spread, ycbcr_to_rgb
from lossy_lightning.functional.jpeg.mcu import repeat
from lossy_lightning.nn.stems.coefficients import CoefficientStem


class Unfold(CoefficientStem):
    """Blocks of coefficients on a finer grid: a 1x1 convolution, the inverse DCT at first, and a pixel shuffle.

    Of each 8x8 block of luma ``factor * factor`` places are made, with the ``(8 / factor) ** 2`` samples of each as
    channels; a block of chroma covers ``(h, v)`` times as much of the image, so it is unfolded so many times more, up
    to single samples, which are then repeated. So all components are on one grid ``(factor * v * rows,
    factor * h * columns)``. Untrained, features are the samples (YCbCr, less 128, over 128) that a decoder computes
    before it rounds, exactly; at factor 8 those are the pixels, at lower ones space-to-depth of them. With ``rgb`` they
    are those of red, green and blue, of an equal number each, so layers that were trained on pixels fit.

    *Why a trained unfolding may lose to a frozen one.* Adam moves each weight by about its learning rate, however
    small its gradient. Coefficients differ hundredfold in size from low to high frequencies, so a step that is nothing
    to one frequency's share of a pixel outweighs another's; each of a block's 64 places drifts its own way, so features
    of a smooth image are no longer alike from place to place, which the convolutions behind rely on; and weight decay
    pulls the transform to zero. By default what is trained is therefore relative: the weights are the inverse DCT times
    ``1 + rate * delta``. ``delta`` starts at zero, one step changes each weight by the same small share of itself, and
    weight decay pulls towards the exact transform. ``relative=False`` trains the weights themselves, as the control.

    Args:
        spec: Of a JPEG code.
        chroma_subsampling: Of the code, as of `JPEG`.
        factor: Places made of a block of luma along each axis: 1, 2, 4 or 8.
        trainable: Whether the transform is trained. Cb and Cr share theirs.
        relative: Whether what is trained is relative to the exact transform.
        rate: Of the relative change: a learning rate for this layer, as a multiple of the optimizer's.
        per_frequency: Whether only a relative gain for each frequency is trained, so that the basis stays orthogonal.
        rgb: Whether features are R, G and B, by the fixed map of JFIF; chroma is repeated where luma has more samples.

    Raises:
        ValueError: Where such codes do not have that many channels, the factor is none of those, grey is to be RGB, or
            the arguments of training contradict each other.

    Source: ITU-T T.81 (1992), annex A.3.3; T.871 (2011), section 7.

    Example:
        >>> spec = CodeSpec.uniform((192, 4, 4), -1024, 1023, ordinal=True)
        >>> Unfold(spec, "4:4:4", factor=4).shape, Unfold(spec, "4:4:4").shape
        ((12, 16, 16), (3, 32, 32))
    """

    luma_basis: Tensor
    chroma_basis: Tensor

    def __init__(
        self,
        spec: CodeSpec,
        chroma_subsampling: str = "4:2:0",
        factor: int = 8,
        trainable: bool = False,
        relative: bool = True,
        rate: float = 1.0,
        per_frequency: bool = False,
        rgb: bool = False,
    ) -> None:
        super().__init__(spec, chroma_subsampling)
        if factor not in (1, 2, 4, 8):
            raise ValueError(f"a block is unfolded by 1, 2, 4 or 8; got {factor=}")
        if per_frequency and not (trainable and relative):
            raise ValueError("gains of frequencies are relative: per_frequency needs trainable=True and relative=True")
        if rgb and self.layout.components == 1:
            raise ValueError(f"grey has no colours: rgb=True needs codes of three components; got shape {spec.shape}")
        h, v = self.layout.factors
        self.relative, self.rate, self.rgb = relative, rate, rgb
        self.grids = [(factor, factor), (min(8, factor * h), min(8, factor * v))]
        self.repeats = factor * h // self.grids[1][0], factor * v // self.grids[1][1]
        bases = [inverse_basis(grid) for grid in self.grids]
        for name, basis in zip(("luma", "chroma"), bases, strict=True):
            if relative or not trainable:
                self.register_buffer(f"{name}_basis", basis, persistent=False)
            if trainable and (name == "luma" or self.layout.components == 3):
                size = (1, 64) if per_frequency else (64, 64)
                self.register_parameter(name, nn.Parameter(torch.zeros(size) if relative else basis.clone()))
            else:
                self.register_parameter(name, None)
        used = [self.grids[0]] * 3 if rgb else [*self.grids, self.grids[1]][: self.layout.components]
        samples = sum(64 // (across * down) for across, down in used)
        rows, columns = spec.shape[1:]
        grid = (None if rows is None else factor * v * rows, None if columns is None else factor * h * columns)
        self.shape = (samples, *grid)

    def forward(self, code: Tensor) -> Tensor:
        """Features of a code."""
        values = self.dequantize(code) / 128
        luma, chroma = values.tensor_split([64 * self.layout.luma_blocks], 1)
        luma = self._unfold(spread(luma, self.layout.factors), "luma", self.grids[0])
        if self.layout.components == 1:
            return luma
        # Cb and Cr as if they were two examples: they share the transform.
        pairs = self._unfold(chroma.reshape(-1, 64, *chroma.shape[2:]), "chroma", self.grids[1])
        chroma = torch.unflatten(repeat(pairs, self.repeats), 0, (-1, 2))
        return self._rgb(luma, chroma) if self.rgb else torch.cat([luma, chroma.flatten(1, 2)], 1)

    def _rgb(self, luma: Tensor, chroma: Tensor) -> Tensor:
        """Features in RGB: of luma ``(N, samples, H, W)`` and chroma ``(N, 2, its samples, H, W)``."""
        (across, down), (chroma_across, chroma_down) = self.grids
        samples = torch.unflatten(chroma, 2, (8 // chroma_down, 8 // chroma_across))
        samples = samples.repeat_interleave(chroma_down // down, 2).repeat_interleave(chroma_across // across, 3)
        ycbcr = torch.cat([luma.unsqueeze(1), samples.flatten(2, 3)], 1)
        rgb = ycbcr_to_rgb(128 * ycbcr.flatten(2, 3) + 128) / 128 - 1
        return rgb.view(ycbcr.shape).flatten(1, 2)

    def weight(self, name: str) -> Tensor:
        """The transform of a component, "luma" or "chroma", as it is now: ``(64 samples, 64 coefficients)``."""
        trained: Any = getattr(self, name)
        if trained is not None and not self.relative:
            return cast(Tensor, trained)
        exact: Tensor = getattr(self, f"{name}_basis")
        return exact if trained is None else exact * (1 + self.rate * trained)

    def _unfold(self, blocks: Tensor, name: str, grid: tuple[int, int]) -> Tensor:
        """Blocks ``(N, 64, rows, columns)`` unfolded to ``(N, samples, grid * rows, grid * columns)``."""
        return spread(F.conv2d(blocks, self.weight(name)[..., None, None]), grid)


def inverse_basis(grid: tuple[int, int]) -> Tensor:
    """Orthonormal inverse DCT ``(64 samples, 64 coefficients)`` with the samples in the order that `spread` takes.

    Args:
        grid: ``(across, down)``: samples are listed place by place of this grid over the block, and within a place
            row by row.
    """
    across, down = grid
    images = idct(torch.eye(64, dtype=torch.float64).view(64, 8, 8)).float()
    places = images.view(64, down, 8 // down, across, 8 // across).transpose(2, 3)
    return places.reshape(64, 64).T.contiguous()
