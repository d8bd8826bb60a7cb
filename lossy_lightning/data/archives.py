"""Files that hold codes and lie in archives, read from there without a copy on the disk."""

import hashlib
import os
import tarfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypedDict

from lossy_lightning.core import FileCodec, InputError, MissingFileError, MissingPackageError
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.data._arguments import Unpack
from lossy_lightning.data._coded_files import CodedFiles
from lossy_lightning.data._file_checks import read_content
from lossy_lightning.data._file_source import mark
from lossy_lightning.data.bad_files import BadFile, BadFileLog, BadFiles, Reason

_GROUPS = 4  # row groups of Parquet files that are kept, for rows that are read in any order


class ArchiveArguments(TypedDict, total=False):
    """What `ArchivedFiles` takes besides codec and files."""

    crop: int | None
    random: bool
    num_threads: int
    bad_files: BadFiles
    max_samples: int


class ArchivedFiles(CodedFiles):
    """Codes of files that lie in archives, and their classes; `EncodedDataModule.codes` returns one.

    They are read, cropped and judged as those of `CodedFolder` are. A subclass writes `content`.

    Args:
        codec: Whose files they are.
        files: What messages call each file, and the number of its class.
        origin: Text that is another if the archives changed.
        crop: Length along each axis of the part of each signal that is read; None for whole signals.
        random: Whether that part is drawn at random, as in training, else it is the middle.
        num_threads: Threads that read a batch together.
        bad_files: What becomes of files that cannot be used.
        max_samples: Files with more samples of a channel are bad.

    Raises:
        ValueError: If a number is out of range, or there are no files.
    """

    def __init__(
        self,
        codec: FileCodec,
        files: Sequence[tuple[str, int]],
        origin: str = "",
        crop: int | None = None,
        random: bool = False,
        num_threads: int = 1,
        bad_files: BadFiles = BadFiles.REFUSE,
        max_samples: int = 2**27,
    ) -> None:
        if not isinstance(codec, FileCodec):
            raise InputError(f"codes are read from files of a standard, such as those of JPEG(); got {codec!r}")
        check_integers(1, num_threads=num_threads, max_samples=max_samples, number_of_files=len(files))
        if crop is not None and any(crop % pitch for pitch in codec.pitch):
            raise InputError(f"crop must be a multiple of {max(codec.pitch)}; got {crop!r}")
        window = None if crop is None else (crop,) * len(codec.pitch)
        log = BadFileLog(bad_files, type(self).__name__, len(files))
        super().__init__(files, lambda target: codec, window, random, num_threads, max_samples, log)
        self.origin = origin

    def fingerprint(self) -> str:
        """Names, classes and origin of the files, hashed."""
        digest = hashlib.sha256(self.origin.encode())
        for name, target in self.files:
            digest.update(f"{name} {target};".encode())
        return digest.hexdigest()


class TarFiles(ArchivedFiles):
    """Files in tar archives, such as those of WebDataset: ``0007.jpg`` beside ``0007.cls``, the number of its class.

    Archives are read once for the places of their members.

    Args:
        codec: As of `ArchivedFiles`.
        tars: Paths of the archives, not compressed.
        label: Ending of the member that holds the class as a number; or what tells it from a file's name.
        arguments: As of `ArchivedFiles`, from ``crop`` on.

    Raises:
        ValueError: If a file has no class, or there is none.
        FileNotFoundError: If an archive is missing.

    Example:
        >>> codes = TarFiles(JPEG(), ["photos-000.tar"], crop=224, random=True)  # doctest: +SKIP
    """

    def __init__(
        self,
        codec: FileCodec,
        tars: Sequence[str | Path],
        label: str | Callable[[str], int] = ".cls",
        **arguments: Unpack[ArchiveArguments],
    ) -> None:
        self.places: list[tuple[str, int, int]] = []
        files: list[tuple[str, int]] = []
        for tar in map(str, tars):
            members = _members(tar)
            for name, (start, size) in members.items():
                if name.lower().endswith(codec.extensions):
                    number = _class_of(tar, name, members, label) if isinstance(label, str) else label(name)
                    files.append((f"{tar}/{name}", number))
                    self.places.append((tar, start, size))
        origin = " ".join(f"{tar} {mark(str(tar))}" for tar in tars)
        super().__init__(codec, files, origin, **arguments)

    def content(self, index: int) -> bytes | BadFile:
        """Bytes of a member."""
        tar, start, size = self.places[index]
        try:
            return _read_at(tar, start, size) or BadFile(self.files[index][0], Reason.EMPTY, "it has no bytes")
        except OSError as error:
            return BadFile.from_os(self.files[index][0], error)


