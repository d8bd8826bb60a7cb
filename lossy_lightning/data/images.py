"""Data sets of images, seen through a codec."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset
from torchvision import datasets

from lossy_lightning.core import MissingFileError
from lossy_lightning.data._listing import class_files, class_names
from lossy_lightning.data._splits import Split
from lossy_lightning.data.bad_files import BadFileLog, BadFiles
from lossy_lightning.data.encoded import EncodedDataModule
from lossy_lightning.data.folders import IMAGE_EXTENSIONS, ImageFiles

_OFFLINE = "and cannot be downloaded ({})"
_NOT_PREPARED = "and prepare_data() was not called to download them"


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
    classes = tuple("0123456789")

    def signals(self, split: Split) -> Dataset[Any] | None:
        """Images ``(1, 8, 8)`` uint8 and their digits."""
        if split == "val":
            return None
        from sklearn.datasets import load_digits  # slow to import

        digits = load_digits()
        images = torch.from_numpy(digits.images * (255 / 16)).round().to(torch.uint8).unsqueeze(1)
        chosen = (torch.arange(len(images)) % 5 == 4) == (split == "test")
        return _pairs(images[chosen], torch.from_numpy(digits.target)[chosen])


class MNIST(EncodedDataModule):
    """MNIST: 28x28 grey digits, 60 000 for training, 10 000 for test.

    The files are looked for in ``<root>/MNIST/raw``, and downloaded there if they are missing.

    Args: as of `EncodedDataModule`.

    Source: LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 86(11), 1998.

    Example:
        >>> from lossy_lightning.codecs import PCM
        >>> data = MNIST(PCM(8))
        >>> data.spec.shape
        (1, 28, 28)
    """

    signal_shape = (1, 28, 28)
    num_classes = 10
    classes = tuple("0123456789")
    _dataset_class: type[datasets.MNIST] = datasets.MNIST

    def prepare_data(self) -> None:
        """Download what is missing, then fit and encode.

        Raises:
            FileNotFoundError: If files are missing and cannot be downloaded.
        """
        with _told_where(self.root, f"{self._dataset_class.__name__}/raw", _OFFLINE):
            self._dataset_class(self.root, download=True)
        super().prepare_data()

    def signals(self, split: Split) -> Dataset[Any] | None:
        """Images ``(1, 28, 28)`` uint8 and their classes."""
        if split == "val":
            return None
        with _told_where(self.root, f"{self._dataset_class.__name__}/raw", _NOT_PREPARED):
            data = self._dataset_class(self.root, train=split == "train")
        return _pairs(data.data.unsqueeze(1), data.targets)


class FashionMNIST(MNIST):
    """Fashion-MNIST: 28x28 grey clothes, 60 000 for training, 10 000 for test.

    The files are looked for in ``<root>/FashionMNIST/raw``, and downloaded there if they are missing.

    Args: as of `EncodedDataModule`.

    Source: Xiao et al., Fashion-MNIST, arXiv:1708.07747, 2017.

    Example:
        >>> from lossy_lightning.codecs import PCM
        >>> data = FashionMNIST(PCM(8))
        >>> data.spec.shape
        (1, 28, 28)
    """

    classes = tuple(datasets.FashionMNIST.classes)
    _dataset_class = datasets.FashionMNIST


class CIFAR10(EncodedDataModule):
    """CIFAR-10: 32x32 RGB images of ten classes, 50 000 for training, 10 000 for test.

    If ``<root>`` or ``<root>/cifar10`` has the folders ``train/<class>/`` and ``test/<class>/``, the images in them
    are taken, as many as there are; otherwise torchvision's files in ``<root>``, downloaded if they are missing.

    Args: as of `EncodedDataModule`.

    Source: Krizhevsky, Learning multiple layers of features from tiny images, 2009.

    Example:
        >>> from lossy_lightning.codecs import PCM
        >>> data = CIFAR10(PCM(8))
        >>> data.spec.shape
        (3, 32, 32)
    """

    signal_shape = (3, 32, 32)
    num_classes = 10
    classes: tuple[str, ...] | None = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )

    def prepare_data(self) -> None:
        """Download what is missing, then fit and encode.

        Raises:
            FileNotFoundError: If files are missing and cannot be downloaded.
        """
        if self._folder() is None:
            with _told_where(self.root, "cifar-10-batches-py", _OFFLINE):
                datasets.CIFAR10(self.root, download=True)
        super().prepare_data()

    def setup(self, stage: str) -> None:
        """Open the splits of the stage; folders name their classes themselves."""
        folder = self._folder()
        if folder is not None:
            self.classes = tuple(class_names(folder))
        super().setup(stage)

    def signals(self, split: Split) -> Dataset[Any] | None:
        """Images ``(3, 32, 32)`` uint8 and their classes."""
        if split == "val":
            return None
        folder = self._folder()
        if folder is not None:
            files = class_files(folder, split, IMAGE_EXTENSIONS) or []
            return ImageFiles(files, (32, 32), BadFileLog(BadFiles.REFUSE, str(folder), len(files)))
        with _told_where(self.root, "cifar-10-batches-py", _NOT_PREPARED):
            data = datasets.CIFAR10(self.root, train=split == "train")
        return _pairs(torch.from_numpy(data.data).permute(0, 3, 1, 2), torch.tensor(data.targets))

    def _folder(self) -> Path | None:
        return next((f for f in (self.root, self.root / "cifar10") if (f / "train").is_dir()), None)


def _pairs(images: Tensor, labels: Tensor) -> Dataset[Any]:
    return TensorDataset(images, labels)


@contextmanager
def _told_where(root: Path, name: str, what: str) -> Iterator[None]:
    """Say where the files of a data set are looked for, if they are not there."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = what.format(str(error).splitlines()[0].rstrip(":"))
        raise MissingFileError(
            f"the {name} files are not in {root.absolute()}, {reason}; "
            f"set root, or $LOSSY_DATA, to the folder of {name}"
        ) from None
