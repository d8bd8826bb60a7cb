"""Encoding in the loader's workers, for codecs that run on the host."""

import os

import pytest
import torch
from torch.utils.data import Dataset

from lossy_lightning.codecs import PCM
from lossy_lightning.data._writing import write_codes
from lossy_lightning.data.cache import open_codes
from lossy_lightning.data.source import as_source


class Squares(Dataset):
    """Examples of one size, or of two."""

    def __init__(self, varies):
        self.varies = varies

    def __len__(self):
        return 70

    def __getitem__(self, index):
        return torch.full((1, 3 + (self.varies and index % 2)), index, dtype=torch.uint8), index


def with_process(signals, targets):
    """Codes whose first value is the process that made them, in a byte."""
    code = signals.clone()
    code[:, :, 0] = os.getpid() % 251
    return code


@pytest.mark.parametrize("varies", [False, True])
@pytest.mark.parametrize(("num_workers", "in_workers"), [(0, False), (0, True), (2, False), (2, True)])
def test_codes_are_the_same_wherever_they_are_made(tmp_path, varies, num_workers, in_workers):
    examples = as_source(Squares(varies))
    spec = PCM().spec((1, None if varies else 3))

    def write():
        write_codes(tmp_path / "split", examples, with_process, spec, num_workers, in_workers)

    split = open_codes(tmp_path / "split", write)
    assert [split[i][1] for i in range(70)] == list(range(70))
    assert all(torch.equal(split[i][0][:, 1:], examples[i][0][:, 1:]) for i in range(70))
    makers = {int(split[i][0][0, 0]) for i in range(70)}
    own = {os.getpid() % 251}
    assert (makers == own) is not (in_workers and num_workers > 0)
