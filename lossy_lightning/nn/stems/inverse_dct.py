"""Coefficients back on a finer grid, by an inverse DCT that may be trained."""

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lossy_lightning.core import CodeSpec, InputError
from lossy_lightning.core.arguments import check_numbers
from lossy_lightning.functional import idct, repeat, spread, ycbcr_to_rgb
from lossy_lightning.nn.stems._coefficients import CoefficientStem


class InverseDCT(CoefficientStem):
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
        spec: Of a code of 8x8 blocks, such as that of `JPEG`.
        factor: Places made of a block of luma along each axis: 1, 2, 4 or 8.
        trainable: Whether the transform is trained. The fields of chroma share theirs.
        relative: Whether what is trained is relative to the exact transform.
        rate: Of the relative change: a learning rate for this layer, as a multiple of the optimizer's.
        per_frequency: Whether only a relative gain for each frequency is trained, so that the basis stays orthogonal.
        rgb: Whether features are R, G and B, by the fixed map of JFIF; chroma is repeated if luma has more samples.
        fields: Names of the fields to read, luma first; None: all that are not constant.

    Raises:
        ValueError: If a field is not of 8x8 blocks, the factor is none of those, what is to be RGB has not three
            fields, or the arguments of training contradict each other.

    Source: ITU-T T.81 (1992), annex A.3.3; T.871 (2011), section 7.

    Example:
        >>> from lossy_lightning.codecs import JPEG
        >>> spec = JPEG(chroma_subsampling="4:4:4").spec((3, 32, 32))
        >>> InverseDCT(spec, factor=4).shape, InverseDCT(spec).shape
        ((12, 16, 16), (3, 32, 32))
    """

    luma_basis: Tensor
    chroma_basis: Tensor

    def __init__(
        self,
        spec: CodeSpec,
        factor: int = 8,
        trainable: bool = False,
        relative: bool = True,
        rate: float = 1.0,
        per_frequency: bool = False,
        rgb: bool = False,
        fields: Sequence[str] | None = None,
    ) -> None:
        super().__init__(spec, fields)
        check_numbers(0, rate=rate)
        if factor not in (1, 2, 4, 8):
            raise InputError(f"a block is made 1, 2, 4 or 8 places along each axis; got {factor=}")
        if per_frequency and not (trainable and relative):
            raise InputError("gains of frequencies are relative: per_frequency needs trainable=True and relative=True")
        if rgb and len(self.blocks) != 3:
            raise InputError(
                f"grey has no colours: rgb=True needs codes of three components; got the fields "
                f"{[field.name for field in self.blocks]}"
            )
        h, v = self.factors
        self.relative, self.rate, self.rgb, self.factor = relative, rate, rgb, factor
        self.grids = [(factor, factor), (min(8, factor * h), min(8, factor * v))]
        self.repeats = factor * h // self.grids[1][0], factor * v // self.grids[1][1]
        for name, grid in zip(("luma", "chroma"), self.grids, strict=True):
            self._add_transform(name, inverse_basis(grid), trainable, per_frequency)
        used = [self.grids[0]] * 3 if rgb else [self.grids[0], *[self.grids[1]] * (len(self.blocks) - 1)]
        samples = sum(64 // (across * down) for across, down in used)
        rows, columns = self.spec.grid
        self.shape = (
            samples,
            None if rows is None else factor * v * rows,
            None if columns is None else factor * h * columns,
        )

    def _add_transform(self, name: str, basis: Tensor, trainable: bool, per_frequency: bool) -> None:
        """The exact transform of luma or chroma, if it is needed, and what is trained of it."""
        if self.relative or not trainable:
            self.register_buffer(f"{name}_basis", basis, persistent=False)
        if trainable and (name == "luma" or len(self.blocks) > 1):
            size = (1, 64) if per_frequency else (64, 64)
            self.register_parameter(name, nn.Parameter(torch.zeros(size) if self.relative else basis.clone()))
        else:
            self.register_parameter(name, None)

    def forward(self, code: Tensor, grid_size: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Features of a code, and their own sizes if it is padded."""
        luma, *others = (values / 128 for values in self.coefficients(code))
        features = self._unfold(spread(luma, self.factors), "luma", self.grids[0])
        if others:
            # The fields of chroma as if they were examples: they share the transform.
            chroma = self._unfold(torch.stack(others, 1).flatten(0, 1), "chroma", self.grids[1])
            chroma = torch.unflatten(repeat(chroma, self.repeats), 0, (-1, len(others)))
            features = self._rgb(features, chroma) if self.rgb else torch.cat([features, chroma.flatten(1, 2)], 1)
        if grid_size is None:
            return features
        return features, self.factor * self.spec.field_grid(self.blocks[0].name, grid_size)

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
