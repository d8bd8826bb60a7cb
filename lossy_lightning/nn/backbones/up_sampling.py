"""ResNet-50 straight from JPEG, chroma brought to luma's grid."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lossy_lightning.core import FeatureShape, InputError
from lossy_lightning.core.arguments import check_integer_list
from lossy_lightning.functional import repeat
from lossy_lightning.nn.backbones._by_field import KERNELS, check_stages, field_channels, finer
from lossy_lightning.nn.backbones._resnet_blocks import BottleneckBlock, masked, through
from lossy_lightning.nn.backbones.resnet import ResNet, initialise


class UpSampling(nn.Module):
    """Chroma brought to luma's grid, then ResNet-50 from its second stage on, whose first stride is 1.

    Plain if ``aware`` is None; receptive-field-aware (RFA) if three blocks of kernels 1, 2 and 3 stand before that
    stage. It reads normalised coefficients by field, such as `FrequencyBatchNorm` gives with ``by_field=True``; what
    is left of the ResNet has its names, so that `load_rgb_weights` fits.

    Args:
        shape: Shape ``(channels, rows, columns)`` of the features of each field, luma first, whose grid is the finest.
        num_classes: Number of outputs.
        learned: Whether a transposed convolution of each chroma field does it (deconvolution), else repetition.
        factors: How many times as fine as chroma's grid that of luma is, along rows and columns; None: as the shapes
            tell. Needed if ``learned`` and sizes vary.
        aware: Width and output channels of the three aware blocks, ``(256, 1024)`` as published; None for none.
        depths: As of `ResNet`.
        widths: As of `ResNet`.
        v1: As of `ResNet`; the published networks are v1.

    Raises:
        ValueError: If the features are not those of a colour code by field, the factors are not known, or there are
            not four stages.

    Source: Gueguen et al., Faster neural networks straight from JPEG, NeurIPS 2018, section 4.2 (UpSampling,
        Deconvolution, and their RFA); the widths of a public re-implementation, jpeg_deep.

    Example:
        >>> shape = {"luma": (64, 28, 28), "cb": (64, 14, 14), "cr": (64, 14, 14)}
        >>> with torch.device("meta"):
        ...     UpSampling(shape, 1000)({name: torch.randn(2, *each) for name, each in shape.items()}).shape
        torch.Size([2, 1000])
    """

    def __init__(
        self,
        shape: FeatureShape,
        num_classes: int,
        learned: bool = False,
        factors: tuple[int, int] | None = None,
        aware: tuple[int, int] | None = None,
        depths: Sequence[int] = (3, 4, 6, 3),
        widths: Sequence[int] = (64, 128, 256, 512),
        v1: bool = True,
    ) -> None:
        super().__init__()
        check_stages(depths, widths, aware)
        if factors is not None:
            check_integer_list(1, 2, factors=factors)
        luma, *chroma = field_channels(shape, "UpSampling")
        ratio = tuple(factors) if factors is not None else finer(shape)
        if learned and ratio is None:
            raise InputError(
                "UpSampling(learned=True) is built for one ratio of luma's grid to chroma's, which features of varying "
                f"size do not tell; got {shape}: set factors, such as (2, 2) for 4:2:0"
            )
        self.deconvolutions = nn.ModuleList(
            nn.ConvTranspose2d(channels, channels, ratio, stride=ratio)  # type: ignore[arg-type]
            for channels in (chroma if learned else ())
        )
        channels = luma + sum(chroma)
        blocks: list[nn.Module] = []
        for kernel_size in KERNELS if aware is not None else ():
            width, outputs = aware or (0, 0)
            blocks.append(BottleneckBlock(channels, width, outputs, 1, kernel_size, v1))
            channels = outputs
        self.aware = nn.Sequential(*blocks)
        initialise(self)
        self.resnet = ResNet((channels, None, None), num_classes, depths, widths, (1, 1, 2, 2), v1=v1, skip=2)

    def forward(self, features: dict[str, Tensor], grid_size: dict[str, Tensor] | None = None) -> Tensor:
        """Logits ``(N, num_classes)`` of features by field, ``(N, channels, rows, columns)`` each.

        Args:
            features: Of one size, or padded to that of the largest example.
            grid_size: Rows and columns of each example's own features, ``(N, 2)``, by field.
        """
        luma, *chroma = features.values()
        if self.deconvolutions:
            chroma = [layer(part) for layer, part in zip(self.deconvolutions, chroma, strict=True)]
        else:
            chroma = [_repeated(part, luma) for part in chroma]
        size = None if grid_size is None else next(iter(grid_size.values()))
        joined, _ = through(self.aware, masked(torch.cat([luma, *chroma], 1), size), size)
        logits: Tensor = self.resnet(joined, size)
        return logits


def _repeated(part: Tensor, luma: Tensor) -> Tensor:
    """Chroma on luma's grid."""
    return repeat(part, (luma.shape[3] // part.shape[3], luma.shape[2] // part.shape[2]))
