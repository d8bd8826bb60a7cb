"""Codecs that quantize a transform of the signal."""

from lossy_lightning.codecs.transform.analysis import (
    Analysis,
    MelSpectrogram,
    Spectrogram,
)
from lossy_lightning.codecs.transform.codec import TransformCodec

__all__ = [
    "Analysis",
    "MelSpectrogram",
    "Spectrogram",
    "TransformCodec",
]
