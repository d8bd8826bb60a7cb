"""Stems: what the integers of a code become on entering a model."""

from lossy_lightning.nn.stems.bits import Bits, LearnedBits
from lossy_lightning.nn.stems.block_dct import BlockDCT
from lossy_lightning.nn.stems.channel_batch_norm import ChannelBatchNorm
from lossy_lightning.nn.stems.codebook_sum import CodebookSum
from lossy_lightning.nn.stems.concat import Concat
from lossy_lightning.nn.stems.embed import Embed
from lossy_lightning.nn.stems.feature_hash import FeatureHash
from lossy_lightning.nn.stems.frequencies import FrequencyBatchNorm, FrequencyNorm
from lossy_lightning.nn.stems.inverse_dct import InverseDCT
from lossy_lightning.nn.stems.lookup_conv import LookupConv
from lossy_lightning.nn.stems.lookup_linear import LookupLinear
from lossy_lightning.nn.stems.one_hot import OneHot
from lossy_lightning.nn.stems.packed import Packed
from lossy_lightning.nn.stems.planes import CoefficientPlanes
from lossy_lightning.nn.stems.scale import Scale
from lossy_lightning.nn.stems.space_to_depth import SpaceToDepth
from lossy_lightning.nn.stems.spectral_bands import SpectralBands
from lossy_lightning.nn.stems.spectral_lines import SpectralLines

__all__ = [
    "Bits",
    "BlockDCT",
    "ChannelBatchNorm",
    "CodebookSum",
    "CoefficientPlanes",
    "Concat",
    "Embed",
    "FeatureHash",
    "FrequencyBatchNorm",
    "FrequencyNorm",
    "InverseDCT",
    "LearnedBits",
    "LookupConv",
    "LookupLinear",
    "OneHot",
    "Packed",
    "Scale",
    "SpaceToDepth",
    "SpectralBands",
    "SpectralLines",
]
