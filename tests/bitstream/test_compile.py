"""What Numba keeps on disk, and where, in a small package of its own and in ours."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lossy_lightning.bitstream import compile as compiling

SHARED = "from .compile import inlined\n\n@inlined\ndef shared(x):\n    return x + {}\n"
INNER = (
    "from ..compile import kernel\nfrom .._bits import shared\n\n@kernel\ndef inner(x):\n    return shared(x) + {}\n"
)
OUTER = "from ..compile import entry\nfrom .inner import inner\n\n@entry\ndef outer(x):\n    return inner(x)\n"
CALL = """
from small.one.outer import outer as one; from small.two.outer import outer as two
print(one(0), sum(one.stats.cache_hits.values()), two(0), sum(two.stats.cache_hits.values()))
"""
BITSTREAM = Path(compiling.__file__).parent


def run(code: str, path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A program that finds packages in ``path`` first."""
    environment = os.environ | {"PYTHONPATH": str(path), "NUMBA_CACHE_DIR": "", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=path, env=environment | variables, capture_output=True, text=True, check=True
    )


def make_small_package(folder: Path) -> None:
    for standard in ("one", "two"):
        (folder / standard).mkdir(parents=True)
        (folder / standard / "outer.py").write_text(OUTER)
    shutil.copy(compiling.__file__, folder / "compile.py")


def write_kernels(folder: Path, shared: int, one: int, two: int) -> None:
    (folder / "_bits.py").write_text(SHARED.format(shared))
    (folder / "one" / "inner.py").write_text(INNER.format(one))
    (folder / "two" / "inner.py").write_text(INNER.format(two))


def test_compiled_code_is_valid_until_its_own_folder_or_the_shared_one_changes(tmp_path: Path) -> None:
    make_small_package(tmp_path / "small")

    def call(*added: int) -> list[str]:
        write_kernels(tmp_path / "small", *added)
        return run(CALL, tmp_path).stdout.split()

    assert call(0, 1, 1) == ["1", "0", "1", "0"]
    assert call(0, 1, 1) == ["1", "1", "1", "1"]
    assert call(0, 1, 2) == ["1", "1", "2", "0"]  # the other standard stays valid
    assert call(5, 1, 2) == ["6", "0", "7", "0"]


@pytest.fixture
def no_home(tmp_path: Path) -> dict[str, str]:
    """Variables of a user whose home cannot be made."""
    (tmp_path / "file").touch()
    nowhere = str(tmp_path / "file" / "home")
    return {"HOME": nowhere, "XDG_CACHE_HOME": nowhere}


def make_read_only(folder: Path) -> None:
    """Let nothing be kept beside the sources; the superuser is stopped as well."""
    for inner in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        (inner / "__pycache__").write_text("a file, so no folder of this name can be made")


def test_a_read_only_installation_without_a_home_keeps_code_among_temporary_files(
    tmp_path: Path, no_home: dict[str, str]
) -> None:
    make_small_package(tmp_path / "small")
    write_kernels(tmp_path / "small", 0, 1, 1)
    make_read_only(tmp_path / "small")
    (tmp_path / "temporary").mkdir()

    def call() -> list[str]:
        result = run(CALL, tmp_path, TMPDIR=str(tmp_path / "temporary"), **no_home)
        assert result.stderr.count("compiled code is kept in") == 1
        return result.stdout.split()

    assert call() == ["1", "0", "1", "0"]
    assert call() == ["1", "1", "1", "1"]
    (kept,) = (tmp_path / "temporary").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o700
    kept.chmod(0o777)  # what others may write is not executed
    assert call() == ["1", "0", "1", "0"]


def test_without_any_place_to_write_code_is_compiled_in_each_process(tmp_path: Path, no_home: dict[str, str]) -> None:
    make_small_package(tmp_path / "small")
    write_kernels(tmp_path / "small", 0, 1, 1)
    make_read_only(tmp_path / "small")
    code = "import tempfile\ndef none(): raise FileNotFoundError('none')\ntempfile.gettempdir = none\n"
    result = run(code + CALL, tmp_path, **no_home)
    assert result.stdout.split() == ["1", "0", "1", "0"]
    assert result.stderr.count("compiled code is compiled anew in each process; set NUMBA_CACHE_DIR") == 1


def test_ours_imports_from_a_read_only_installation_without_a_home(tmp_path: Path, no_home: dict[str, str]) -> None:
    shutil.copytree(BITSTREAM, tmp_path / "lossy_lightning" / "bitstream", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "lossy_lightning" / "__init__.py").touch()
    make_read_only(tmp_path / "lossy_lightning")
    code = "import lossy_lightning.bitstream.jpeg as jpeg; print(jpeg.__file__)"
    result = run(code, tmp_path, TMPDIR=str(tmp_path), **no_home)
    assert result.stdout.startswith(str(tmp_path))
    assert result.stderr.count("UserWarning") == 1


def test_the_bit_streams_import_without_forking() -> None:
    # As on Windows. Here the standard library and torch need what Windows lacks, so they are loaded before.
    code = "import os, numba, torch\ndel os.register_at_fork\nimport lossy_lightning.bitstream.jpeg"
    run(code, BITSTREAM.parents[1])


def test_the_package_alone_loads_no_numba() -> None:
    code = "import sys, lossy_lightning, lossy_lightning.bitstream; print('numba' in sys.modules)"
    assert run(code, BITSTREAM.parents[1]).stdout.split() == ["False"]
