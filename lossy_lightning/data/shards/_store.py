"""Where shards lie: a folder, or an object store that litdata knows."""

import tempfile
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from lossy_lightning.core import InputError, MissingFileError, MissingPackageError
from lossy_lightning.core.files import write_atomically

_TRIES = 5
_WAIT = 0.5  # seconds before the second try; each further one waits twice as long
_PART = 2**23  # bytes of a request: what a link that breaks has to send again
_WRITABLE = ("s3", "gs", "r2")
_READABLE = ("s3", "gs", "r2", "azure", "hf")
_Got = TypeVar("_Got")


class Stored(NamedTuple):
    """A file of a store.

    Attributes:
        name: In the store.
        num_bytes: Its size.
        checksum: CRC-32 of its bytes.
    """

    name: str
    num_bytes: int
    checksum: int


class Store:
    """Files under one address.

    Args:
        url: A folder, or ``s3://bucket/folder`` and the like.
        options: What litdata hands to the client of that store, such as ``{"endpoint_url": "http://…"}``.

    Raises:
        ValueError: If the address is of a kind that litdata does not know.
        ImportError: If litdata is not installed.
    """

    def __init__(self, url: str | Path, options: dict[str, Any] | None = None) -> None:
        self.url = str(url).rstrip("/")
        scheme, found, _ = self.url.partition("://")
        self.scheme = scheme if found else ""
        self.options = dict(options or {})
        try:
            import litdata  # noqa: F401  it takes a second to import
        except ImportError:
            raise MissingPackageError("shards need litdata: pip install 'lossy-lightning[shards]'") from None
        if self.scheme and self.scheme not in _READABLE:
            raise InputError(
                f"shards lie in a folder, or at {', '.join(f'{name}://' for name in _READABLE)}; got {self.url}"
            )
        if self.scheme in ("s3", "r2") and "config" not in self.options:
            from botocore.config import Config

            # Tries are counted here: the engine's own would go on for hours, and say nothing.
            self.options["config"] = Config(connect_timeout=10, read_timeout=30, retries={"total_max_attempts": 1})

    @property
    def folder(self) -> Path | None:
        """The folder itself; None if files come from elsewhere."""
        return None if self.scheme else Path(self.url)

    def check_place(self) -> None:
        """Check that a folder can be there.

        Raises:
            ValueError: If a file is.
        """
        places = [] if self.folder is None else [self.folder, *self.folder.parents]
        for file in places:
            if file.is_file():
                raise InputError(
                    f"{self.url} cannot hold shards, for {file} is a file and no folder: write to another place"
                )

    def address(self, name: str) -> str:
        """Of a file."""
        return f"{self.url}/{name}"

    def read(self, name: str) -> bytes | None:
        """All of a small file; None if there is none.

        Raises:
            ValueError: If the store does not answer, or refuses.
        """
        if self.folder is not None:
            path = self.folder / name
            return path.read_bytes() if path.is_file() else None
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder, "file")
            try:
                self._retried(name, "read", lambda: self._fetch_whole(name, local))
            except MissingFileError:
                return None
            return local.read_bytes() if local.is_file() else None

    def write(self, name: str, content: bytes) -> None:
        """Write a small file: all of it, or nothing."""
        if self.folder is not None:
            write_atomically(self.folder / name, content)
            return
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder, "file")
            local.write_bytes(content)
            self.move(local, name)

    def move(self, local: Path, name: str) -> None:
        """Move a file to the store.

        Raises:
            ValueError: If the store cannot be written to.
        """
        if self.folder is not None:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            local.replace(self.folder / name)
            return
        if self.scheme not in _WRITABLE:
            raise InputError(f"shards are written to folders, {', '.join(f'{name}://' for name in _WRITABLE)}; got "
                             f"{self.url}: write to a folder, and copy it there")  # fmt: skip
        from litdata.streaming.fs_provider import _get_fs_provider

        provider = _get_fs_provider(self.url, self.options)
        self._retried(name, "written", lambda: provider.upload_file(str(local), self.address(name)))
        local.unlink()

    def fetch(self, file: Stored, local: Path) -> None:
        """Copy a file of the store, whole or not at all.

        Raises:
            ValueError: If the store does not answer, or what came is not what was written.
        """
        from litdata.streaming.downloader import get_downloader

        local.parent.mkdir(parents=True, exist_ok=True)
        unfinished = local.with_suffix(".partial")
        loader = get_downloader(self.url, str(local.parent), [], self.options)
        checksum = 0
        with unfinished.open("wb") as written:
            for start in range(0, file.num_bytes, _PART):
                size, whole = min(_PART, file.num_bytes - start), str(local.with_suffix(".whole"))
                fetch_part = partial(loader.download_bytes, self.address(file.name), start, size, whole)
                part = self._retried(file.name, "read", fetch_part)
                written.write(part)
                checksum = zlib.crc32(part, checksum)
        if checksum != file.checksum:
            raise InputError(f"{self.address(file.name)} is damaged, or was written anew while it was read; {_AGAIN}")
        unfinished.replace(local)

    def is_intact(self, file: Stored) -> bool:
        """Whether a file is there as it was written."""
        if self.folder is None:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    self.fetch(file, Path(folder, "file"))
                except MissingFileError:
                    return False
                except InputError as error:
                    if _AGAIN in str(error):
                        return False
                    raise
                return True
        path = self.folder / file.name
        return path.is_file() and path.stat().st_size == file.num_bytes and checksum_of(path) == file.checksum

    def _fetch_whole(self, name: str, local: Path) -> None:
        if self.scheme in _WRITABLE:
            from litdata.streaming.fs_provider import _get_fs_provider

            _get_fs_provider(self.url, self.options).download_file(self.address(name), str(local))
            return
        from litdata.streaming.downloader import get_downloader

        get_downloader(self.url, str(local.parent), [], self.options).download_file(self.address(name), str(local))

    def _retried(self, name: str, done: str, action: Callable[[], _Got]) -> _Got:
        """What an action returns, tried some times.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it fails each time, or is refused for good.
        """
        started = time.monotonic()
        for number in range(_TRIES):
            try:
                return action()
            except Exception as error:  # each client has errors of its own
                status, told = _status(error), f"{type(error).__name__}: {error}".partition("\n")[0]
                if status == 404:
                    raise MissingFileError(f"there is no {self.address(name)}") from error
                if status is not None and 400 <= status < 500 and status not in (408, 429):
                    raise InputError(
                        f"{self.address(name)} cannot be {done} ({told}); check the access rights"
                    ) from error
                if number == _TRIES - 1:
                    raise InputError(
                        f"{self.address(name)} cannot be {done}, tried {_TRIES} times in "
                        f"{time.monotonic() - started:.0f} s ({told}); check the network and run this again, it goes on"
                    ) from error
            time.sleep(_WAIT * 2**number)
        raise AssertionError


_AGAIN = "write the shards again, which makes anew only what is damaged"


def checksum_of(path: Path) -> int:
    """CRC-32 of a file."""
    total = 0
    with path.open("rb") as file:
        while part := file.read(_PART):
            total = zlib.crc32(part, total)
    return total


def _status(error: Exception) -> int | None:
    """HTTP status that an object store answered with, if it answered."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return status if isinstance(status, int) else None
    return 404 if isinstance(error, FileNotFoundError) else None
