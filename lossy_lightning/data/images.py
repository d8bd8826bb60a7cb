"""Data sets of images, seen through a codec."""

from pathlib import Path
from typing import cast

import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.utils.data import TensorDataset
from torchvision import datasets

from lossy_lightning.data.encoded import EncodedDataModule
from lossy_lightning.data.splits import Examples, Split


class Digits(EncodedDataModule):
    """The 1 797 handwritten 8x8 digits that scikit-learn bundles: no download, seconds to train on.

    Grey levels 0 to 16 are scaled to 0 to 255. Every fifth example is a test example: the set has no split of its own.

    Args: as of `EncodedDataModule`.

    Example:
        >>> from lossy_lightning.codecs import VQ
        >>> Digits(VQ((2, 2), 16)).spec.shape
        (1, 4, 4)
    """

    signal_shape = (1, 8, 8)
    num_classes = 10

    def signals(self, split: Split) -> Examples | None:
        """Images ``(1, 8, 8)`` uint8 and their digits."""
        if split == "val":
            return None
        digits = load_digits()
        images = torch.from_numpy(digits.images * (255 / 16)).round().to(torch.uint8).unsqueeze(1)
        chosen = (torch.arange(len(images)) % 5 == 4) == (split == "test")
        return _pairs(images[chosen], torch.from_numpy(digits.target)[chosen])


class MNIST(EncodedDataModule):
    """MNIST: 28x28 grey digits, 60 000 for training, 10 000 for test.

    The files are looked for in ``<root>/MNIST/raw``, and downloaded there if they are missing.

    Args: as of `EncodedDataModule`.

    Source: LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 86(11), 1998.
    """

    signal_shape = (1, 28, 28)
    num_classes = 10
    _dataset_class: type[datasets.MNIST] = datasets.MNIST

    def prepare_data(self) -> None:
        """Download what is missing, then fit and encode.

        Raises:
            FileNotFoundError: Where files are missing and cannot be downloaded.
        """
        try:
            self._dataset_class(self.root, download=True)
        except (OSError, RuntimeError) as error:
            reason = str(error).splitlines()[0].rstrip(":")
            raise FileNotFoundError(self._missing(f"and cannot be downloaded ({reason})")) from None
        super().prepare_data()

    def signals(self, split: Split) -> Examples | None:
        """Images ``(1, 28, 28)`` uint8 and their classes."""
        if split == "val":
            return None
        try:
            data = self._dataset_class(self.root, train=split == "train")
        except RuntimeError as error:
            raise FileNotFoundError(self._missing("and prepare_data() was not called to download them")) from error
        return _pairs(data.data.unsqueeze(1), data.targets)

    def _missing(self, what: str) -> str:
        name = self._dataset_class.__name__
        folder = Path(self.root).absolute() / name / "raw"
        return f"the {name} files are not in {folder}, {what}; set root, or $LOSSY_DATA, to the folder of {name}/"


class FashionMNIST(MNIST):
    """Fashion-MNIST: 28x28 grey clothes, 60 000 for training, 10 000 for test.

    The files are looked for in ``<root>/FashionMNIST/raw``, and downloaded there if they are missing.

    Args: as of `EncodedDataModule`.

    Source: Xiao et al., Fashion-MNIST, arXiv:1708.07747, 2017.
    """

    _dataset_class = datasets.FashionMNIST


def _pairs(images: Tensor, labels: Tensor) -> Examples:
    return cast(Examples, TensorDataset(images, labels))
