"""Folders of JPEG files, read straight to coefficients."""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from lossy_lightning.codecs import JPEG
from lossy_lightning.core import InputError
from lossy_lightning.data._read_ahead import ReadAheadLoader
from lossy_lightning.data._splits import Split
from lossy_lightning.data.encoded import EncodedDataModule
from lossy_lightning.data.folders import class_files, class_names
from lossy_lightning.data.source import Source
from lossy_lightning.functional import SAMPLING_FACTORS, pad_codes

if TYPE_CHECKING:
    from lossy_lightning.bitstream.jpeg import JPEGCoefficients

_EXTENSIONS = (".jpg", ".jpeg")
#: Crops start and end at multiples of so many pixels: the MCU of 4:2:0, which holds whole MCUs of 4:4:4 and 4:2:2 too.
_PITCH = 16
_FILES_AT_ONCE = 16


#: Paths and classes of a batch's files, and where parts of them are taken: from 0, the top or left, to 1.
Plan = list[tuple[str, int, tuple[float, float]]]


class JPEGFiles(Source):
    """Codes of JPEG files and their classes; a list of indices is read at once, in compiled code, and batched.

    Args:
        files: Paths and class numbers.
        codec_of: Codec of a class.
        crop: Height and width in pixels of the part that is taken; None for whole images.
        random: Whether that part is drawn at random, else it is the middle.
        num_threads: Threads that read a batch.
        skipped: Where the path of each file that cannot be read and is left out is put, once and with a warning; None
            where such a file is an error.
    """

    loader = ReadAheadLoader

    def __init__(
        self,
        files: Sequence[tuple[str, int]],
        codec_of: Callable[[int], JPEG],
        crop: int | None,
        random: bool,
        num_threads: int,
        skipped: list[str] | None,
    ) -> None:
        self.files = files
        self.codec_of = codec_of
        self.crop = crop
        self.random = random
        self.num_threads = num_threads
        self.skipped = skipped

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from lossy_lightning.bitstream.jpeg import read_coefficients  # slow to import

        ((path, target, place),) = self.plan([index])
        try:
            return self._code(read_coefficients(_read_bytes(path)), target, place), target
        except ValueError as error:
            raise _named(path, error) from error

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, ...]:
        return self.read(self.plan(indices))

    def plan(self, indices: Sequence[int]) -> Plan:
        """What to read for a batch; places are drawn here."""
        count = len(indices)
        places = torch.rand(count, 2).tolist() if self.random else [(0.5, 0.5)] * count
        return [(*self.files[index], place) for index, place in zip(indices, places, strict=True)]

    def read(self, plan: Plan) -> tuple[Tensor, ...]:
        """A batch of codes and targets, and grid sizes where images are whole; several threads may read at once."""
        batch = None if self.crop is None else self._empty_batch(len(plan))
        codes: list[Tensor] = []
        targets: list[int] = []
        for (path, target, place), image in zip(plan, self._images(plan), strict=True):
            try:
                if isinstance(image, ValueError):
                    raise image
                codes.append(self._code(image, target, place, None if batch is None else batch[len(codes)]))
                targets.append(target)
            except ValueError as error:
                if self.skipped is None:
                    raise _named(path, error) from error
                if path not in self.skipped:
                    self.skipped.append(path)
                    warnings.warn(f"{path} is skipped ({len(self.skipped)} so far): {error}", stacklevel=2)
        if not codes:
            raise InputError(f"none of the {len(plan)} files of a batch can be read; check the folder")
        if batch is None:
            code, grid_size = pad_codes(codes)
            return code, torch.tensor(targets), grid_size
        return batch[: len(codes)], torch.tensor(targets)

    @staticmethod
    def collate(batch: Any) -> Any:
        """The batch itself, which `__getitems__` has put together."""
        return batch

    def sample(self, indices: Sequence[int]) -> Iterator[tuple[Tensor, ...]]:
        """One batch."""
        yield self.__getitems__(indices)

    def describe(self, index: int) -> str:
        """Path of the file."""
        return self.files[index][0]

    def _images(self, plan: Plan) -> Iterator["JPEGCoefficients | ValueError"]:
        """What each file holds, or what is wrong with it; a few at a time, lest they leave the processor's cache."""
        from lossy_lightning.bitstream.jpeg import read_coefficients_batch  # slow to import

        count = _FILES_AT_ONCE * self.num_threads
        for part in (plan[start : start + count] for start in range(0, len(plan), count)):
            data = [_read_bytes(path) for path, _, _ in part]
            try:
                yield from read_coefficients_batch(data, self.num_threads)
            except ValueError:
                yield from map(_read_or_error, data)

    def _code(
        self, image: "JPEGCoefficients", target: int, place: tuple[float, float], out: Tensor | None = None
    ) -> Tensor:
        codec = self.codec_of(target)
        if self.crop is not None:
            image = _cropped(image, self.crop, place)
        return codec.from_coefficients(codec.with_layout(image), out)[0]

    def _empty_batch(self, count: int) -> Tensor:
        """Room for a batch, the channels of an MCU side by side as in a file."""
        channels, rows, columns = (size or 0 for size in self.codec_of(0).spec((3, self.crop, self.crop)).shape)
        # NumPy's memory comes in huge pages, which cost less to touch.
        return torch.from_numpy(np.empty((count, rows, columns, channels), np.int16)).movedim(-1, 1)


