"""Networks on codes: stems, low-bit layers, backbones; augmentations of codes."""

from lossy_lightning.nn.augmentation import Chain, FrequencyMask, TimeMask, TimeShift
from lossy_lightning.nn.convnet import ConvNet
from lossy_lightning.nn.mlp import MLP
from lossy_lightning.nn.stems import Bits, Embed, LookupLinear, OneHot, Packed, Scale

__all__ = [
    "MLP",
    "Bits",
    "Chain",
    "ConvNet",
    "Embed",
    "FrequencyMask",
    "LookupLinear",
    "OneHot",
    "Packed",
    "Scale",
    "TimeMask",
    "TimeShift",
]
