"""MobileNets, versions 1 to 3, with early parts that can be left out."""

from collections import OrderedDict

from torch import Tensor, nn

from lossy_lightning.core import FeatureShape, InputError
from lossy_lightning.core.arguments import check_integers, check_numbers
from lossy_lightning.nn.backbones._mobile_parts import (
    initialise,
    pad_as_tensorflow,
    projection,
    published_parts,
    read_channels,
)
from lossy_lightning.nn.backbones._shapes import channels_of


class MobileNet(nn.Module):
    """MobileNet of version 1, 2 or 3, of any width, on images of any size or on codes.

    Version 1 is built here, versions 2 and 3 of torchvision's parts. They are named ``features`` and ``classifier`` as
    torchvision's, so that its weights fit by `load_rgb_weights`; those of TensorFlow Lite's files are loaded by
    `load_tflite_weights`. `embed` gives the features before the classifier.

    For codes, leave out early parts by ``skip``: a 1x1 convolution with a batch norm, ``entry``, then brings the C
    features to the channels that the first part left reads. Coefficients of 8x8 blocks on the grid of luma's blocks fit
    a network of 224x224 pixels at ``skip=5`` of version 1, whose part there has an eighth of the resolution, too.

    Args:
        shape: Shape ``(C, H, W)`` of the features it reads, without batch; a size that varies is None.
        num_classes: Number of outputs.
        version: 1, 2 or 3.
        width_mult: Times as many channels as published, alpha of the papers.
        small: Whether version 3 is MobileNetV3-Small, else Large.
        skip: How many of the early parts are left out; the first part is the convolution of stride 2. Parts keep
            their numbers.
        same_padding: Whether convolutions of a stride are padded as TensorFlow does, behind only if the size is even,
            which the published weights need; torchvision's need False.
        dropout: Probability that a feature before the last layer is dropped, in training.

    Raises:
        ValueError: If ``shape`` is not ``(C, H, W)``, there is no such version, or no part would be left.

    Source:
        Howard et al., MobileNets, 2017, table 1; Sandler et al., MobileNetV2, CVPR 2018, table 2; Howard et al.,
        Searching for MobileNetV3, ICCV 2019, tables 1 and 2.

    Example:
        >>> import torch
        >>> net = MobileNet((3, 128, 128), 1001, width_mult=0.25).eval()
        >>> net(torch.randn(1, 3, 128, 128)).shape, net.embed(torch.randn(1, 3, 96, 96)).shape
        (torch.Size([1, 1001]), torch.Size([1, 256]))
    """

    def __init__(
        self,
        shape: FeatureShape,
        num_classes: int,
        version: int = 1,
        width_mult: float = 1.0,
        small: bool = False,
        skip: int = 0,
        same_padding: bool = True,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        channels = channels_of(shape, 2, "MobileNet")
        check_integers(1, num_classes=num_classes)
        check_integers(0, skip=skip)
        check_numbers(0, width_mult=width_mult, excluded=0)
        check_numbers(0, 1, excluded=1, dropout=dropout)
        if version not in (1, 2, 3) or (small and version != 3):
            raise InputError(f"MobileNet has version 1, 2 or 3, and only 3 is also small; got {version=}, {small=}")
        parts, self.classifier = published_parts(version, width_mult, small, num_classes, dropout)
        if skip >= len(parts):
            raise InputError(f"skip is from 0 to {len(parts) - 1}, so that a part is left; got {skip}")
        self.entry = nn.Sequential()
        if skip:
            self.entry.append(projection(channels, parts[skip], linear=version > 1))
        elif channels != 3:
            read_channels(parts[0], channels)
        self.features = nn.Sequential(OrderedDict((str(i), part) for i, part in enumerate(parts) if i >= skip))
        if same_padding:
            pad_as_tensorflow(self.features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        initialise(self)

    def embed(self, features: Tensor) -> Tensor:
        """Features ``(N, C, H, W)`` to those before the classifier, ``(N, width)``."""
        mean: Tensor = self.avgpool(self.features(self.entry(features)))
        return mean.flatten(1)

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``(N, num_classes)`` of features ``(N, C, H, W)``; pixels in [-1, 1] for the published weights."""
        logits: Tensor = self.classifier(self.embed(features))
        return logits
