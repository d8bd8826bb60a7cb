"""Compiled averaging and repeating of chroma, against the tensors'."""

import numpy as np
import pytest
import torch

from lossy_lightning.codecs.standards import _jpeg_chroma as chroma
from lossy_lightning.functional import double_blocks, halve_blocks


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("columns", [1, 3, 4])
def test_blocks_become_what_tensors_make_of_them(rows, columns):
    rng = np.random.default_rng(0)
    levels = rng.integers(-200, 200, (rows, columns, 64)).astype(np.int16)
    table = rng.integers(1, 100, (8, 8)).astype(np.int32)
    values = chroma.scaled(levels, table)
    exact = torch.from_numpy(levels).view(rows, columns, 8, 8) * torch.from_numpy(table).double()
    np.testing.assert_array_equal(values, exact)
    for axis in (0, 1):
        np.testing.assert_allclose(chroma.halve(values, axis), halve_blocks(exact, axis), atol=0.02)
        np.testing.assert_allclose(chroma.double(values, axis), double_blocks(exact, axis), atol=0.02)


def test_coefficients_are_rounded_as_tensors_are_and_cut():
    values = np.linspace(-70_000, 70_000, 2 * 3 * 64, dtype=np.float32).reshape(2, 3, 8, 8)
    values[0, 0, 0] = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49, -0.51]
    code = np.zeros((2, 3, 192), np.int16)
    chroma.put(values, code[..., 64:128])
    wanted = torch.from_numpy(values).round().clamp(-(2**15), 2**15 - 1).short().flatten(-2)
    np.testing.assert_array_equal(code[..., 64:128], wanted)
    assert not code[..., :64].any()
    assert not code[..., 128:].any()
