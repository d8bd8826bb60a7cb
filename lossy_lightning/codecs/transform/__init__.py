"""Codecs that quantize a transform of the signal."""

from lossy_lightning.codecs.transform.analysis import Analysis
from lossy_lightning.codecs.transform.band_shapes import BandShapes
from lossy_lightning.codecs.transform.codec import TransformCodec
from lossy_lightning.codecs.transform.hevc import (
    HEVCQuantizer,
    HEVCTransform,
)
from lossy_lightning.codecs.transform.mdct import MDCT
from lossy_lightning.codecs.transform.psychoacoustic import Psychoacoustic
from lossy_lightning.codecs.transform.pyramid import PyramidVQ
from lossy_lightning.codecs.transform.spectrogram import (
    MelSpectrogram,
    Spectrogram,
)
from lossy_lightning.codecs.transform.wavelet import Wavelet

__all__ = [
    "MDCT",
    "Analysis",
    "BandShapes",
    "HEVCQuantizer",
    "HEVCTransform",
    "MelSpectrogram",
    "Psychoacoustic",
    "PyramidVQ",
    "Spectrogram",
    "TransformCodec",
    "Wavelet",
]
