"""The vocabulary: what a code is, what makes codes, and what reads them first."""

import torch

from lossy_lightning.core.codec import Codec, FileCodec, FileInfo, TrainableCodec
from lossy_lightning.core.errors import InputError, MissingFileError, MissingPackageError, UserError
from lossy_lightning.core.field import Field
from lossy_lightning.core.layout import valid_positions
from lossy_lightning.core.origin import Origin, data_state, last_epoch
from lossy_lightning.core.random_key import RandomKey, keep_random_state, random_state, set_random_state
from lossy_lightning.core.signal_form import SignalForm
from lossy_lightning.core.spec import CodeSpec
from lossy_lightning.core.statistics import CodeStatistics
from lossy_lightning.core.stem import ByField, FeatureShape, Stem

__all__ = [
    "ByField",
    "CodeSpec",
    "CodeStatistics",
    "Codec",
    "FeatureShape",
    "Field",
    "FileCodec",
    "FileInfo",
    "InputError",
    "MissingFileError",
    "MissingPackageError",
    "Origin",
    "RandomKey",
    "SignalForm",
    "Stem",
    "TrainableCodec",
    "UserError",
    "data_state",
    "keep_random_state",
    "last_epoch",
    "random_state",
    "set_random_state",
    "valid_positions",
]

torch.serialization.add_safe_globals([Field, CodeSpec])  # checkpoints hold a spec and load weights-only
