"""ResNet-50 straight from JPEG, luma and chroma in towers of their own."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lossy_lightning.core import FeatureShape, InputError
from lossy_lightning.core.arguments import check_integer_list, check_integers
from lossy_lightning.nn.backbones._by_field import KERNELS, check_stages, field_channels, finer
from lossy_lightning.nn.backbones._resnet_blocks import BottleneckBlock, masked, pooled, through
from lossy_lightning.nn.backbones.resnet import initialise, tail_stage


class LateConcat(nn.Module):
    """Luma and chroma in towers of their own, joined behind the stride of ResNet-50's third stage.

    Luma: three blocks of kernels 1, 2 and 3 (receptive-field-aware, RFA), a stage of stride 1, and a block of stride
    2; chroma: one block of kernel 1; then the rest of ResNet-50, under its names. The defaults are RFA-Thinner; RFA is
    ``aware=(256, 1024), luma=(128, 512), joint=(128, 512), chroma=(128, 512)``, plain is the same with ``aware=None``.
    It reads normalised coefficients by field, such as `FrequencyBatchNorm` gives with ``by_field=True``.

    Args:
        shape: Shape ``(channels, rows, columns)`` of the features of each field, luma first, which has twice the rows
            and columns of the others.
        num_classes: Number of outputs.
        aware: Width and output channels of the aware blocks; None for none.
        luma: The same of luma's second stage, of ``depths[1]`` blocks.
        joint: The same of luma's block of stride 2.
        chroma: The same of chroma's block. Its outputs and those of ``joint`` are what the third stage reads.
        depths: Blocks of each stage of the ResNet; of the third, the first block is not made.
        widths: Channels of each stage of the ResNet.
        v1: As of `ResNet`; the published networks are v1.

    Raises:
        ValueError: If the features are not those of a 4:2:0 code by field, there are not four stages, or the towers'
            outputs do not add up to four times ``widths[2]``.

    Source: Gueguen et al., Faster neural networks straight from JPEG, NeurIPS 2018, section 4.2 (Late-Concat, RFA,
        RFA-Thinner); the widths of a public re-implementation, jpeg_deep.

    Example:
        >>> shape = {"luma": (64, 28, 28), "cb": (64, 14, 14), "cr": (64, 14, 14)}
        >>> with torch.device("meta"):
        ...     LateConcat(shape, 1000)({name: torch.randn(2, *each) for name, each in shape.items()}).shape
        torch.Size([2, 1000])
    """

    def __init__(
        self,
        shape: FeatureShape,
        num_classes: int,
        aware: tuple[int, int] | None = (256, 384),
        luma: tuple[int, int] = (128, 384),
        joint: tuple[int, int] = (128, 768),
        chroma: tuple[int, int] = (128, 256),
        depths: Sequence[int] = (3, 4, 6, 3),
        widths: Sequence[int] = (64, 128, 256, 512),
        v1: bool = True,
    ) -> None:
        super().__init__()
        check_integers(1, num_classes=num_classes)
        check_stages(depths, widths, aware)
        check_integer_list(1, 2, luma=luma, joint=joint, chroma=chroma)
        luma_channels, *chroma_channels = field_channels(shape, "LateConcat")
        if finer(shape) not in (None, (2, 2)):
            raise InputError(_not_420(shape))
        third, fourth = 4 * widths[2], 4 * widths[3]
        if joint[1] + chroma[1] != third:
            raise InputError(f"outputs of joint and chroma add up to 4 * widths[2] = {third}; got {joint=}, {chroma=}")
        blocks, channels = [], luma_channels
        for kernel_size in KERNELS if aware is not None else ():
            width, outputs = aware or (0, 0)
            blocks.append(BottleneckBlock(channels, width, outputs, 1, kernel_size, v1))
            channels = outputs
        for index in range(depths[1]):
            # The first has a projection even if it changes nothing, as published.
            blocks.append(BottleneckBlock(channels, *luma, v1=v1, project=index == 0))
            channels = luma[1]
        self.luma = nn.Sequential(*blocks, BottleneckBlock(channels, *joint, stride=2, v1=v1))
        self.chroma = BottleneckBlock(sum(chroma_channels), *chroma, kernel_size=1, v1=v1)
        self.layer3 = tail_stage({str(i): BottleneckBlock(third, widths[2], third) for i in range(1, depths[2])})
        self.layer4 = nn.Sequential(
            BottleneckBlock(third, widths[3], fourth, 2, v1=v1),
            *(BottleneckBlock(fourth, widths[3], fourth) for _ in range(1, depths[3])),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(fourth, num_classes)
        initialise(self)

    def forward(self, features: dict[str, Tensor], grid_size: dict[str, Tensor] | None = None) -> Tensor:
        """Logits ``(N, num_classes)`` of features by field, ``(N, channels, rows, columns)`` each.

        Args:
            features: Of one size, or padded to that of the largest example.
            grid_size: Rows and columns of each example's own features, ``(N, 2)``, by field.

        Raises:
            ValueError: If luma has not twice the rows and columns of chroma.
        """
        luma, *chroma = features.values()
        if (luma.shape[2], luma.shape[3]) != (2 * chroma[0].shape[2], 2 * chroma[0].shape[3]):
            raise InputError(_not_420({name: tuple(part.shape[1:]) for name, part in features.items()}))
        size, *sizes = [None] * len(features) if grid_size is None else grid_size.values()
        of_luma, size = through(self.luma, masked(luma, size), size)
        of_chroma, _ = through([self.chroma], masked(torch.cat(chroma, 1), sizes[0]), sizes[0])
        joined, size = through([*self.layer3, *self.layer4], torch.cat([of_luma, of_chroma], 1), size)
        logits: Tensor = self.fc(pooled(self.avgpool, joined, size))
        return logits


def _not_420(shape: FeatureShape) -> str:
    return (
        "LateConcat halves luma to meet chroma, so it reads 4:2:0, whose luma has twice the rows and columns; got "
        f"{shape}: use UpSampling, or a codec of chroma subsampling 4:2:0"
    )
