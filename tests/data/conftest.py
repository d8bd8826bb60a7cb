import pytest
import torch
from torch.utils.data import TensorDataset

from lossy_lightning.data import EncodedDataModule


class Noise(EncodedDataModule):
    """A user's own data in a few lines: noise whose classes are 0, 1, 2; ``totals`` are the sizes of the splits."""

    signal_shape = (1, 8, 8)
    num_classes = 3
    totals = {"train": 40, "test": 11}

    def signals(self, split):
        if split not in self.totals:
            return None
        generator = torch.Generator().manual_seed(len(split))
        images = torch.randint(0, 256, (self.totals[split], *self.signal_shape), generator=generator)
        return TensorDataset(images.to(torch.uint8), torch.arange(len(images)) % 3)


@pytest.fixture
def noise(tmp_path, monkeypatch):
    """The class of a small datamodule, whose root and cache are empty folders."""
    monkeypatch.setenv("LOSSY_DATA", str(tmp_path / "data"))
    return Noise


@pytest.fixture(autouse=True)
def _one_thread():
    """On tensors as small as these, threads of a busy machine only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
