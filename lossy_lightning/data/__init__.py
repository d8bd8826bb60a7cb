"""Data sets seen through codecs."""

from lossy_lightning.data.cache import EncodedDataset
from lossy_lightning.data.encoded import EncodedDataModule
from lossy_lightning.data.folders import ImageFolder
from lossy_lightning.data.images import CIFAR10, MNIST, Digits, FashionMNIST
from lossy_lightning.data.jpeg import JPEGFolder

__all__ = [
    "CIFAR10",
    "MNIST",
    "Digits",
    "EncodedDataModule",
    "EncodedDataset",
    "FashionMNIST",
    "ImageFolder",
    "JPEGFolder",
]
