"""Networks on codes: stems, low-bit layers, backbones; augmentations of codes."""

from lossy_lightning.nn.augmentation import (
    Chain,
    FrequencyMask,
    FrequencyStretch,
    PixelShift,
    StageDropout,
    TimeMask,
    TimeShift,
)
from lossy_lightning.nn.autoencoder import BlockDecoder, BlockEncoder, ConvDecoder, ConvEncoder, DenseDecoder
from lossy_lightning.nn.binarynet import BinaryNet
from lossy_lightning.nn.bit_flip import BitFlip
from lossy_lightning.nn.coefficients import FrequencyBatchNorm, FrequencyNorm
from lossy_lightning.nn.convnet import ConvNet
from lossy_lightning.nn.jpeg_augmentation import MCUCrop, MCUFlip, MCUShift, MCUTurn
from lossy_lightning.nn.jpeg_photometry import CoefficientBrightness, CoefficientContrast, FrequencyDropout, MCUZoom
from lossy_lightning.nn.jpeg_resnet import LateConcat, UpSampling
from lossy_lightning.nn.lookups import CodebookSum, LookupConv
from lossy_lightning.nn.mlp import MLP
from lossy_lightning.nn.pixels import BlockDCT, PixelFlip, SpaceToDepth
from lossy_lightning.nn.planes import CoefficientPlanes
from lossy_lightning.nn.residual import ResidualNet
from lossy_lightning.nn.resnet import ResNet, load_rgb_weights
from lossy_lightning.nn.sequence import SequenceNet
from lossy_lightning.nn.spectrogram import SpectrogramCNN
from lossy_lightning.nn.stems import Bits, Embed, LearnedBits, LookupLinear, OneHot, Packed, Scale
from lossy_lightning.nn.unfolding import Unfold

__all__ = [
    "MLP",
    "BinaryNet",
    "BitFlip",
    "Bits",
    "BlockDCT",
    "BlockDecoder",
    "BlockEncoder",
    "Chain",
    "CodebookSum",
    "CoefficientBrightness",
    "CoefficientContrast",
    "CoefficientPlanes",
    "ConvDecoder",
    "ConvEncoder",
    "ConvNet",
    "DenseDecoder",
    "Embed",
    "FrequencyBatchNorm",
    "FrequencyDropout",
    "FrequencyMask",
    "FrequencyNorm",
    "FrequencyStretch",
    "LateConcat",
    "LearnedBits",
    "LookupConv",
    "LookupLinear",
    "MCUCrop",
    "MCUFlip",
    "MCUShift",
    "MCUTurn",
    "MCUZoom",
    "OneHot",
    "Packed",
    "PixelFlip",
    "PixelShift",
    "ResNet",
    "ResidualNet",
    "Scale",
    "SequenceNet",
    "SpaceToDepth",
    "SpectrogramCNN",
    "StageDropout",
    "TimeMask",
    "TimeShift",
    "Unfold",
    "UpSampling",
    "load_rgb_weights",
]
