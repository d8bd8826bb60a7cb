"""Codecs: signal to integer code and back."""

from lossy_lightning.codecs.decoded import Decoded
from lossy_lightning.codecs.jpeg import JPEG
from lossy_lightning.codecs.labels import Labels, LearnedLabels, Relabeled, SimilarityLabels
from lossy_lightning.codecs.pcm import PCM
from lossy_lightning.codecs.vq import VQ
from lossy_lightning.codecs.vqvae import VQVAE

__all__ = [
    "JPEG",
    "PCM",
    "VQ",
    "VQVAE",
    "Decoded",
    "Labels",
    "LearnedLabels",
    "Relabeled",
    "SimilarityLabels",
]
