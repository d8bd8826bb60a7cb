"""Disks that are full or cannot be written, and locks that others hold."""

import errno
import os
import shutil
import warnings
from collections import namedtuple

import pytest
import torch
from filelock import FileLock
from torch.utils.data import TensorDataset

from lossy_lightning.core import CodeSpec
from lossy_lightning.data import _disk as disk
from lossy_lightning.data._once import make_once
from lossy_lightning.data._writing import write_codes
from lossy_lightning.data.source import as_source

SPEC = CodeSpec.uniform((1, 8, 8), 0, 255, ordinal=True)
EXAMPLES = TensorDataset(torch.arange(640, dtype=torch.int64).view(10, 1, 8, 8).to(torch.uint8), torch.arange(10))


def write(folder, encode=lambda signals, targets: signals):
    write_codes(folder, as_source(EXAMPLES), encode, SPEC)


def test_a_full_disk_is_told_before_anything_is_made(tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")(600)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    encode = lambda signals, targets: pytest.fail("encodes")  # noqa: E731
    with pytest.raises(ValueError, match=rf"the cache in {tmp_path} needs 640 bytes more, but its disk has 600 free"):
        write(tmp_path / "split", encode)
    assert not (tmp_path / "split").exists()


def test_a_disk_that_fills_up_is_told(tmp_path):
    def encode(signals, targets):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ValueError, match=rf"the disk of {tmp_path} is full, \d+ bytes are free: make room"):
        write(tmp_path / "split", encode)


def test_errors_of_the_data_are_not_the_disks(tmp_path):
    def encode(signals, targets):
        raise PermissionError(errno.EACCES, "Permission denied", "/elsewhere/a.wav")

    with pytest.raises(PermissionError, match="elsewhere"):
        write(tmp_path / "split", encode)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ValueError, match=r"file.* cannot be written to \(.*\): set cache_dir to a folder"):
            make_once(folder / "value", dict)


def test_who_waits_for_a_lock_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "_PATIENCE", 0.2)
    other = FileLock(tmp_path / "value.lock")
    other.acquire()

    def acquire(self, timeout):
        if acquire.calls:
            other.release()
        acquire.calls += 1
        return whole(self, timeout=timeout)

    acquire.calls = 0
    whole = FileLock.acquire
    monkeypatch.setattr(FileLock, "acquire", acquire)
    with pytest.warns(UserWarning, match=r"another process that makes value.state and holds .*value.lock; if there is"):
        assert make_once(tmp_path / "value.state", lambda: {"a": 1}) == {"a": 1}


def test_who_waits_too_long_gives_up(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "_PATIENCE", 0.1)
    monkeypatch.setattr(disk, "_MAX_WAIT", 0.25)
    told = r"gave up after .* holds .*value.lock: if there is none.* delete that file"
    with FileLock(tmp_path / "value.lock"), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.raises(ValueError, match=told):
            make_once(tmp_path / "value.state", dict)
    assert len(said) == 2
    assert "of at most" in str(said[0].message)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ValueError, match="cannot be written to"):
        make_once(tmp_path / "below/value", dict)
