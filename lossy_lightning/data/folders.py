"""Folders of image files, one folder a class, seen through a codec."""

import warnings
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFile, UnidentifiedImageError
from torch import Tensor
from torchvision.io import ImageReadMode, decode_image

from lossy_lightning.core import Codec, InputError, RandomKey, SignalForm
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.data._arguments import SignalArguments, Unpack
from lossy_lightning.data._file_data import FileDataModule
from lossy_lightning.data._file_source import FileSource
from lossy_lightning.data._listing import ListedFiles, class_files, class_names
from lossy_lightning.data._splits import Split
from lossy_lightning.data.bad_files import BadFile, BadFileLog, BadFiles, Mended, Reason, mended
from lossy_lightning.data.source import Source

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".ppm", ".pgm", ".tif", ".tiff")
_TORCHVISION = ("JPEG", "PNG", "GIF", "WEBP")  # what torchvision decodes; Pillow reads the rest
_lenient = Lock()  # Pillow has one switch for the process


class ImageFiles(FileSource):
    """Images ``(3, H, W)`` uint8 of some files, decoded by torchvision, or by Pillow if it cannot, and their classes.

    Args:
        files: Paths and class numbers.
        size: ``(H, W)`` of the middle part that is taken; None for whole images.
        log: Of bad files.
        max_pixels: Larger images are bad.
        refills: As of `FileSource`.
    """

    def __init__(
        self,
        files: ListedFiles,
        size: tuple[int, int] | None,
        log: BadFileLog,
        max_pixels: int = 2**27,
        refills: bool = False,
    ) -> None:
        super().__init__(files, log, refills)
        self.size = size
        self.max_pixels = max_pixels

    def load(self, index: int, key: RandomKey) -> tuple[Tensor, int] | BadFile | Mended:
        """An image and its class, or what is wrong with the file."""
        path, target = self.files[index]
        image = _load(path, self.size, self.max_pixels)
        if not isinstance(image, BadFile):
            return image, target
        if not self.log.policy.lenient or image.reason != Reason.BROKEN:
            return image
        read = _load(path, self.size, self.max_pixels, lenient=True)
        return read if isinstance(read, BadFile) else mended((read, target), image)


def read_image(path: str | Path, max_pixels: int = 2**27, size: tuple[int, int] | None = None) -> Tensor:
    """Image in a file of any format that torchvision or Pillow reads.

    Args:
        path: Of the file.
        max_pixels: Larger images are refused.
        size: ``(H, W)`` of the middle part that is taken; None for the whole image.

    Returns:
        RGB ``(3, H, W)`` uint8.

    Raises:
        ValueError: If the file cannot be decoded, is too large or smaller than the part; the message names the path.
    """
    image = _load(str(path), size, max_pixels)
    if isinstance(image, BadFile):
        raise InputError(f"{path} cannot be read: {image.message}")
    return image


def _load(path: str, size: tuple[int, int] | None, max_pixels: int, lenient: bool = False) -> Tensor | BadFile:
    """Image in a file, or the middle of it, or what is wrong with the file."""
    with warnings.catch_warnings(action="ignore"):  # Pillow's of sizes, which are checked here
        kind = _kind(path, size, max_pixels)
        if isinstance(kind, BadFile):
            return kind
        try:
            image = _decode(path, kind, lenient)
        except (OSError, RuntimeError, ValueError, SyntaxError) as error:
            return BadFile(path, Reason.BROKEN, f"it cannot be decoded: {str(error).splitlines()[0]}")
    return image if size is None else _middle(image, size)


def _kind(path: str, size: tuple[int, int] | None, max_pixels: int) -> str | BadFile:
    """Format of an image file, or what its header tells against it.

    Args:
        path: Of the file.
        size: ``(H, W)`` that it must have at least.
        max_pixels: That it may have.
    """
    try:
        with open(path, "rb") as file:
            if not file.read(1):
                return BadFile(path, Reason.EMPTY, "it has no bytes")
            file.seek(0)
            with Image.open(file) as image:
                (width, height), kind = image.size, str(image.format)
    except Image.DecompressionBombError as error:
        return BadFile(path, Reason.TOO_LARGE, str(error))
    except UnidentifiedImageError:
        return BadFile(path, Reason.FORMAT, "it is no image that Pillow knows")
    except OSError as error:
        return BadFile.from_os(path, error)
    except (SyntaxError, ValueError) as error:
        return BadFile(path, Reason.FORMAT, str(error))
    if width * height > max_pixels:
        return BadFile(path, Reason.TOO_LARGE, f"it has {height} x {width} pixels, more than max_pixels={max_pixels}")
    if size is not None and (height < size[0] or width < size[1]):
        return BadFile(path, Reason.UNFIT, f"it is of size {(height, width)}, smaller than size={tuple(size)}")
    return kind


