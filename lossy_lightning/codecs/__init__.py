"""Codecs: signal to integer code and back."""

from lossy_lightning.codecs.decoded import Decoded
from lossy_lightning.codecs.labels import (
    Labels,
    LearnedLabels,
    Relabeled,
    SimilarityLabels,
)
from lossy_lightning.codecs.learned import VQVAE, Factorized, Hyperprior, NonlinearTransform
from lossy_lightning.codecs.pcm import PCM
from lossy_lightning.codecs.pretrained import (
    EnCodec,
    Lyra,
)
from lossy_lightning.codecs.quantizers import (
    ALaw,
    Companded,
    Compander,
    DeadZone,
    LloydMax,
    MuLaw,
    Power,
    Quantizer,
    Uniform,
)
from lossy_lightning.codecs.rvq import RVQ
from lossy_lightning.codecs.standards import JPEG, MP3
from lossy_lightning.codecs.threshold import Threshold
from lossy_lightning.codecs.transform import (
    MDCT,
    Analysis,
    BandShapes,
    HEVCQuantizer,
    HEVCTransform,
    MelSpectrogram,
    Psychoacoustic,
    PyramidVQ,
    Spectrogram,
    TransformCodec,
    Wavelet,
)
from lossy_lightning.codecs.vq import VQ

__all__ = [
    "JPEG",
    "MDCT",
    "MP3",
    "PCM",
    "RVQ",
    "VQ",
    "VQVAE",
    "ALaw",
    "Analysis",
    "BandShapes",
    "Companded",
    "Compander",
    "DeadZone",
    "Decoded",
    "EnCodec",
    "Factorized",
    "HEVCQuantizer",
    "HEVCTransform",
    "Hyperprior",
    "Labels",
    "LearnedLabels",
    "LloydMax",
    "Lyra",
    "MelSpectrogram",
    "MuLaw",
    "NonlinearTransform",
    "Power",
    "Psychoacoustic",
    "PyramidVQ",
    "Quantizer",
    "Relabeled",
    "SimilarityLabels",
    "Spectrogram",
    "Threshold",
    "TransformCodec",
    "Uniform",
    "Wavelet",
]
