"""Blocks of residual networks, whose features padding does not change."""

from collections.abc import Iterable
from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor, nn

from lossy_lightning.core import valid_positions
from lossy_lightning.nn.layers._padding import (
    mask,
    mean_of_valid,
    norm_of_valid,
)


class BottleneckBlock(nn.Module):
    """A 1x1, a k x k and a 1x1 convolution with batch norms, and a shortcut around them; named as torchvision's.

    Args:
        in_channels: Of the input.
        width: Channels of the first two convolutions.
        out_channels: Of the output.
        stride: Of the block.
        kernel_size: Of the middle convolution. An even one is padded one more at the right and bottom.
        v1: Whether the stride is in the first 1x1 convolution (He et al.), else in the middle (v1.5, torchvision).
        project: Whether the shortcut is a 1x1 convolution; None: if grid or channels change.

    Source: He et al., Deep residual learning for image recognition, CVPR 2016, section 4.1.

    Example:
        >>> import torch
        >>> BottleneckBlock(16, 4, 32, stride=2)(torch.randn(1, 16, 8, 8)).shape
        torch.Size([1, 32, 4, 4])
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int,
        stride: int = 1,
        kernel_size: int = 3,
        v1: bool = False,
        project: bool | None = None,
    ) -> None:
        super().__init__()
        first, middle = (stride, 1) if v1 else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, width, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size, middle, padding=(kernel_size - 1) // 2, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, out_channels, stride, project)
        self.extra = 1 - kernel_size % 2

    def forward(self, features: Tensor) -> Tensor:
        """Features behind the block."""
        return self.of_valid(features, None)[0]

    def of_valid(self, features: Tensor, size: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Features and their own sizes, of padded features ``(N, C, H, W)`` whose padding is 0."""
        made, middle = normed(self.conv1, self.bn1, features, size)
        made = self.relu(made)
        if self.extra:
            made = F.pad(made, (0, 1, 0, 1))
        made, last = normed(self.conv2, self.bn2, made, middle)
        made, _ = normed(self.conv3, self.bn3, self.relu(made), last)
        made += _shortcut_of_valid(self.downsample, features, size)
        return self.relu(made), last


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norms, and a shortcut around them; named as torchvision's.

    Args:
        in_channels: Of the input.
        out_channels: Of the output.
        stride: Of the first convolution.

    Source: He et al., Deep residual learning for image recognition, CVPR 2016, section 3.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = _shortcut(in_channels, out_channels, stride, None)

    def forward(self, features: Tensor) -> Tensor:
        """Features behind the block."""
        return self.of_valid(features, None)[0]

    def of_valid(self, features: Tensor, size: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """As of `BottleneckBlock`."""
        made, last = normed(self.conv1, self.bn1, features, size)
        made, _ = normed(self.conv2, self.bn2, self.relu(made), last)
        made += _shortcut_of_valid(self.downsample, features, size)
        return self.relu(made), last


def through(blocks: Iterable[Any], features: Tensor, size: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Features behind blocks, one after the other, and how much of their grid is each example's own."""
    for block in blocks:
        features, size = block.of_valid(features, size)
    return features, size


def pooled(pool: nn.Module, features: Tensor, size: Tensor | None) -> Tensor:
    """Mean over each example's own grid: ``(N, C, H, W)`` to ``(N, C)``."""
    if size is None:
        return cast(Tensor, pool(features)).flatten(1)
    return mean_of_valid(features, valid_positions(size, (features.shape[2], features.shape[3])))


def masked(features: Tensor, size: Tensor | None) -> Tensor:
    """Features, zero beyond each example's own size."""
    if size is None:
        return features
    return mask(features, valid_positions(size, (features.shape[2], features.shape[3])))


def normed(
    convolution: nn.Conv2d, norm: nn.BatchNorm2d, features: Tensor, size: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """A convolution padded to keep its size up to the stride, its batch norm over valid positions, and their sizes."""
    made = convolution(features)
    if size is None:
        return norm(made), None
    size = -(-size // convolution.stride[0])
    return norm_of_valid(norm, made, valid_positions(size, (made.shape[2], made.shape[3]))), size


def _shortcut_of_valid(downsample: nn.Sequential | None, features: Tensor, size: Tensor | None) -> Tensor:
    if downsample is None:
        return features
    if size is None:
        projected: Tensor = downsample(features)
        return projected
    convolution, norm = cast(tuple[nn.Conv2d, nn.BatchNorm2d], tuple(downsample))
    return normed(convolution, norm, features, size)[0]


def _shortcut(in_channels: int, out_channels: int, stride: int, project: bool | None) -> nn.Sequential | None:
    """The projection of a shortcut, None if it is the input itself."""
    if project is None:
        project = stride != 1 or in_channels != out_channels
    if not project:
        return None
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))
