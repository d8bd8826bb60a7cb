"""What libjpeg reads, for tests of bit streams."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from .jpeg_files import Libjpeg, run_script


@pytest.fixture
def libjpeg(tmp_path: Path) -> Libjpeg:
    """Planes and quantization tables of each file, read by libjpeg in another process."""
    if find_spec("jpeglib") is None:
        pytest.skip("needs jpeglib: pip install jpeglib")

    def read(paths: Sequence[Path]) -> list[list[tuple[np.ndarray, np.ndarray]]]:
        (tmp_path / "paths").write_text("\n".join(map(str, paths)))
        run_script("jpeglib_reader.py", str(tmp_path / "planes.npz"), str(tmp_path / "paths"))
        with np.load(tmp_path / "planes.npz") as arrays:
            found = {key: arrays[key] for key in arrays.files}
        files = []
        for i in range(len(paths)):
            count = sum(key.startswith(f"{i}/") for key in found) // 2
            files.append([(found[f"{i}/{c}/values"], found[f"{i}/{c}/table"]) for c in range(count)])
        return files

    return read
