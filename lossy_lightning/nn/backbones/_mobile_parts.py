"""Parts of MobileNets, torchvision's where it has them."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

#: Outputs and stride of each depthwise separable part of version 1, of width 1.
_SEPARABLE = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
_LEAST = 8  # channels, however narrow


def published_parts(
    version: int, width_mult: float, small: bool, num_classes: int, dropout: float
) -> tuple[list[nn.Module], nn.Sequential]:
    """Parts and classifier of a MobileNet that reads three channels.

    Args:
        version: 1, 2 or 3.
        width_mult: Times as many channels as published.
        small: Whether version 3 is the small one.
        num_classes: Number of outputs.
        dropout: Probability that a feature before the last layer is dropped, in training.
    """
    from torchvision import models

    if version == 1:
        parts = separable_parts(3, width_mult, nn.ReLU6, eps=1e-3)
        width = _scaled(_SEPARABLE[-1][0], width_mult)
        return parts, nn.Sequential(nn.Dropout(dropout), nn.Linear(width, num_classes))
    if version == 2:
        whole = models.mobilenet_v2(width_mult=width_mult, num_classes=num_classes, dropout=dropout)
    else:
        make = models.mobilenet_v3_small if small else models.mobilenet_v3_large
        whole = make(width_mult=width_mult, num_classes=num_classes, dropout=dropout)
    return list(whole.features), whole.classifier


def separable_parts(
    channels: int, width_mult: float, activation: Callable[..., nn.Module], eps: float
) -> list[nn.Module]:
    """The convolution and the 13 depthwise separable ones of MobileNet V1.

    Args:
        channels: Of the input.
        width_mult: Times as many channels as published.
        activation: Makes what follows each batch norm.
        eps: Of the batch norms.
    """
    from torchvision.ops.misc import Conv2dNormActivation

    def part(inputs: int, outputs: int, kernel_size: int, stride: int = 1, groups: int = 1) -> nn.Module:
        made: nn.Module = Conv2dNormActivation(
            *(inputs, outputs, kernel_size, stride),
            groups=groups,
            norm_layer=lambda width: nn.BatchNorm2d(width, eps=eps),
            activation_layer=activation,
        )
        return made

    width = _scaled(32, width_mult)
    parts = [part(channels, width, 3, 2)]
    for published, stride in _SEPARABLE:
        outputs = _scaled(published, width_mult)
        parts.append(nn.Sequential(part(width, width, 3, stride, groups=width), part(width, outputs, 1)))
        width = outputs
    return parts


def projection(channels: int, part: nn.Module, linear: bool) -> nn.Module:
    """A 1x1 convolution and a batch norm, to the channels that a part reads.

    Args:
        channels: Of the input.
        part: What follows.
        linear: Whether no ReLU stands behind it, as behind linear bottlenecks.
    """
    from torchvision.ops.misc import Conv2dNormActivation

    read = next(module for module in part.modules() if isinstance(module, nn.Conv2d)).in_channels
    made: nn.Module = Conv2dNormActivation(channels, read, 1, activation_layer=None if linear else nn.ReLU6)
    return made


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's ``SAME`` does: if the padding is odd, one more at the right and bottom.

    At stride 2, a 3x3 kernel and an even size, that is behind only; torch pads both sides.

    Source: TensorFlow, ``tf.nn.convolution``, padding ``"SAME"``.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Features ``(N, C, ceil(H / stride), ceil(W / stride))``."""
        return super().forward(pad_same(input, self))


def pad_same(features: Tensor, convolution: nn.Conv2d) -> Tensor:
    """Features ``(N, C, H, W)`` padded as TensorFlow's ``SAME`` does for a convolution."""
    padding: list[int] = []
    sizes = zip(features.shape[:1:-1], convolution.kernel_size[::-1], convolution.stride[::-1], strict=True)
    for size, kernel, stride in sizes:
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        padding += [total // 2, total - total // 2]
    return F.pad(features, padding)


def pad_as_tensorflow(network: nn.Module) -> None:
    """Put a `SameConv2d` in place of each convolution of a stride, weights untouched in distribution."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Conv2d and max(child.stride) > 1:
                setattr(module, name, _like(child, child.in_channels, SameConv2d))


def read_channels(part: nn.Module, channels: int) -> None:
    """Let the first convolution of a part read that many channels."""
    for module in part.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d):
                setattr(module, name, _like(child, channels, nn.Conv2d))
                return


def initialise(network: nn.Module) -> None:
    """Weights as torchvision initialises its MobileNets.

    Source: He et al., Delving deep into rectifiers, ICCV 2015, section 2.2 (fan out).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
            nn.init.zeros_(module.bias)


def _like(given: nn.Conv2d, channels: int, kind: type[nn.Conv2d]) -> nn.Conv2d:
    """A convolution as another, of other inputs or another kind."""
    groups = 1 if given.groups == 1 else channels
    padding = 0 if kind is SameConv2d else given.padding
    return kind(
        *(channels, given.out_channels, given.kernel_size, given.stride, padding),  # type: ignore[arg-type]
        groups=groups,
        bias=given.bias is not None,
    )


def _scaled(channels: int, width_mult: float) -> int:
    return max(_LEAST, int(channels * width_mult))
