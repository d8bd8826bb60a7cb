"""Folders of files that hold codes, such as JPEG files, read straight to codes."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from math import lcm
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from lossy_lightning.core import FileCodec, FileInfo, InputError, SignalForm
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.data._arguments import CodeArguments, Unpack
from lossy_lightning.data._coded_files import CodedFiles
from lossy_lightning.data._file_checks import read_content, what_is_wrong
from lossy_lightning.data._file_data import FileDataModule
from lossy_lightning.data._grouped_files import GroupedFiles, ListedFile
from lossy_lightning.data._listing import ListedFiles, class_files
from lossy_lightning.data._splits import Split
from lossy_lightning.data.bad_files import BadFile, BadFileLog, BadFiles
from lossy_lightning.data.source import SAMPLE, Source


class _FolderArguments(CodeArguments, total=False):
    """What `CodedFolder` takes of groups, and `EncodedDataModule`."""

    group: Callable[[Path], str] | None
    test_fraction: float
    test_groups: Sequence[str]
    test_fold: int | None


class CodedFolder(FileDataModule):
    """Files of a standard, one folder a class, read straight to codes, never decoded.

    Either ``<root>/{train,val,test}/<class>/``: if there is no folder ``test``, the folder ``val`` is the test split,
    and validation is a part of ``train``. Or ``<root>/<class>/``, of which groups of files are taken for test and
    validation. Files are their own cache: each batch is read anew, only the crop of each file is kept, and
    ``num_workers`` are threads of this process that read ahead, a batch each. Whether a file is bad does not depend on
    the crop.

    Args:
        codec: What the codes are, a `FileCodec`, such as `JPEG`.
        root: Folder of the splits.
        crop: Length along each axis, in pixels of an image or samples of a sound, of the part of each signal that is
            read: at random in training, the middle otherwise. It is a multiple of the codec's `pitch` (JPEG: 16, of
            4:1:1 32; MP3: a frame, 1152, below 32 kHz 576). None for whole signals; batches are padded if they differ.
        num_threads: Threads that read a batch together, for each worker or without one.
        bad_files: What becomes of files that cannot be used; the headers of all are looked at before training.
        max_samples: Files with more samples of a channel, such as pixels, are bad.
        group: Names what must stay on one side of a split, such as the speaker, from a file's path; by default each
            file is a group of its own.
        test_fraction: Share of the groups taken for test, if there is no folder ``train``.
        test_groups: Names of the groups taken for test instead.
        test_fold: The fold, from 0 to 4, of ``crc32(group) % 5`` that is taken for test instead.
        arguments: As of `EncodedDataModule`.

    Raises:
        ValueError: If the crop is no such multiple, or a number or the policy is out of range.
        MisconfigurationException: If a codec is no `FileCodec`, or groups cannot be split.
        FileNotFoundError: If the folders are missing.

    Example:
        >>> import tempfile
        >>> from itertools import product
        >>> from PIL import Image
        >>> from lossy_lightning.codecs import JPEG
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for split, name, i in product(("train", "test"), ("blue", "red"), range(2)):
        ...         Path(folder, split, name).mkdir(parents=True, exist_ok=True)
        ...         Image.new("RGB", (64 + 16 * i, 48), name).save(Path(folder, split, name, f"{i}.jpg"))
        ...     data = CodedFolder(JPEG(), folder)
        ...     code, target, grid_size = next(iter(data.test_dataloader()))  # padded to the largest
        >>> code.shape, grid_size.tolist(), [data.classes[number] for number in target]
        (torch.Size([4, 384, 3, 5]), [[3, 4], [3, 5], [3, 4], [3, 5]], ['blue', 'blue', 'red', 'red'])
    """

    def __init__(
        self,
        codec: FileCodec,
        root: str | Path,
        crop: int | None = None,
        num_threads: int = 1,
        bad_files: BadFiles = BadFiles.REFUSE,
        max_samples: int = 2**27,
        group: Callable[[Path], str] | None = None,
        test_fraction: float = 0.2,
        test_groups: Sequence[str] = (),
        test_fold: int | None = None,
        **arguments: Unpack[CodeArguments],
    ) -> None:
        if "transform" in arguments:
            raise InputError(
                f"{type(self).__name__} reads codes, so it takes no transform of signals; pass an augmentation of "
                "codes, or use ImageFolder or AudioFolder"
            )
        super().__init__(codec, root, bad_files, transform=None, **arguments)
        check_integers(1, num_threads=num_threads, max_samples=max_samples)
        codecs = [each for each in self.codecs.named.values() if isinstance(each, FileCodec)]
        if len(codecs) < len(self.codecs.named):
            (foreign, *_) = (each for each in self.codecs.named.values() if not isinstance(each, FileCodec))
            raise MisconfigurationException(
                f"{type(self).__name__} reads codes of files, as JPEG has them; got {foreign}, which has no files: use "
                "ImageFolder or AudioFolder, which decode files and encode their signals"
            )
        pitch = lcm(*(size for each in codecs for size in each.pitch))
        if crop is not None and (not isinstance(crop, int) or crop < 1 or crop % pitch):
            unit = "pixels" if len(codec.signal_shape) > 2 else "samples"
            raise InputError(f"crop must be a multiple of {pitch} {unit}; got {crop!r}")
        self.crop = crop
        self.num_threads = num_threads
        self.max_samples = max_samples
        extensions = tuple(sorted({extension for each in codecs for extension in each.extensions}))
        channels, *sizes = codec.signal_shape
        self.signal_shape = (channels, *((crop,) * len(sizes)))
        self._files = GroupedFiles(self.root, extensions, group, test_fraction, test_groups, test_fold)
        self._by_group = group is not None or not self._files.has_splits()
        self.classes = tuple(self._files.classes())
        self.num_classes = len(self.classes)

    @property
    def signal_form(self) -> SignalForm:
        """The crop, or whole signals; codes as they are."""
        return SignalForm(self.signal_shape, self.crop is not None, as_stored=True)

    def codes(self, split: Split) -> Source | None:
        """Codes of a split's files, and their classes."""
        files = self.good_files(split)
        if files is None:
            return None
        codec_of: Any = partial(self.codecs.of, split)
        crop = self._crop()
        return CodedFiles(files, codec_of, crop, split == "train", self.num_threads, self.max_samples, self.log)

    def listed(self, split: Split) -> ListedFiles | None:
        """All files of a split; validation may be a part of the training files."""
        files = self._examples(self._own, split)
        return None if files is None else [files[i] for i in range(len(files))]  # type: ignore[misc]

    def look(self, split: Split, files: ListedFiles) -> list[BadFile]:
        """What the headers of some files tell against them."""
        found = [self._look_at(path, self._codec(split, target)) for path, target in files]
        return [bad for bad in found if bad is not None]

    def header_key(self) -> str:
        """Codecs, crop, limit and whether damage is mended."""
        return f"{self.codecs.fingerprint()} {self.crop} {self.max_samples} {self.bad_files.lenient}"

    def _look_at(self, path: str, codec: FileCodec) -> BadFile | None:
        for size in (codec.header_bytes, None):
            content = read_content(path, size)
            if isinstance(content, BadFile):
                return content
            (info,) = codec.measure([content], self.bad_files.lenient)
            if isinstance(info, FileInfo) or size is None or len(content) < size:
                break  # else the header may be longer than most
        return what_is_wrong(path, info, self._crop(), self.max_samples)

    def _codec(self, split: Split, target: int) -> FileCodec:
        codec: Any = self.codecs.of(split, target)
        return codec  # type: ignore[no-any-return]

    def _crop(self) -> tuple[int, ...] | None:
        return None if self.crop is None else (self.crop,) * (len(self.signal_shape) - 1)

    def _own(self, split: Split) -> Any:
        if not self._by_group:
            return class_files(self.root, split, self._files.extensions)
        return [(path, target) for path, target, own in self._grouped if own == split] or None

    @cached_property
    def _grouped(self) -> list[ListedFile]:
        """All files, each on its side."""
        return self._files.split(self.val_fraction, self.seed)


