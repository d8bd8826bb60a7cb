"""Data sets seen through codecs."""

from lossy_lightning.data.cache import EncodedDataset
from lossy_lightning.data.encoded import EncodedDataModule
from lossy_lightning.data.images import MNIST, Digits, FashionMNIST

__all__ = ["MNIST", "Digits", "EncodedDataModule", "EncodedDataset", "FashionMNIST"]
