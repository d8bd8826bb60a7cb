import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from tests.tiny import write_all

settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")


@pytest.fixture(autouse=True)
def _one_thread():
    """On tensors as small as these, threads of a busy machine only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True, scope="session")
def _no_users_cache(tmp_path_factory):
    """The user's cache folder is not for tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOSSY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    """Each test has a cache of its own."""
    monkeypatch.setenv("LOSSY_CACHE", str(tmp_path / "user's cache"))


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


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory):
    """Folder of made-up data sets in place of the real ones, and the models of Lyra if they are there."""
    root = tmp_path_factory.mktemp("data")
    write_all(root)
    models = Path(os.environ.get("LOSSY_DATA", "none"), "lyra_v2").absolute()
    if models.is_dir():
        (root / "lyra_v2").symlink_to(models)
    return root


@pytest.fixture(scope="session")
def tiny_caches(tmp_path_factory):
    """A cache that runs on the made-up data share: each codebook is fitted once."""
    return tmp_path_factory.mktemp("caches")


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    """A folder in which runs that others build on leave their checkpoints."""
    return tmp_path_factory.mktemp("workshop")
