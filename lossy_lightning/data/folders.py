"""Folders of image files, one folder a class, seen through a codec."""

import os
from pathlib import Path

from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS, make_dataset
from torchvision.io import ImageReadMode, decode_image

from lossy_lightning.core import Codec, InputError, MissingFileError
from lossy_lightning.data._arguments import SignalArguments, Unpack
from lossy_lightning.data._splits import Split
from lossy_lightning.data.encoded import EncodedDataModule
from lossy_lightning.data.source import Source


def class_files(root: Path, split: Split, extensions: tuple[str, ...]) -> list[tuple[str, int]] | None:
    """Files of a split with the number of their class, `visible_files` of ``<root>/<split>``.

    If there is no folder ``test``, the folder ``val`` is the test split, and there is no "val".

    Args:
        root: Folder of the splits.
        split: The split.
        extensions: Endings of the files that count.

    Returns:
        Paths and class numbers; None if there is no such split.

    Raises:
        FileNotFoundError: If there is no train or test folder, or a class has no file.
        ValueError: If the split has classes that "train" has not.
    """
    folder = split
    if not (root / "test").is_dir():
        if split == "val":
            return None
        folder = "train" if split == "train" else "val"
    elif split == "val" and not (root / "val").is_dir():
        return None
    if not (root / folder).is_dir():
        raise MissingFileError(
            f"there is no folder {root / folder}; files are expected in {root}/train/<class>/ and {root}/test/<class>/"
        )
    classes = {name: number for number, name in enumerate(class_names(root))}
    strange = [name for name in visible_folders(root / folder) if name not in classes]
    if strange:
        raise InputError(
            f"the classes {strange} of {root / folder} are not among those of {root / 'train'}: remove them"
        )
    return visible_files(root / folder, classes, extensions)


def class_names(root: Path) -> list[str]:
    """Names of the classes, the folders in ``<root>/train`` that are not hidden.

    Raises:
        FileNotFoundError: If there are none.
    """
    if not (root / "train").is_dir():
        raise MissingFileError(f"there is no folder {root / 'train'}; files are expected in {root}/train/<class>/")
    names = visible_folders(root / "train")
    if not names:
        raise MissingFileError(f"there is no class in {root / 'train'}; files are expected in {root}/train/<class>/")
    return names


def visible_folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, in alphabetical order, without hidden ones, such as .ipynb_checkpoints."""
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def visible_files(folder: Path, classes: dict[str, int], extensions: tuple[str, ...]) -> list[tuple[str, int]]:
    """Files ``<folder>/<class>/**`` with the number of their class, without hidden ones and what is in hidden folders.

    Args:
        folder: Folder of the classes.
        classes: Number of each class.
        extensions: Endings of the files that count.

    Raises:
        FileNotFoundError: If a class has no file.
    """
    found = make_dataset(str(folder), classes, extensions, allow_empty=True)
    files = [(path, number) for path, number in found if not is_hidden(path, folder)]
    filled = {number for _, number in files}
    empty = [name for name, number in classes.items() if number not in filled]
    if empty:
        raise MissingFileError(
            f"the classes {empty} of {folder} have no files with one of the endings {', '.join(extensions)}; add "
            "some, or remove the classes"
        )
    return files


def is_hidden(path: str, folder: Path) -> bool:
    """Whether a file, or a folder that it is in below ``folder``, has a name that starts with a dot."""
    return f"{os.sep}." in path[len(str(folder)) :]


class ImageFiles(Source):
    """Images ``(3, H, W)`` uint8 of some files, decoded by torchvision, and their classes.

    Args:
        files: Paths and class numbers.
        size: ``(H, W)`` of the middle part that is taken; None for whole images.
    """

    def __init__(self, files: list[tuple[str, int]], size: tuple[int, int] | None) -> None:
        self.files = files
        self.size = size

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, target = self.files[index]
        try:
            image = decode_image(path, ImageReadMode.RGB)
        except (RuntimeError, ValueError) as error:
            raise InputError(f"{path} cannot be decoded ({error}); repair or remove it") from error
        return (image if self.size is None else self._middle(image, path)), target

    def describe(self, index: int) -> str:
        """Path of the file."""
        return self.files[index][0]

    def _middle(self, image: Tensor, path: str) -> Tensor:
        height, width = self.size or image.shape[1:]
        top, left = (image.shape[1] - height) // 2, (image.shape[2] - width) // 2
        if min(top, left) < 0:
            raise InputError(f"{path} is of size {tuple(image.shape[1:])}, smaller than size={self.size}; remove it")
        return image[:, top : top + height, left : left + width]


class ImageFolder(EncodedDataModule):
    """Image files in ``<root>/{train,val,test}/<class>/``, seen through a codec.

    If there is no folder ``test``, the folder ``val`` is the test split, and validation is a part of ``train``.

    Args:
        codec: What the images, RGB, go through.
        root: Folder of the splits.
        size: ``(H, W)`` of the middle part of each image; None for whole images, which are padded in batches if they
            differ in size.
        arguments: As of `EncodedDataModule`.

    Raises:
        ValueError: If the size is no pair of positive numbers.
        FileNotFoundError: If the folders are missing.
    """

    def __init__(
        self,
        codec: Codec,
        root: str | Path,
        size: tuple[int, int] | None = None,
        **arguments: Unpack[SignalArguments],
    ) -> None:
        super().__init__(codec, root, **arguments)
        if size is not None and (not isinstance(size, (tuple, list)) or len(size) != 2 or min(size) < 1):
            raise InputError(f"size is a pair of height and width in pixels, or None; got {size!r}")
        self.size = size
        self.signal_shape = (3, *size) if size else (3, None, None)
        self.classes = tuple(class_names(self.root))
        self.num_classes = len(self.classes)

    def signals(self, split: Split) -> Source | None:
        """Images ``(3, H, W)`` uint8 and their classes."""
        files = class_files(self.root, split, IMG_EXTENSIONS)
        return None if files is None else ImageFiles(files, self.size)
