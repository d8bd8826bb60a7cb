"""The layer that all standards share: files, batches, threads, memory, words for errors."""

import importlib
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from lossy_lightning.bitstream import _batch, _files, _memory, _status, pool, read_file


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_files_are_read_whole(tmp_path: Path, size: int) -> None:
    data = bytes(np.random.default_rng(0).integers(0, 256, size, np.uint8))
    (tmp_path / "file").write_bytes(data)
    assert read_file(tmp_path / "file") == read_file(str(tmp_path / "file")) == data


def test_a_system_that_gives_less_at_once_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(bytes(range(200)))
    real = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, size: real(descriptor, min(size, 33)))
    assert read_file(tmp_path / "file") == bytes(range(200))


def test_files_that_do_not_tell_their_size_are_read_whole() -> None:
    path = Path("/proc/self/maps")
    if not path.exists():
        pytest.skip("needs /proc")
    assert b"\n" in read_file(path)


def test_files_are_opened_as_binary_where_systems_tell_them_from_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary, flags, real = 1 << 29, [], os.open
    monkeypatch.setattr(os, "O_BINARY", binary, raising=False)

    def opened(path: str, given: int) -> int:
        flags.append(given)
        return real(path, given & ~binary)

    monkeypatch.setattr(os, "open", opened)
    (tmp_path / "file").write_bytes(b"a\r\nb\x1ac")
    try:
        assert importlib.reload(_files).read_file(tmp_path / "file") == b"a\r\nb\x1ac"
        assert [given & binary for given in flags] == [binary]
    finally:
        monkeypatch.undo()
        importlib.reload(_files)


@pytest.mark.parametrize("num_threads", [1, 2, 5])
@pytest.mark.parametrize("most_bytes", [None, 50_000])
def test_runs_cover_all_files_once(num_threads: int, most_bytes: int | None) -> None:
    files = [bytes(size) for size in np.random.default_rng(1).integers(1, 90_000, 40)]
    runs = _batch.split(files, num_threads, most_bytes)
    assert [file for run in runs for file in files[run]] == files
    if most_bytes is not None:
        assert all(len(files[run]) == 1 or sum(map(len, files[run])) <= most_bytes for run in runs)
    assert _batch.split([], num_threads, most_bytes) in ([], [slice(0, 0)])


@pytest.mark.parametrize("num_threads", [1, 2, 7])
def test_threads_keep_the_order_and_the_first_error(num_threads: int) -> None:
    assert pool.in_threads(lambda i: i * i, range(50), num_threads) == [i * i for i in range(50)]
    with pytest.raises(ZeroDivisionError):
        pool.in_threads(lambda i: 1 // i, [1, 0, 2], num_threads)
    before = threading.active_count()
    for _ in range(20):
        pool.in_threads(lambda i: i, range(50), num_threads)
    assert threading.active_count() < before + num_threads  # threads are kept, not made anew


def test_what_is_kept_is_never_used_twice_at_once() -> None:
    made = []
    kept = _memory.Kept(lambda: made.append(0) or [len(made)])
    with kept.taken() as one, kept.taken() as other:
        assert (one, other) == ([1], [2])
    with pytest.raises(KeyError), kept.taken():
        raise KeyError
    with kept.taken(), kept.taken():
        assert len(made) == 2


def test_an_empty_file_is_called_so() -> None:
    record = {"start": 4, "end": 4, "error": 1, "offset": 4, "marker": 0, "detail": 0}
    assert _status.describe(record, "data", {1: "broken"}, {}) == "data at byte 0: the file is empty"
