"""Networks on codes: stems, low-bit layers, backbones."""

from lossy_lightning.nn.autoencoder import BlockDecoder, BlockEncoder, ConvDecoder, ConvEncoder
from lossy_lightning.nn.bit_flip import BitFlip
from lossy_lightning.nn.convnet import ConvNet
from lossy_lightning.nn.mlp import MLP
from lossy_lightning.nn.stems import Bits, Embed, LearnedBits, LookupLinear, OneHot, Packed, Scale

__all__ = [
    "MLP",
    "BitFlip",
    "Bits",
    "BlockDecoder",
    "BlockEncoder",
    "ConvDecoder",
    "ConvEncoder",
    "ConvNet",
    "Embed",
    "LearnedBits",
    "LookupLinear",
    "OneHot",
    "Packed",
    "Scale",
]
