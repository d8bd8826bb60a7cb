"""Networks on codes: stems, low-bit layers, backbones; augmentations of codes."""

from lossy_lightning.nn.augmentation import Chain, FrequencyMask, StageDropout, TimeMask, TimeShift
from lossy_lightning.nn.autoencoder import BlockDecoder, BlockEncoder, ConvDecoder, ConvEncoder
from lossy_lightning.nn.binarynet import BinaryNet
from lossy_lightning.nn.bit_flip import BitFlip
from lossy_lightning.nn.convnet import ConvNet
from lossy_lightning.nn.lookups import CodebookSum, LookupConv
from lossy_lightning.nn.mlp import MLP
from lossy_lightning.nn.residual import ResidualNet
from lossy_lightning.nn.sequence import SequenceNet
from lossy_lightning.nn.spectrogram import SpectrogramCNN
from lossy_lightning.nn.stems import Bits, Embed, LearnedBits, LookupLinear, OneHot, Packed, Scale

__all__ = [
    "MLP",
    "BinaryNet",
    "BitFlip",
    "Bits",
    "BlockDecoder",
    "BlockEncoder",
    "Chain",
    "CodebookSum",
    "ConvDecoder",
    "ConvEncoder",
    "ConvNet",
    "Embed",
    "FrequencyMask",
    "LearnedBits",
    "LookupConv",
    "LookupLinear",
    "OneHot",
    "Packed",
    "ResidualNet",
    "Scale",
    "SequenceNet",
    "SpectrogramCNN",
    "StageDropout",
    "TimeMask",
    "TimeShift",
]