class TableFiles(ArchivedFiles):
    """Files in a column of a table, such as a data set of Hugging Face's ``datasets`` whose files are not decoded.

    Args:
        codec: As of `ArchivedFiles`.
        table: Gives rows by number, each a dictionary, and columns by name; of ``datasets``, after
            ``cast_column("image", Image(decode=False))``, or ``Audio(decode=False)``.
        column: Name of the column of files: bytes, or dictionaries of ``bytes`` and ``path``.
        label: Name of the column of classes.
        arguments: As of `ArchivedFiles`, from ``crop`` on.

    Raises:
        ValueError: If files are decoded, or there is none.

    Example:
        >>> table = load_dataset("beans", split="train").cast_column("image", Image(decode=False))  # doctest: +SKIP
        >>> codes = TableFiles(JPEG(), table, label="labels", crop=224, random=True)  # doctest: +SKIP
    """

    def __init__(
        self,
        codec: FileCodec,
        table: Any,
        column: str = "image",
        label: str = "label",
        **arguments: Unpack[ArchiveArguments],
    ) -> None:
        self.table = table
        self.column = column
        files = [(f"{column} of row {row}", int(number)) for row, number in enumerate(table[label])]
        origin = f"{type(table).__name__} {column} {len(files)}"
        super().__init__(codec, files, origin, **arguments)
        if files:
            self.content(0)

    def content(self, index: int) -> bytes | BadFile:
        """Bytes of a row's file.

        Raises:
            ValueError: If it is decoded.
        """
        return _file_in(self.table[index][self.column], self.files[index][0])


class ParquetFiles(ArchivedFiles):
    """Files in a column of Parquet files; row groups are read whole, and some of them kept.

    Args:
        codec: As of `ArchivedFiles`.
        paths: Of the Parquet files.
        column: Name of the column of files: binary, or ``bytes`` and ``path``.
        label: Name of the column of classes.
        arguments: As of `ArchivedFiles`, from ``crop`` on.

    Raises:
        ValueError: If a column is missing, or there is no row.
        FileNotFoundError: If a file is missing.
        ImportError: If pyarrow is not installed.

    Example:
        >>> codes = ParquetFiles(MP3(), ["words.parquet"], column="audio", crop=11520)  # doctest: +SKIP
    """

    def __init__(
        self,
        codec: FileCodec,
        paths: Sequence[str | Path],
        column: str = "image",
        label: str = "label",
        **arguments: Unpack[ArchiveArguments],
    ) -> None:
        self.column = column
        self.places: list[tuple[str, int, int]] = []
        self._kept: OrderedDict[tuple[str, int], Any] = OrderedDict()
        self._lock = threading.Lock()
        files: list[tuple[str, int]] = []
        for path in map(str, paths):
            opened = _parquet(path)
            for name in (column, label):
                if name not in opened.schema_arrow.names:
                    raise InputError(f"{path} has the columns {opened.schema_arrow.names}; got {name!r}")
            for group in range(opened.num_row_groups):
                numbers = opened.read_row_group(group, [label]).column(label).to_pylist()
                files += [(f"{path}, group {group}, row {row}", int(number)) for row, number in enumerate(numbers)]
                self.places += [(path, group, row) for row in range(len(numbers))]
        origin = " ".join(f"{path} {mark(str(path))}" for path in paths)
        super().__init__(codec, files, origin, **arguments)

    def content(self, index: int) -> bytes | BadFile:
        """Bytes of a row's file."""
        path, group, row = self.places[index]
        with self._lock:
            if (path, group) not in self._kept:
                self._kept[path, group] = _parquet(path).read_row_group(group, [self.column]).column(self.column)
            self._kept.move_to_end((path, group))
            while len(self._kept) > _GROUPS:
                self._kept.popitem(last=False)
            value = self._kept[path, group][row].as_py()
        return _file_in(value, self.files[index][0])


def _members(path: str) -> dict[str, tuple[int, int]]:
    """Name of each file in an archive, where its bytes begin, and how many they are."""
    try:
        with tarfile.open(path, "r:") as tar:
            return {member.name: (member.offset_data, member.size) for member in tar if member.isreg()}
    except FileNotFoundError:
        raise MissingFileError(f"there is no archive {path}") from None
    except tarfile.TarError as error:
        raise InputError(f"{path} is no tar archive, or a compressed one ({error}); unpack its compression") from error


def _class_of(path: str, name: str, members: dict[str, tuple[int, int]], ending: str) -> int:
    """Number of a file's class, from the member that has its name and another ending."""
    folder, _, file = name.rpartition("/")
    beside = f"{folder}/{file.partition('.')[0]}{ending}".lstrip("/")
    text = _read_at(path, *members[beside]) if beside in members else b""
    try:
        return int(text)
    except ValueError:
        raise InputError(
            f"{name} in {path} has no number of a class in {beside}; got {text[:20]!r}: set label to another ending, "
            "or to a function of the name"
        ) from None


def _read_at(path: str, start: int, size: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(start)
        return file.read(size)


def _file_in(value: Any, name: str) -> bytes | BadFile:
    """Bytes of a file, as a table holds them.

    Raises:
        ValueError: If it is decoded.
    """
    if isinstance(value, dict) and value.get("bytes") is None and value.get("path"):
        return read_content(os.fspath(value["path"]))
    data = value.get("bytes") if isinstance(value, dict) else value
    if data is None:
        return BadFile(name, Reason.MISSING, "the table holds neither bytes nor a path")
    if not isinstance(data, bytes):
        raise InputError(
            f"{name} is decoded, {type(value).__name__}, but files are read straight to codes: cast the column by "
            "Image(decode=False) or Audio(decode=False)"
        )
    return data or BadFile(name, Reason.EMPTY, "it has no bytes")


def _parquet(path: str) -> Any:
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise MissingPackageError("Parquet files need pyarrow: pip install 'lossy-lightning[parquet]'") from None
    try:
        return ParquetFile(path)
    except FileNotFoundError:
        raise MissingFileError(f"there is no file {path}") from None
