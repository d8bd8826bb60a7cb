"""Folders of files that hold codes, such as JPEG files, read straight to codes."""

from functools import partial
from math import lcm
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException

from lossy_lightning.core import FileCodec, InputError
from lossy_lightning.data._arguments import CodeArguments, Unpack
from lossy_lightning.data._coded_files import CodedFiles
from lossy_lightning.data._splits import Split
from lossy_lightning.data.encoded import EncodedDataModule
from lossy_lightning.data.folders import class_files, class_names
from lossy_lightning.data.source import Source


class CodedFolder(EncodedDataModule):
    """Files of a standard in ``<root>/{train,val,test}/<class>/``, read straight to codes, never decoded.

    If there is no folder ``test``, the folder ``val`` is the test split, and validation is a part of ``train``. Files
    are their own cache: each batch is read anew, only the crop of each file is kept, and ``num_workers`` are threads of
    this process that read ahead, a batch each. Whether a file is bad does not depend on the crop.

    Args:
        codec: What the codes are, a `FileCodec`, such as `JPEG`.
        root: Folder of the splits.
        crop: Length along each axis, in pixels of an image, of the part of each signal that is read: at random in
            training, the middle otherwise. It is a multiple of the codec's `pitch` (JPEG: 16, of 4:1:1 32). None for
            whole signals; batches are padded if they differ in size.
        num_threads: Threads that read a batch together, for each worker or without one.
        skip_bad: Whether files that cannot be read are left out, with a warning that names and counts them.
        lenient: Whether files that are cut off are read as far as they go.
        arguments: As of `EncodedDataModule`.

    Raises:
        ValueError: If the crop is no such multiple, or there is no thread.
        MisconfigurationException: If a codec is no `FileCodec`.
        FileNotFoundError: If the folders are missing.

    Example:
        >>> data = CodedFolder(JPEG(), "photos", crop=224)  # doctest: +SKIP
        >>> data.spec.shape  # doctest: +SKIP
        (384, 14, 14)
    """

    def __init__(
        self,
        codec: FileCodec,
        root: str | Path,
        crop: int | None = None,
        num_threads: int = 1,
        skip_bad: bool = False,
        lenient: bool = False,
        **arguments: Unpack[CodeArguments],
    ) -> None:
        super().__init__(codec, root, transform=None, **arguments)
        if not isinstance(num_threads, int) or num_threads < 1:
            raise InputError(f"num_threads must be an integer, at least 1; got {num_threads!r}")
        codecs = [each for each in self.codecs.named.values() if isinstance(each, FileCodec)]
        if len(codecs) < len(self.codecs.named):
            (foreign, *_) = (each for each in self.codecs.named.values() if not isinstance(each, FileCodec))
            raise MisconfigurationException(
                f"{type(self).__name__} reads codes of files, as JPEG has them; got {foreign}, which has no files: use "
                "ImageFolder or AudioFolder, which decode files and encode their signals"
            )
        pitch = lcm(*(size for each in codecs for size in each.pitch))
        if crop is not None and (not isinstance(crop, int) or crop < 1 or crop % pitch):
            raise InputError(f"crop must be a multiple of {pitch} pixels; got {crop!r}")
        self.crop = crop
        self.num_threads = num_threads
        self.skip_bad = skip_bad
        self.lenient = lenient
        self._extensions = tuple(sorted({extension for each in codecs for extension in each.extensions}))
        self._skipped: list[str] | None = [] if skip_bad else None
        channels, *sizes = codec.signal_shape
        self.signal_shape = (channels, *((crop,) * len(sizes)))
        self.classes = tuple(class_names(self.root))
        self.num_classes = len(self.classes)

    def codes(self, split: Split) -> Source | None:
        """Codes of a split's files, and their classes."""
        files = self._examples(self._files, split)
        if files is None:
            return None
        listed: Any = [files[i] for i in range(len(files))]
        codec_of: Any = partial(self.codecs.of, split)
        crop = None if self.crop is None else (self.crop,) * (len(self.signal_shape) - 1)
        return CodedFiles(listed, codec_of, crop, split == "train", self.num_threads, self.lenient, self._skipped)

    def _files(self, split: Split) -> Any:
        return class_files(self.root, split, self._extensions)


class JPEGFolder(CodedFolder):
    """A `CodedFolder` of JPEG files.

    Files of other chroma subsampling are brought to the codec's in the DCT domain, grey ones get chroma of zeros. Files
    of other chroma subsampling or quantization tables need a codec with ``dequantize=True``, ``tables=True`` or
    ``requantize=True``.

    Args: as of `CodedFolder`.
    """
