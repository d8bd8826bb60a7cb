import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")


@pytest.fixture(autouse=True)
def _one_thread():
    """On tensors as small as these, threads of a busy machine only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def data_root():
    """Folder of the real data sets; a test that needs it skips where it is not set."""
    root = os.environ.get("LOSSY_DATA")
    if not root:
        pytest.skip("$LOSSY_DATA, the folder of the real data sets, is not set")
    return Path(root)


@pytest.fixture
def cache_dir(tmp_path):
    """Folder for encoded splits that nobody has used before."""
    return tmp_path / "cache"
