"""Disks that are full, cannot be written or have no locks, told in one sentence."""

import errno
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from lossy_lightning.core import InputError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_PATIENCE = 30.0  # seconds from one warning to the next
_MAX_WAIT = 6 * 3600.0  # seconds; encoding a large set by a neural codec may take hours
_WHAT = "set cache_dir to a folder that can be written, or $LOSSY_CACHE"


@contextmanager
def told_of_disk(folder: Path, advice: str = _WHAT) -> Iterator[None]:
    """Say what is wrong with the disk if something cannot be written to a folder.

    Args:
        folder: The folder.
        advice: What to do about it.

    Raises:
        ValueError: If the disk is full, read-only, or the folder is a file or may not be written to.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None and not _is_near(Path(error.filename), folder):
            raise  # of the data, say
        if error.errno in _FULL:
            raise InputError(
                f"the disk of {folder} is full, {_free(folder)} bytes are free: make room, or {advice}"
            ) from error
        if error.errno == errno.EFBIG:
            raise InputError(
                f"a file in {folder} would be larger than this system allows: raise the limit (ulimit -f), or {advice}"
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.ENOENT):
            raise InputError(f"{folder} cannot be written to ({error.strerror}): {advice}") from error
        raise


@contextmanager
def locked(path: Path, advice: str = _WHAT) -> Iterator[None]:
    """Hold the lock that keeps other processes from making the same; who waits long is told for what, and gives up.

    On file systems without locks a file stands for one, and a process of another machine that was killed leaves it.

    Args:
        path: Of what is made; the lock lies beside it.
        advice: What to do if nothing can be written there.

    Raises:
        ValueError: As `told_of_disk`, or if another process holds it for six hours.
    """
    lock = path.with_suffix(".lock")
    with told_of_disk(path.parent, advice):
        path.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(lock)
        _acquire(held, path.name)
    try:
        yield
    finally:
        held.release()


def _acquire(lock: BaseFileLock, made: str) -> None:
    waited = 0.0
    while True:
        try:
            lock.acquire(timeout=_PATIENCE)
            return
        except Timeout:
            waited += _PATIENCE
        told = f"another process that makes {made} and holds {lock.lock_file}"
        if waited >= _MAX_WAIT:
            raise InputError(
                f"gave up after {waited / 60:g} minutes of waiting for {told}: if there is none, on any machine, "
                "delete that file; else wait until it has finished, and run this again"
            )
        warnings.warn(
            f"waiting for {waited / 60:g} of at most {_MAX_WAIT / 60:g} minutes for {told}; if there is none, on any "
            "machine, delete that file",
            stacklevel=3,
        )


def check_room(folder: Path, needed: int) -> None:
    """Check that a disk has room.

    Raises:
        ValueError: If it has not; the message has both numbers.
    """
    free = _free(folder)
    if needed > free:
        raise InputError(
            f"the cache in {folder} needs {needed} bytes more, but its disk has {free} free: make room, or {_WHAT}"
        )


def _is_near(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder) or folder.is_relative_to(path)


def _free(folder: Path) -> int:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
