"""Data sets seen through codecs."""

from lossy_lightning.data.archives import ArchivedFiles, TarFiles
from lossy_lightning.data.audio import SoundFormat, read_sound
from lossy_lightning.data.bad_files import BadFiles
from lossy_lightning.data.cache import EncodedDataset
from lossy_lightning.data.coded_folder import CodedFolder, JPEGFolder, read_code
from lossy_lightning.data.encoded import EncodedDataModule
from lossy_lightning.data.exporting import export_codes
from lossy_lightning.data.folders import ImageFolder, read_image
from lossy_lightning.data.images import (
    CIFAR10,
    MNIST,
    Digits,
    FashionMNIST,
)
from lossy_lightning.data.shards import ShardedCodes, write_shards
from lossy_lightning.data.sounds import AudioFolder
from lossy_lightning.data.source import Source, Stream
from lossy_lightning.data.speech_commands import SpeechCommands, speaker_of
from lossy_lightning.data.tables import ParquetFiles, TableFiles
from lossy_lightning.data.trained import TrainedOn, trained_on

__all__ = [
    "CIFAR10",
    "MNIST",
    "ArchivedFiles",
    "AudioFolder",
    "BadFiles",
    "CodedFolder",
    "Digits",
    "EncodedDataModule",
    "EncodedDataset",
    "FashionMNIST",
    "ImageFolder",
    "JPEGFolder",
    "ParquetFiles",
    "ShardedCodes",
    "SoundFormat",
    "Source",
    "SpeechCommands",
    "Stream",
    "TableFiles",
    "TarFiles",
    "TrainedOn",
    "export_codes",
    "read_code",
    "read_image",
    "read_sound",
    "speaker_of",
    "trained_on",
    "write_shards",
]