def _decode(path: str, kind: str, lenient: bool) -> Tensor:
    """Image ``(3, H, W)`` of a file; what is missing of it is grey if it is read leniently."""
    if not lenient and kind in _TORCHVISION:
        image: Tensor = decode_image(path, ImageReadMode.RGB)
        return image
    with _lenient, Image.open(path) as opened:
        before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, lenient
        try:
            return torch.from_numpy(np.array(opened.convert("RGB"))).permute(2, 0, 1).contiguous()
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before


def _middle(image: Tensor, size: tuple[int, int]) -> Tensor:
    height, width = size
    top, left = (image.shape[1] - height) // 2, (image.shape[2] - width) // 2
    return image[:, top : top + height, left : left + width]


class ImageFolder(FileDataModule):
    """Image files in ``<root>/{train,val,test}/<class>/``, seen through a codec.

    If there is no folder ``test``, the folder ``val`` is the test split, and validation is a part of ``train``.

    Args:
        codec: What the images, RGB, go through.
        root: Folder of the splits.
        size: ``(H, W)`` of the middle part of each image; None for whole images, which are padded in batches if they
            differ in size.
        bad_files: What becomes of files that cannot be used; the headers of all are looked at before training.
        max_pixels: Files with more pixels are bad.
        arguments: As of `EncodedDataModule`.

    Raises:
        ValueError: If the size is no pair of positive numbers, or the limit or the policy is out of range.
        FileNotFoundError: If the folders are missing.

    Example:
        >>> import tempfile
        >>> from itertools import product
        >>> from PIL import Image
        >>> from lossy_lightning.codecs import JPEG
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for split, name, i in product(("train", "test"), ("blue", "red"), range(2)):
        ...         Path(folder, split, name).mkdir(parents=True, exist_ok=True)
        ...         Image.new("RGB", (64 + 16 * i, 48), name).save(Path(folder, split, name, f"{i}.png"))
        ...     data = ImageFolder(JPEG(quality=50), folder, size=(32, 32), cache_dir=f"{folder}/codes")
        ...     code, target = next(iter(data.test_dataloader()))
        >>> code.shape, [data.classes[number] for number in target]
        (torch.Size([4, 384, 2, 2]), ['blue', 'blue', 'red', 'red'])
    """

    def __init__(
        self,
        codec: Codec,
        root: str | Path,
        size: tuple[int, int] | None = None,
        bad_files: BadFiles = BadFiles.REFUSE,
        max_pixels: int = 2**27,
        **arguments: Unpack[SignalArguments],
    ) -> None:
        super().__init__(codec, root, bad_files, **arguments)
        if size is not None and (not isinstance(size, (tuple, list)) or len(size) != 2):
            raise InputError(f"size is a pair of height and width in pixels, or None; got {size!r}")
        for side in size or ():
            check_integers(1, size=side)
        check_integers(1, max_pixels=max_pixels)
        self.size = size
        self.max_pixels = max_pixels
        self.signal_shape = (3, *size) if size else (3, None, None)
        self.classes = tuple(class_names(self.root))
        self.num_classes = len(self.classes)

    @property
    def signal_form(self) -> SignalForm:
        """The middle part, or whole images."""
        return SignalForm(self.signal_shape, self.size is not None)

    def signals(self, split: Split) -> Source | None:
        """Images ``(3, H, W)`` uint8 and their classes."""
        files = self.good_files(split)
        refills = split == "train" and self.transform is not None
        return None if files is None else ImageFiles(files, self.size, self.log, self.max_pixels, refills)

    def listed(self, split: Split) -> ListedFiles | None:
        """All files of a split; validation may be a part of the training files."""
        files = self._examples(self._own, split)
        return None if files is None else [files[i] for i in range(len(files))]  # type: ignore[misc]

    def look(self, split: Split, files: ListedFiles) -> list[BadFile]:
        """What the headers of some files tell against them."""
        found = [_kind(path, self.size, self.max_pixels) for path, _ in files]
        return [bad for bad in found if isinstance(bad, BadFile)]

    def header_key(self) -> str:
        """Size and limit."""
        return f"{self.size} {self.max_pixels}"

    def _own(self, split: Split) -> Any:
        return class_files(self.root, split, IMAGE_EXTENSIONS)
