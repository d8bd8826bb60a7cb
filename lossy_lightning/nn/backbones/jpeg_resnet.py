"""ResNet-50 straight from JPEG: luma and chroma of unequal size joined early, or late."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lossy_lightning.functional import mcu_layout, spread
from lossy_lightning.functional.jpeg.mcu import repeat
from lossy_lightning.nn.backbones._resnet_blocks import (
    Bottleneck,
    masked,
    pooled,
    through,
)
from lossy_lightning.nn.backbones.resnet import (
    ResNet,
    initialise,
    read_channels,
    tail_stage,
)

#: Kernels of the receptive-field-aware first blocks: a coefficient sees 8 pixels already.
_KERNELS = (1, 2, 3)


class UpSampling(nn.Module):
    """Chroma brought to luma's grid, then ResNet-50 from its second stage on, whose first stride is 1.

    Plain where ``aware`` is None; receptive-field-aware (RFA) where three blocks of kernels 1, 2 and 3 stand before
    that stage. It reads normalised coefficients in the layout of codes, such as `FrequencyBatchNorm` gives; what is
    left of the ResNet has its names, so that `load_rgb_weights` fits.

    Args:
        shape: Shape ``(C, rows, columns)`` of the features.
        num_classes: Number of outputs.
        chroma_subsampling: Of the code, as of `JPEG`.
        learned: Whether a transposed convolution of each chroma component does it (deconvolution), else repetition.
        aware: Width and output channels of the three aware blocks, ``(256, 1024)`` as published; None for none.
        depths: As of `ResNet`.
        widths: As of `ResNet`.
        v1: As of `ResNet`; the published networks are v1.

    Raises:
        ValueError: Where the features are not those of a colour code of that subsampling, or there are not four stages.

    Source: Gueguen et al., Faster neural networks straight from JPEG, NeurIPS 2018, section 4.2 (UpSampling,
        Deconvolution, and their RFA); the widths of a public re-implementation, jpeg_deep.

    Example:
        >>> with torch.device("meta"):
        ...     UpSampling((384, 14, 14), 1000)(torch.randn(2, 384, 14, 14)).shape
        torch.Size([2, 1000])
    """

    def __init__(
        self,
        shape: tuple[int | None, ...],
        num_classes: int,
        chroma_subsampling: str = "4:2:0",
        learned: bool = False,
        aware: tuple[int, int] | None = None,
        depths: Sequence[int] = (3, 4, 6, 3),
        widths: Sequence[int] = (64, 128, 256, 512),
        v1: bool = True,
    ) -> None:
        super().__init__()
        _check_stages(depths, widths, aware)
        self.factors = factors = _colour_factors(shape, chroma_subsampling)
        h, v = factors
        self.deconvolutions = nn.ModuleList(
            nn.ConvTranspose2d(64, 64, (v, h), stride=(v, h)) for _ in range(2 if learned else 0)
        )
        channels = 192
        blocks: list[nn.Module] = []
        for kernel_size in _KERNELS if aware is not None else ():
            width, outputs = aware or (0, 0)
            blocks.append(Bottleneck(channels, width, outputs, 1, kernel_size, v1))
            channels = outputs
        self.aware = nn.Sequential(*blocks)
        initialise(self)
        self.resnet = ResNet((channels, None, None), num_classes, depths, widths, (1, 1, 2, 2), v1=v1, skip=2)

    def forward(self, features: Tensor, grid_size: Tensor | None = None) -> Tensor:
        """Logits ``(N, num_classes)`` of features ``(N, C, rows, columns)``, of which ``grid_size`` are its own."""
        luma, *chroma = _components(features, self.factors)
        if self.deconvolutions:
            chroma = [layer(c) for layer, c in zip(self.deconvolutions, chroma, strict=True)]
        else:
            chroma = [repeat(c, self.factors) for c in chroma]
        size = _luma_size(grid_size, self.factors)
        joined, _ = through(self.aware, masked(torch.cat([luma, *chroma], 1), size), size)
        logits: Tensor = self.resnet(joined, size)
        return logits


class LateConcat(nn.Module):
    """Luma and chroma in towers of their own, joined where ResNet-50's third stage has had its stride.

    Luma: three blocks of kernels 1, 2 and 3 (receptive-field-aware, RFA), a stage of stride 1, and a block of stride
    2; chroma: one block of kernel 1; then the rest of ResNet-50, under its names. The defaults are RFA-Thinner; RFA is
    ``aware=(256, 1024), luma=(128, 512), joint=(128, 512), chroma=(128, 512)``, plain is the same with ``aware=None``.
    It reads normalised coefficients in the layout of codes, such as `FrequencyBatchNorm` gives, also padded ones.

    Args:
        shape: Shape ``(C, rows, columns)`` of the features.
        num_classes: Number of outputs.
        chroma_subsampling: Of the code, as of `JPEG`. Luma must have twice chroma's rows and columns.
        aware: Width and output channels of the aware blocks; None for none.
        luma: The same of luma's second stage, of ``depths[1]`` blocks.
        joint: The same of luma's block of stride 2.
        chroma: The same of chroma's block. Its outputs and those of ``joint`` are what the third stage reads.
        depths: Blocks of each stage of the ResNet; of the third, the first block is not made.
        widths: Channels of each stage of the ResNet.
        v1: As of `ResNet`; the published networks are v1.

    Raises:
        ValueError: Where the features are not those of a 4:2:0 code, there are not four stages, or the towers' outputs
            do not add up to four times ``widths[2]``.

    Source: Gueguen et al., Faster neural networks straight from JPEG, NeurIPS 2018, section 4.2 (Late-Concat, RFA,
        RFA-Thinner); the widths of a public re-implementation, jpeg_deep.

    Example:
        >>> with torch.device("meta"):
        ...     LateConcat((384, 14, 14), 1000)(torch.randn(2, 384, 14, 14)).shape
        torch.Size([2, 1000])
    """

    def __init__(
        self,
        shape: tuple[int | None, ...],
        num_classes: int,
        chroma_subsampling: str = "4:2:0",
        aware: tuple[int, int] | None = (256, 384),
        luma: tuple[int, int] = (128, 384),
        joint: tuple[int, int] = (128, 768),
        chroma: tuple[int, int] = (128, 256),
        depths: Sequence[int] = (3, 4, 6, 3),
        widths: Sequence[int] = (64, 128, 256, 512),
        v1: bool = True,
    ) -> None:
        super().__init__()
        _check_stages(depths, widths, aware)
        self.factors = _colour_factors(shape, chroma_subsampling)
        if self.factors != (2, 2):
            raise ValueError(
                "LateConcat halves luma to meet chroma, so it reads 4:2:0; got "
                f"{chroma_subsampling}: use UpSampling, or a codec of chroma subsampling 4:2:0"
            )
        third, fourth = 4 * widths[2], 4 * widths[3]
        if joint[1] + chroma[1] != third:
            raise ValueError(f"outputs of joint and chroma add up to 4 * widths[2] = {third}; got {joint=}, {chroma=}")
        blocks, channels = [], 64
        for kernel_size in _KERNELS if aware is not None else ():
            width, outputs = aware or (0, 0)
            blocks.append(Bottleneck(channels, width, outputs, 1, kernel_size, v1))
            channels = outputs
        for index in range(depths[1]):
            # The first has a projection even where it changes nothing, as published.
            blocks.append(Bottleneck(channels, *luma, v1=v1, project=index == 0))
            channels = luma[1]
        self.luma = nn.Sequential(*blocks, Bottleneck(channels, *joint, stride=2, v1=v1))
        self.chroma = Bottleneck(128, *chroma, kernel_size=1, v1=v1)
        self.layer3 = tail_stage({str(i): Bottleneck(third, widths[2], third) for i in range(1, depths[2])})
        self.layer4 = nn.Sequential(
            Bottleneck(third, widths[3], fourth, 2, v1=v1),
            *(Bottleneck(fourth, widths[3], fourth) for _ in range(1, depths[3])),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(fourth, num_classes)
        initialise(self)

    def forward(self, features: Tensor, grid_size: Tensor | None = None) -> Tensor:
        """Logits ``(N, num_classes)`` of features ``(N, C, rows, columns)``, of which ``grid_size`` are its own."""
        luma, *chroma = _components(masked(features, grid_size), self.factors)
        of_luma, size = through(self.luma, luma, _luma_size(grid_size, self.factors))
        of_chroma, _ = through([self.chroma], torch.cat(chroma, 1), grid_size)
        joined, size = through([*self.layer3, *self.layer4], torch.cat([of_luma, of_chroma], 1), size)
        logits: Tensor = self.fc(pooled(self.avgpool, joined, size))
        return logits


def _check_stages(depths: Sequence[int], widths: Sequence[int], aware: tuple[int, int] | None) -> None:
    if not all(isinstance(each, Sequence) and len(each) == 4 and min(each) >= 1 for each in (depths, widths)):
        raise ValueError(
            f"depths and widths are those of the four stages of a ResNet, 1 or more each; got {depths=}, {widths=}"
        )
    if aware is not None and not (isinstance(aware, Sequence) and len(aware) == 2):
        raise ValueError(f"aware is the width and the outputs of the aware blocks, or None for none; got {aware!r}")


def _components(features: Tensor, factors: tuple[int, int]) -> tuple[Tensor, ...]:
    """Luma on the grid of its blocks, and Cb and Cr on that of MCUs, 64 channels each."""
    luma, cb, cr = torch.split(features, [64 * factors[0] * factors[1], 64, 64], 1)
    return spread(luma, factors), cb, cr


def _luma_size(grid_size: Tensor | None, factors: tuple[int, int]) -> Tensor | None:
    """Rows and columns of luma's blocks of grids ``(N, 2)`` of MCUs."""
    return None if grid_size is None else grid_size * torch.tensor(factors[::-1], device=grid_size.device)


def _colour_factors(shape: tuple[int | None, ...], chroma_subsampling: str) -> tuple[int, int]:
    layout = mcu_layout(read_channels(shape, "this network"), chroma_subsampling)
    if layout.components == 1 or layout.has_tables:
        raise ValueError(
            "this network reads the normalised coefficients of a colour image in the layout of its code, all 64 of "
            f"each block, such as those of FrequencyBatchNorm; got {shape[0]} channels: leave luma, chroma and unstack "
            "of the stem as they are"
        )
    return layout.factors
