"""Folders of JPEG files, read straight to coefficients."""

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torch.utils.data import Dataset

from lossy_lightning.bitstream.jpeg import JPEGCoefficients, read_coefficients_batch
from lossy_lightning.codecs import JPEG
from lossy_lightning.data.encoded import EncodedDataModule, codec_of
from lossy_lightning.data.folders import class_files, class_names
from lossy_lightning.data.splits import Examples, Split, take_split
from lossy_lightning.functional import pad_codes

_EXTENSIONS = (".jpg", ".jpeg", ".JPG", ".JPEG")
#: Crops start and end at multiples of so many pixels: the MCU of 4:2:0, which holds whole MCUs of 4:4:4 and 4:2:2 too.
_PITCH = 16


class JPEGFiles(Dataset[tuple[Tensor, Any]]):
    """Codes of JPEG files and their classes; a list of indices is read at once, in compiled code, and batched.

    Args:
        files: Paths and class numbers.
        codec_of: Codec of a class.
        crop: Height and width in pixels of the part that is taken; None for whole images.
        random: Whether that part is drawn at random, else it is the middle.
        num_threads: Threads that read a batch.
        skip_bad: Whether files that cannot be read are left out, with a warning each, else they are an error.

    Attributes:
        num_skipped: Number of files left out so far, in this process.
    """

    def __init__(
        self,
        files: Sequence[tuple[str, int]],
        codec_of: Callable[[int], JPEG],
        crop: int | None,
        random: bool,
        num_threads: int,
        skip_bad: bool,
    ) -> None:
        self.files = files
        self.codec_of = codec_of
        self.crop = crop
        self.random = random
        self.num_threads = num_threads
        self.skip_bad = skip_bad
        self.num_skipped = 0

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        (pair,) = self._read([index])
        return pair

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, ...]:
        pairs = self._read(indices)
        if not pairs:
            raise ValueError(f"none of the {len(indices)} files of a batch can be read; check the folder")
        codes, targets = zip(*pairs, strict=True)
        if self.crop is None and len({code.shape for code in codes}) > 1:
            code, grid_size = pad_codes(codes)
            return code, torch.tensor(targets), grid_size
        # The values of an MCU lie side by side; so they stay, and a batch is made by copying whole images.
        batch = torch.stack([code.movedim(0, -1) for code in codes]).movedim(-1, 1)
        return batch, torch.tensor(targets)

    @staticmethod
    def collate(batch: Any) -> Any:
        """The batch itself, which `__getitems__` has put together."""
        return batch

    def _read(self, indices: Sequence[int]) -> list[tuple[Tensor, int]]:
        paths = [self.files[index][0] for index in indices]
        data = [Path(path).read_bytes() for path in paths]
        try:
            images: list[JPEGCoefficients | None] = list(read_coefficients_batch(data, self.num_threads))
        except ValueError:
            images = [None] * len(data)  # one by one below, to tell the bad ones
        pairs = []
        for index, path, content, image in zip(indices, paths, data, images, strict=True):
            target = self.files[index][1]
            try:
                (image,) = [image] if image is not None else read_coefficients_batch([content])
                pairs.append((self._code(image, self.codec_of(target)), target))
            except ValueError as error:
                if not self.skip_bad:
                    raise ValueError(f"{path}: {error}; repair or remove it, or use skip_bad=True") from error
                self.num_skipped += 1
                warnings.warn(f"{path} is skipped ({self.num_skipped} so far): {error}", stacklevel=2)
        return pairs

    def _code(self, image: JPEGCoefficients, codec: JPEG) -> Tensor:
        if self.crop is not None:
            image = _cropped(image, self.crop, self.random)
        return codec.from_coefficients(codec.with_layout(image))[0]


class JPEGFolder(EncodedDataModule):
    """JPEG files in ``<root>/{train,val,test}/<class>/``, read straight to coefficients, never decoded.

    Where there is no folder ``test``, the folder ``val`` is the test split, and validation is a part of ``train``.
    Files of other chroma subsampling are brought to the codec's in the DCT domain, grey ones get chroma of zeros. Files
    of other quantization tables need a codec with ``dequantize=True``, ``tables=True`` or ``requantize=True``.

    Args:
        codec: Layout of the codes, a `JPEG`.
        root: Folder of the splits.
        crop: Height and width in pixels, a multiple of 16, of the part of each image that is read into a batch: at
            random in training, the middle otherwise. None for whole images; batches are padded where they differ.
        cache_dir: As of `EncodedDataModule`; JPEG files are their own cache.
        batch_size: Examples of a batch.
        num_workers: Of each loader; they read ahead.
        num_threads: Threads that read a batch together, in each worker or without one.
        val_fraction: Share of the training examples taken for validation.
        seed: Of that choice.
        skip_bad: Whether files that cannot be read are left out, with a warning that names and counts them.
        augmentation: Of codes, in training only.
        train_codecs: Codec of the training and validation examples, for all classes or some.
        test_codecs: The same for test examples.

    Raises:
        ValueError: Where the crop is no multiple of 16.
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
        if crop is not None and (crop < 1 or crop % _PITCH):
            raise ValueError(f"crop must be a multiple of {_PITCH} pixels; got {crop}")
        foreign = [codec for codec in self._codecs().values() if not isinstance(codec, JPEG)]
        if foreign:
            raise MisconfigurationException(
                f"JPEGFolder reads codes of a JPEG codec; got {foreign[0]}: use ImageFolder for other codecs"
            )
        self.crop = crop
        self.num_threads = num_threads
        self.skip_bad = skip_bad
        self.signal_shape = (3, crop, crop)
        self.num_classes = len(class_names(self.root))

    def codes(self, split: Split) -> Examples | None:
        """Codes of a split's files, and their classes."""
        files: Any = take_split(self._files, split, self.val_fraction, self.seed)
        if files is None:
            return None
        listed = [files[i] for i in range(len(files))]
        codec: Any = partial(codec_of, self.codec, self.test_codecs if split == "test" else self.train_codecs)
        return JPEGFiles(listed, codec, self.crop, split == "train", self.num_threads, self.skip_bad)

    def _files(self, split: Split) -> Any:
        return class_files(self.root, split, _EXTENSIONS)


def _cropped(image: JPEGCoefficients, crop: int, random: bool) -> JPEGCoefficients:
    """A square part of an image, at multiples of 16 pixels."""
    places = [(size - crop) // _PITCH + 1 for size in (image.height, image.width)]
    if min(places) < 1:
        raise ValueError(f"the image has {image.height} x {image.width} pixels, less than crop={crop}")
    starts = [int(torch.randint(n, ())) if random else (n - 1) // 2 for n in places]
    most = [max(component.sampling_factors[axis] for component in image.components) for axis in (1, 0)]
    components = []
    for component in image.components:
        window = []
        for start, factor, largest in zip(starts, component.sampling_factors[::-1], most, strict=True):
            if _PITCH * factor % (8 * largest):
                raise ValueError(f"crops need whole blocks each {_PITCH} pixels; a component has {factor} of {largest}")
            pitch = _PITCH * factor // (8 * largest)
            window.append(slice(start * pitch, (start + crop // _PITCH) * pitch))
        components.append(component._replace(coefficients=component.coefficients[tuple(window)]))
    return JPEGCoefficients(crop, crop, image.color_space, tuple(components), image.precision, image.adobe)
