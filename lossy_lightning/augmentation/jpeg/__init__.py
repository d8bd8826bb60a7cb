"""Augmentations of JPEG codes, made on coefficients."""

from lossy_lightning.augmentation.jpeg.geometry import (
    MCUCrop,
    MCUFlip,
    MCUShift,
    MCUTurn,
)
from lossy_lightning.augmentation.jpeg.photometry import (
    CoefficientBrightness,
    CoefficientContrast,
    FrequencyDropout,
    MCUZoom,
)

__all__ = [
    "CoefficientBrightness",
    "CoefficientContrast",
    "FrequencyDropout",
    "MCUCrop",
    "MCUFlip",
    "MCUShift",
    "MCUTurn",
    "MCUZoom",
]
