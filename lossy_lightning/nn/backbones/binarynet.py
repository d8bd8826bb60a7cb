"""Larq's BinaryNet."""

from lossy_lightning.core import FeatureShape
from lossy_lightning.nn.backbones.convnet import ConvNet


class BinaryNet(ConvNet):
    """Larq's binary network for CIFAR-10, which the literature on codes of speech uses: 1-bit weights and inputs.

    Six 3x3 convolutions of 128, 128, 256, 256, 512 and 512 channels, the first without padding, every second one
    pooled; linear layers of 1 024, 1 024 and ``num_classes``; a batch norm without scale after each. On 64x64x4 and 8
    classes it has 31 322 624 weights and makes 2 257 774 592 multiply-accumulates.

    Args:
        shape: Shape ``(C, H, W)`` of the features it reads, without batch.
        num_classes: Number of outputs.
        first_input_bit_width: Bits of the input: 1 for bits, 32 for real features (not quantized).

    Raises:
        ValueError: If the shape is too small.

    Source:
        Hubara et al., Binarized Neural Networks, NeurIPS 2016; Larq documentation, "BinaryNet on CIFAR10".

    Example:
        >>> import torch
        >>> with torch.device("meta"):  # without memory for the weights
        ...     net = BinaryNet((4, 64, 64), num_classes=8)
        >>> net(torch.empty(2, 4, 64, 64, device="meta")).shape
        torch.Size([2, 8])
    """

    def __init__(self, shape: FeatureShape, num_classes: int, first_input_bit_width: int = 1) -> None:
        super().__init__(
            shape,
            num_classes,
            channels=(128, 128, 256, 256, 512, 512),
            pool=(False, True) * 3,
            hidden_features=(1024, 1024),
            first_input_bit_width=first_input_bit_width,
            pad=(False, *[True] * 5),
        )
