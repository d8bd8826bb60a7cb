"""Files that hold codes and lie in columns of tables."""

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lossy_lightning.core import FileCodec, InputError, MissingFileError, MissingPackageError
from lossy_lightning.data._arguments import Unpack
from lossy_lightning.data._file_checks import read_content
from lossy_lightning.data._file_source import mark
from lossy_lightning.data.archives import ArchiveArguments, ArchivedFiles
from lossy_lightning.data.bad_files import BadFile, Reason

_GROUPS = 4  # row groups of Parquet files that are kept, for rows that are read in any order


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
        >>> import io
        >>> from PIL import Image
        >>> from lossy_lightning.codecs import JPEG
        >>> photo = io.BytesIO()
        >>> Image.new("RGB", (64, 48), "teal").save(photo, "JPEG")
        >>> class Table(list):  # as load_dataset("beans").cast_column("image", Image(decode=False)) gives one
        ...     def __getitem__(self, key):
        ...         return [row[key] for row in self] if isinstance(key, str) else super().__getitem__(key)
        >>> table = Table([{"image": {"bytes": photo.getvalue(), "path": "teal.jpg"}, "labels": 3}])
        >>> code, target = TableFiles(JPEG(), table, label="labels", crop=32)[0]
        >>> code.shape, target
        (torch.Size([384, 2, 2]), 3)
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
        >>> import io, pyarrow, tempfile
        >>> from pyarrow import parquet
        >>> from PIL import Image
        >>> from lossy_lightning.codecs import JPEG
        >>> photo = io.BytesIO()
        >>> Image.new("RGB", (64, 48), "teal").save(photo, "JPEG")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = pyarrow.table({"image": [photo.getvalue()], "label": [3]})
        ...     parquet.write_table(table, f"{folder}/photos.parquet")
        ...     code, target = ParquetFiles(JPEG(), [f"{folder}/photos.parquet"], crop=32)[0]
        >>> code.shape, target
        (torch.Size([384, 2, 2]), 3)
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
