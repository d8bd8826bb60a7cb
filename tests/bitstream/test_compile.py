"""What Numba keeps on disk, in a small package of its own."""

import os
import shutil
import subprocess
import sys

from lossy_lightning.bitstream.jpeg import _compile

ENTRY = "from ._compile import entry\nfrom .inner import inner\n\n@entry\ndef outer(x):\n    return inner(x)\n"
INNER = "from ._compile import kernel\n\n@kernel\ndef inner(x):\n    return x + {}\n"
CALL = "from small.outer import outer; print(outer(0), sum(outer.stats.cache_hits.values()))"


def test_a_kernel_in_another_file_that_changes_is_compiled_anew(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    shutil.copy(_compile.__file__, folder / "_compile.py")
    (folder / "outer.py").write_text(ENTRY)

    def call(added):
        (folder / "inner.py").write_text(INNER.format(added))
        environment = os.environ | {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": "", "PYTHONDONTWRITEBYTECODE": "1"}
        got = subprocess.run([sys.executable, "-c", CALL], env=environment, capture_output=True, text=True, check=True)
        return got.stdout.split()

    assert call(1) == ["1", "0"]
    assert call(1) == ["1", "1"]
    assert call(2) == ["2", "0"]
