"""Codecs: signal to integer code and back."""

from lossy_lightning.codecs.decoded import Decoded
from lossy_lightning.codecs.labels import (
    Labels,
    LearnedLabels,
    Relabeled,
    SimilarityLabels,
)
from lossy_lightning.codecs.learned import VQVAE
from lossy_lightning.codecs.pcm import PCM
from lossy_lightning.codecs.pretrained import (
    EnCodec,
    Lyra,
)
from lossy_lightning.codecs.standards import JPEG, MP3
from lossy_lightning.codecs.transform import (
    Analysis,
    MelSpectrogram,
    Spectrogram,
    TransformCodec,
)
from lossy_lightning.codecs.uniform import Uniform
from lossy_lightning.codecs.vq import VQ

__all__ = [
    "JPEG",
    "MP3",
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