class JPEGFolder(EncodedDataModule):
    """JPEG files in ``<root>/{train,val,test}/<class>/``, read straight to coefficients, never decoded.

    Where there is no folder ``test``, the folder ``val`` is the test split, and validation is a part of ``train``.
    Files of other chroma subsampling are brought to the codec's in the DCT domain, grey ones get chroma of zeros. Files
    of other chroma subsampling or quantization tables need a codec with ``dequantize=True``, ``tables=True`` or
    ``requantize=True``.

    Args:
        codec: Layout of the codes, a `JPEG`.
        root: Folder of the splits.
        crop: Height and width in pixels, a multiple of 16 (4:1:1: of 32), of the part of each image that is read into
            a batch: at random in training, the middle otherwise. None for whole images; batches are padded where they
            differ.
        cache_dir: As of `EncodedDataModule`; JPEG files are their own cache.
        batch_size: Examples of a batch.
        num_workers: Of each loader: threads of this process that read ahead, a batch each.
        num_threads: Threads that read a batch together, for each worker or without one.
        val_fraction: Share of the training examples taken for validation.
        seed: Of that choice.
        skip_bad: Whether files that cannot be read are left out, with a warning that names and counts them.
        augmentation: Of codes, in training only.
        train_codecs: Codec of the training and validation examples, for all classes or some.
        test_codecs: The same for test examples.

    Raises:
        ValueError: Where the crop is no such multiple, or there is no thread.
        MisconfigurationException: Where a codec is no `JPEG`.
        FileNotFoundError: Where the folders are missing.

    Example:
        >>> data = JPEGFolder(JPEG(), "photos", crop=224)  # doctest: +SKIP
        >>> data.spec.shape  # doctest: +SKIP
        (384, 14, 14)
    """

    def __init__(
        self,
        codec: JPEG,
        root: str | Path,
        crop: int | None = None,
        cache_dir: str | Path | None = None,
        batch_size: int = 64,
        num_workers: int = 0,
        num_threads: int = 1,
        val_fraction: float = 0.1,
        seed: int = 0,
        skip_bad: bool = False,
        augmentation: nn.Module | None = None,
        train_codecs: JPEG | dict[int, JPEG] | None = None,
        test_codecs: JPEG | dict[int, JPEG] | None = None,
    ) -> None:
        super().__init__(
            codec, root, cache_dir, batch_size, num_workers, val_fraction, seed, None, augmentation,
            train_codecs, test_codecs,  # type: ignore[arg-type]
        )  # fmt: skip
        if not isinstance(num_threads, int) or num_threads < 1:
            raise InputError(f"num_threads must be an integer, at least 1; got {num_threads!r}")
        foreign = [codec for codec in self.codecs.named.values() if not isinstance(codec, JPEG)]
        if foreign:
            raise MisconfigurationException(
                f"JPEGFolder reads codes of a JPEG codec; got {foreign[0]}: use ImageFolder for other codecs"
            )
        layouts = [each for each in self.codecs.named.values() if isinstance(each, JPEG)]
        sizes = [_PITCH, *(8 * max(SAMPLING_FACTORS[each.chroma_subsampling]) for each in layouts)]
        if crop is not None and (not isinstance(crop, int) or crop < 1 or crop % max(sizes)):
            raise InputError(f"crop must be a multiple of {max(sizes)} pixels; got {crop!r}")
        self.crop = crop
        self.num_threads = num_threads
        self.skip_bad = skip_bad
        self._skipped: list[str] | None = [] if skip_bad else None
        self.signal_shape = (3, crop, crop)
        self.num_classes = len(class_names(self.root))

    def codes(self, split: Split) -> Source | None:
        """Codes of a split's files, and their classes."""
        files: Any = self._examples(self._files, split)
        if files is None:
            return None
        listed = [files[i] for i in range(len(files))]
        codec: Any = partial(self.codecs.of, split)
        return JPEGFiles(listed, codec, self.crop, split == "train", self.num_threads, self._skipped)

    def _files(self, split: Split) -> Any:
        return class_files(self.root, split, _EXTENSIONS)


def _read_bytes(path: str) -> bytes:
    # Half the time of a file object, and files are many and small.
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, os.fstat(file).st_size)
    finally:
        os.close(file)


def _read_or_error(data: bytes) -> "JPEGCoefficients | ValueError":
    from lossy_lightning.bitstream.jpeg import read_coefficients  # slow to import

    try:
        return read_coefficients(data)
    except ValueError as error:
        return error


def _named(path: str, error: ValueError) -> ValueError:
    return InputError(f"{path}: {error}; repair or remove it, or use skip_bad=True")


def _cropped(image: "JPEGCoefficients", crop: int, place: tuple[float, float]) -> "JPEGCoefficients":
    """A square part of an image, at multiples of 16 pixels; ``place`` from 0, the top or left, to 1."""
    from lossy_lightning.bitstream.jpeg import JPEGCoefficients, JPEGComponent  # slow to import

    choices = [(size - crop) // _PITCH + 1 for size in (image.height, image.width)]
    if min(choices) < 1:
        raise InputError(f"the image has {image.height} x {image.width} pixels, less than crop={crop}")
    top, left = int(place[0] * choices[0]), int(place[1] * choices[1])
    factors = [component.sampling_factors for component in image.components]
    widest, highest = (8 * max(factor) for factor in zip(*factors, strict=True))
    if any(_PITCH * h % widest or _PITCH * v % highest for h, v in factors):
        raise InputError(f"crops need whole blocks every {_PITCH} pixels; the sampling factors are {factors}")
    size, components = crop // _PITCH, []
    for (coefficients, table, _), (h, v) in zip(image.components, factors, strict=True):
        down, across = _PITCH * v // highest, _PITCH * h // widest
        part = coefficients[top * down : (top + size) * down, left * across : (left + size) * across]
        components.append(JPEGComponent(part, table, (h, v)))
    return JPEGCoefficients(crop, crop, image.color_space, tuple(components), image.precision, image.adobe)
