"""Residual networks, v1 and v1.5, of any depth and width, with early stages that can be left out."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from lossy_lightning.core import FeatureShape, InputError
from lossy_lightning.core.arguments import check_integer_list, check_integers
from lossy_lightning.nn.backbones._resnet_blocks import (
    BasicBlock,
    BottleneckBlock,
    masked,
    normed,
    pooled,
    through,
)
from lossy_lightning.nn.backbones._shapes import channels_of
from lossy_lightning.nn.backbones.mobilenet import MobileNet


class ResNet(nn.Module):
    """Residual network of any depth and width; by default torchvision's ResNet-50 (v1.5).

    It also reads padded codes of different size, such as those of `JPEGFolder` without a crop.

    Its parts are named ``conv1``, ``bn1``, ``layer1`` to ``layer4`` and ``fc``, so that torchvision's weights fit.
    For CIFAR: ``depths=[n, n, n], widths=[16, 32, 64], strides=[1, 2, 2], bottleneck=False, entry_kernel=3,
    entry_stride=1, entry_pool=False``, with shortcuts projected as torchvision's are.

    Args:
        shape: Shape ``(C, H, W)`` of the features it reads, without batch; a size that varies is None.
        num_classes: Number of outputs.
        depths: Number of blocks of each stage.
        widths: Channels of the convolutions of each stage; bottlenecks have four times as many outputs.
        strides: Stride of each stage's first block.
        bottleneck: Whether blocks are bottlenecks, else two 3x3 convolutions.
        v1: Whether bottlenecks have their stride in the first 1x1 convolution.
        skip: Early parts that are left out: 0 none, 1 the entry (``conv1``, ``bn1``, pooling), 2 also ``layer1``, and
            so on. Stages keep their numbers, and the first that is left reads ``C`` channels.
        entry_channels: Channels of the first convolution; None: the first width.
        entry_kernel: Its kernel.
        entry_stride: Its stride.
        entry_pool: Whether a 3x3 maximum pooling of stride 2 follows.

    Raises:
        ValueError: If ``shape`` is not ``(C, H, W)``, ``depths``, ``widths`` and ``strides`` differ in length, or no
            stage would be left.

    Source: He et al., CVPR 2016, section 4; torchvision for v1.5.

    Example:
        >>> import torch
        >>> net = ResNet((64, 8, 8), 10, depths=[1, 1], widths=[16, 32], strides=[1, 2], bottleneck=False, skip=1)
        >>> net(torch.randn(2, 64, 8, 8)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        shape: FeatureShape,
        num_classes: int,
        depths: Sequence[int] = (3, 4, 6, 3),
        widths: Sequence[int] = (64, 128, 256, 512),
        strides: Sequence[int] = (1, 2, 2, 2),
        bottleneck: bool = True,
        v1: bool = False,
        skip: int = 0,
        entry_channels: int | None = None,
        entry_kernel: int = 7,
        entry_stride: int = 2,
        entry_pool: bool = True,
    ) -> None:
        super().__init__()
        channels = channels_of(shape, 2, "ResNet")
        check_integer_list(1, depths=depths, widths=widths, strides=strides)
        if not depths or not len(depths) == len(widths) == len(strides):
            raise InputError(
                "depths (1 or more blocks), widths and strides describe the same stages; got "
                f"{depths=}, {widths=}, {strides=}"
            )
        check_integers(1, num_classes=num_classes, entry_kernel=entry_kernel, entry_stride=entry_stride)
        check_integers(1, entry_channels=widths[0] if entry_channels is None else entry_channels)
        check_integers(0, skip=skip)
        if skip > len(depths):
            raise InputError(f"skip is from 0 to {len(depths)}, so that a stage is left; got {skip}")
        self.entry = skip == 0
        if self.entry:
            first = widths[0] if entry_channels is None else entry_channels
            self.conv1 = nn.Conv2d(channels, first, entry_kernel, entry_stride, padding=entry_kernel // 2, bias=False)
            self.bn1 = nn.BatchNorm2d(first)
            self.relu = nn.ReLU(inplace=True)
            self.maxpool = nn.MaxPool2d(3, 2, 1) if entry_pool else nn.Identity()
            channels = first
        self.stages: list[str] = []
        for number in range(max(skip, 1), len(depths) + 1):
            depth, width, stride = depths[number - 1], widths[number - 1], strides[number - 1]
            blocks: list[nn.Module] = []
            for index in range(depth):
                step = stride if index == 0 else 1
                if bottleneck:
                    blocks.append(BottleneckBlock(channels, width, 4 * width, step, v1=v1))
                else:
                    blocks.append(BasicBlock(channels, width, step))
                channels = 4 * width if bottleneck else width
            self.stages.append(f"layer{number}")
            self.add_module(self.stages[-1], nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)
        initialise(self)

    def forward(self, features: Tensor, grid_size: Tensor | None = None) -> Tensor:
        """Logits ``(N, num_classes)`` of features ``(N, C, H, W)``.

        Args:
            features: Of one size, or padded to that of the largest example.
            grid_size: Rows and columns of each example's own features, ``(N, 2)``; padding never changes the outputs.
        """
        size = grid_size
        features = masked(features, size)
        if self.entry:
            features, size = normed(self.conv1, self.bn1, features, size)
            features = self.relu(features)
            if isinstance(self.maxpool, nn.MaxPool2d):
                size = None if size is None else -(-size // 2)
                features = masked(self.maxpool(features), size)
        for name in self.stages:
            features, size = through(getattr(self, name), features, size)
        logits: Tensor = self.fc(pooled(self.avgpool, features, size))
        return logits


def load_rgb_weights(network: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Load the weights of a torchvision ResNet or MobileNet into what a network has of it, by name.

    What reads the input may differ in shape, and so may the last layer; they stay as they are.

    Args:
        network: A `ResNet`, a `MobileNet`, a network that has one in it, such as `UpSampling` or a task, or one that
            has parts of its names.
        state: A state dict, such as that of ``torchvision.models.resnet50(weights="DEFAULT")``.

    Returns:
        Names of the network's own parameters and buffers that were not loaded.

    Raises:
        ValueError: If nothing fits.

    Example:
        >>> net = ResNet((192, 28, 28), 10, skip=2)
        >>> load_rgb_weights(net, ResNet((3, 224, 224), 1000).state_dict())
        ['layer2.0.conv1.weight', 'layer2.0.downsample.0.weight', 'fc.weight', 'fc.bias']
    """
    inside = next(
        (name for name, module in network.named_modules() if name and isinstance(module, (ResNet, MobileNet))), ""
    )
    prefix = f"{inside}." if inside else ""
    own, named = network.state_dict(), {prefix + name: value for name, value in state.items()}
    fitting = {name: value for name, value in named.items() if name in own and value.shape == own[name].shape}
    if not fitting:
        raise InputError(
            f"none of the {len(state)} tensors fits; names start with {next(iter(state), 'nothing')!r}, those of the "
            f"network with {next(iter(own), 'nothing')!r}: pass the state dict of a network of the same widths, and "
            "the backbone of a task"
        )
    network.load_state_dict(own | fitting)
    return [name for name in own if name not in fitting]


def tail_stage(blocks: Mapping[str, nn.Module]) -> nn.Sequential:
    """A stage whose blocks have the numbers that they have in a whole ResNet."""
    return nn.Sequential(OrderedDict(blocks))


def initialise(network: nn.Module) -> None:
    """Weights as torchvision initialises its ResNets.

    Source: He et al., Delving deep into rectifiers, ICCV 2015, section 2.2 (fan out).
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
