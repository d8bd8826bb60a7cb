"""Stems: what the integers of a code become on entering a model."""

from lossy_lightning.nn.stems.coefficients import (
    FrequencyBatchNorm,
    FrequencyNorm,
)
from lossy_lightning.nn.stems.lookups import (
    CodebookSum,
    LookupConv,
)
from lossy_lightning.nn.stems.pixels import (
    BlockDCT,
    SpaceToDepth,
)
from lossy_lightning.nn.stems.planes import CoefficientPlanes
from lossy_lightning.nn.stems.unfolding import Unfold
from lossy_lightning.nn.stems.values import (
    Bits,
    Embed,
    LearnedBits,
    LookupLinear,
    OneHot,
    Packed,
    Scale,
)

__all__ = [
    "Bits",
    "BlockDCT",
    "CodebookSum",
    "CoefficientPlanes",
    "Embed",
    "FrequencyBatchNorm",
    "FrequencyNorm",
    "LearnedBits",
    "LookupConv",
    "LookupLinear",
    "OneHot",
    "Packed",
    "Scale",
    "SpaceToDepth",
    "Unfold",
]
