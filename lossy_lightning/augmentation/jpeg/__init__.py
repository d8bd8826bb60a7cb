"""Augmentations of JPEG codes, made on coefficients."""

from lossy_lightning.augmentation.jpeg.geometry import (
    MCUFlip,
    MCUShift,
    MCUTurn,
)
from lossy_lightning.augmentation.jpeg.photometry import (
    CoefficientBrightness,
    CoefficientContrast,
    FrequencyDropout,
)
from lossy_lightning.augmentation.jpeg.zoom import MCUZoom

__all__ = [
    "CoefficientBrightness",
    "CoefficientContrast",
    "FrequencyDropout",
    "MCUFlip",
    "MCUShift",
    "MCUTurn",
    "MCUZoom",
]