def read_code(path: str | Path, codec: FileCodec, crop: tuple[int, ...] | None = None) -> Tensor:
    """Code in a file, as a `CodedFolder` reads it in test.

    Args:
        path: Of the file.
        codec: Of the file's standard.
        crop: Samples along each axis of the signal whose middle part is read; None for all of it.

    Returns:
        ``(C, *grid)``.

    Raises:
        ValueError: If the file is broken, smaller than the crop, or not what the codec takes; the message names it.
    """
    log = BadFileLog(BadFiles.REFUSE, str(path))
    read = CodedFiles([(str(path), 0)], lambda _: codec, crop, False, 1, 2**27, log).load(0, SAMPLE)
    if isinstance(read, BadFile):
        raise InputError(f"{path} cannot be read: {read.message}")
    code: Tensor = read[0]
    return code


class JPEGFolder(CodedFolder):
    """A `CodedFolder` of JPEG files.

    Files of other chroma subsampling are brought to the codec's in the DCT domain, grey ones get chroma of zeros. Files
    of other chroma subsampling or quantization tables need a codec with ``dequantize=True``, ``tables=True`` or
    ``requantize=True``.

    Args:
        codec: As of `CodedFolder`.
        root: As of `CodedFolder`.
        crop: As of `CodedFolder`.
        num_threads: As of `CodedFolder`.
        bad_files: As of `CodedFolder`; lenient reading gives libjpeg's coefficients.
        max_pixels: Files with more pixels are bad, 2**27 at most.
        arguments: As of `CodedFolder`: groups, and all that `EncodedDataModule` takes.

    Raises:
        ValueError: As of `CodedFolder`.

    Example:
        >>> import tempfile
        >>> from itertools import product
        >>> from PIL import Image
        >>> from lossy_lightning.codecs import JPEG
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for split, name, i in product(("train", "test"), ("blue", "red"), range(2)):
        ...         Path(folder, split, name).mkdir(parents=True, exist_ok=True)
        ...         Image.new("RGB", (64 + 16 * i, 48), name).save(Path(folder, split, name, f"{i}.jpg"))
        ...     data = JPEGFolder(JPEG(), folder, crop=32)
        ...     code, target = next(iter(data.test_dataloader()))
        >>> code.shape, data.spec.split(code)["cb"].shape
        (torch.Size([4, 384, 2, 2]), torch.Size([4, 64, 2, 2]))
    """

    def __init__(
        self,
        codec: FileCodec,
        root: str | Path,
        crop: int | None = None,
        num_threads: int = 1,
        bad_files: BadFiles = BadFiles.REFUSE,
        max_pixels: int = 2**27,
        **arguments: Unpack[_FolderArguments],
    ) -> None:
        if not isinstance(max_pixels, int) or not 1 <= max_pixels <= 2**27:
            raise InputError(f"max_pixels is an integer from 1 to 2**27 = 134217728; got {max_pixels!r}")
        super().__init__(codec, root, crop, num_threads, bad_files, max_pixels, **arguments)
