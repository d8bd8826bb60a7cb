"""Augmentations: of signals before they are encoded, and of codes."""

from lossy_lightning.augmentation.codes import (
    BitFlip,
    Chain,
    StageDropout,
)
from lossy_lightning.augmentation.jpeg import (
    CoefficientBrightness,
    CoefficientContrast,
    FrequencyDropout,
    MCUFlip,
    MCUShift,
    MCUTurn,
    MCUZoom,
)
from lossy_lightning.augmentation.pixels import (
    PixelAffine,
    PixelFlip,
    PixelShift,
)
from lossy_lightning.augmentation.recompression import Recompression
from lossy_lightning.augmentation.signals import (
    AddNoise,
    RandomGain,
    RandomShift,
)
from lossy_lightning.augmentation.sound import (
    FrequencyMask,
    FrequencyStretch,
    TimeMask,
    TimeShift,
)
from lossy_lightning.augmentation.subbands import SubbandFlip

__all__ = [
    "AddNoise",
    "BitFlip",
    "Chain",
    "CoefficientBrightness",
    "CoefficientContrast",
    "FrequencyDropout",
    "FrequencyMask",
    "FrequencyStretch",
    "MCUFlip",
    "MCUShift",
    "MCUTurn",
    "MCUZoom",
    "PixelAffine",
    "PixelFlip",
    "PixelShift",
    "RandomGain",
    "RandomShift",
    "Recompression",
    "StageDropout",
    "SubbandFlip",
    "TimeMask",
    "TimeShift",
]
