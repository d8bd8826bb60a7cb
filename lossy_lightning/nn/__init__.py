"""Networks on codes: stems, low-bit layers, backbones; augmentations of codes."""

from lossy_lightning.nn.augmentation import Chain, FrequencyMask, TimeMask, TimeShift
from lossy_lightning.nn.autoencoder import BlockDecoder, BlockEncoder, ConvDecoder, ConvEncoder
from lossy_lightning.nn.bit_flip import BitFlip
from lossy_lightning.nn.convnet import ConvNet
from lossy_lightning.nn.mlp import MLP
from lossy_lightning.nn.stems import Bits, Embed, LearnedBits, LookupLinear, OneHot, Packed, Scale

__all__ = [
    "BitFlip",
    "Bits",
    "BlockDecoder",
    "BlockEncoder",
    "Chain",
    "ConvDecoder",
    "ConvEncoder",
    "ConvNet",
    "Embed",
    "FrequencyMask",
    "LearnedBits",
    "LookupLinear",
    "MLP",
    "OneHot",
    "Packed",
    "Scale",
    "TimeMask",
    "TimeShift",
]
