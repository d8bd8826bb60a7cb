"""Codecs: signal to integer code and back."""

from lossy_lightning.codecs.analysis import Analysis, MelSpectrogram, Spectrogram
from lossy_lightning.codecs.decoded import Decoded
from lossy_lightning.codecs.encodec import EnCodec
from lossy_lightning.codecs.jpeg import JPEG
from lossy_lightning.codecs.lyra import Lyra
from lossy_lightning.codecs.pcm import PCM
from lossy_lightning.codecs.transform import TransformCodec
from lossy_lightning.codecs.uniform import Uniform
from lossy_lightning.codecs.vq import VQ

__all__ = [
    "JPEG",
    "PCM",
    "VQ",
    "Analysis",
    "Decoded",
    "EnCodec",
    "Lyra",
    "MelSpectrogram",
    "Spectrogram",
    "TransformCodec",
    "Uniform",
]
