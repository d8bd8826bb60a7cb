"""Files that hold codes and lie in archives, read from there without a copy on the disk."""

import hashlib
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict

from lossy_lightning.core import FileCodec, InputError, MissingFileError
from lossy_lightning.core.arguments import check_integers
from lossy_lightning.data._arguments import Unpack
from lossy_lightning.data._coded_files import CodedFiles
from lossy_lightning.data._file_source import mark
from lossy_lightning.data.bad_files import BadFile, BadFileLog, BadFiles, Reason


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

    Example:
        >>> import io, zipfile
        >>> from PIL import Image
        >>> from lossy_lightning.codecs import JPEG
        >>> class ZipFiles(ArchivedFiles):
        ...     def __init__(self, codec, archive, **arguments):
        ...         self.archive = archive
        ...         files = [(name, int(name.split("/")[0])) for name in archive.namelist()]
        ...         super().__init__(codec, files, **arguments)
        ...     def content(self, index):
        ...         return self.archive.read(self.files[index][0])
        >>> photo, archive = io.BytesIO(), zipfile.ZipFile(io.BytesIO(), "w")
        >>> Image.new("RGB", (64, 48), "teal").save(photo, "JPEG")
        >>> archive.writestr("3/teal.jpg", photo.getvalue())
        >>> code, target = ZipFiles(JPEG(), archive, crop=32)[0]
        >>> code.shape, target
        (torch.Size([384, 2, 2]), 3)
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
        >>> import io, tempfile
        >>> from PIL import Image
        >>> from lossy_lightning.codecs import JPEG
        >>> photo = io.BytesIO()
        >>> Image.new("RGB", (64, 48), "teal").save(photo, "JPEG")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with tarfile.open(f"{folder}/photos-000.tar", "w") as tar:
        ...         for name, content in (("0007.jpg", photo.getvalue()), ("0007.cls", b"3")):
        ...             member = tarfile.TarInfo(name)
        ...             member.size = len(content)
        ...             tar.addfile(member, io.BytesIO(content))
        ...     code, target = TarFiles(JPEG(), [f"{folder}/photos-000.tar"], crop=32)[0]
        >>> code.shape, target
        (torch.Size([384, 2, 2]), 3)
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
