"""PyTorch Lightning plug-ins for learning on lossy codes instead of decoded signals."""

import torch

from lossy_lightning.codes import Codec, CodeSpec, CodeStatistics, FileCodec, Stem, TrainableCodec

__version__ = "0.1.0"
__all__ = ["CodeSpec", "CodeStatistics", "Codec", "FileCodec", "Stem", "TrainableCodec"]

torch.serialization.add_safe_globals([CodeSpec])  # checkpoints hold a spec and load weights-only
