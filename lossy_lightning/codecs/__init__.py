"""Codecs: signal to integer code and back."""

from lossy_lightning.codecs.analysis import Analysis, MelSpectrogram, Spectrogram
from lossy_lightning.codecs.decoded import Decoded
from lossy_lightning.codecs.encodec import EnCodec
from lossy_lightning.codecs.jpeg import JPEG
from lossy_lightning.codecs.labels import Labels, LearnedLabels, Relabeled, SimilarityLabels
from lossy_lightning.codecs.lyra import Lyra
from lossy_lightning.codecs.pcm import PCM
from lossy_lightning.codecs.transform import TransformCodec
from lossy_lightning.codecs.uniform import Uniform
from lossy_lightning.codecs.vq import VQ
from lossy_lightning.codecs.vqvae import VQVAE

__all__ = [
    "JPEG",
    "PCM",
    "VQ",
    "VQVAE",
    "Analysis",
    "Decoded",
    "EnCodec",
    "Labels",
    "LearnedLabels",
    "Lyra",
    "MelSpectrogram",
    "Relabeled",
    "SimilarityLabels",
    "Spectrogram",
    "TransformCodec",
    "Uniform",
]
