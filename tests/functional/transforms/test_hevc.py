import math

import numpy as np
import pytest
import torch

from lossy_lightning.functional import (
    HEVC_INTRA_SCALING,
    hevc_matrix,
    hevc_scale,
    hevc_scaling,
    hevc_steps,
    hevc_transform,
    inverse_hevc_transform,
)

# H.265, 8.6.4.2: the first column of transMatrix, which is the first sample of each of the 32 functions.
FIRST = (
    64, 90, 90, 90, 89, 88, 87, 85, 83, 82, 80, 78, 75, 73, 70, 67,
    64, 61, 57, 54, 50, 46, 43, 38, 36, 31, 25, 22, 18, 13, 9, 4,
)  # fmt: skip
DCT_8 = (
    (64, 64, 64, 64, 64, 64, 64, 64),
    (89, 75, 50, 18, -18, -50, -75, -89),
    (83, 36, -36, -83, -83, -36, 36, 83),
    (75, -18, -89, -50, 50, 89, 18, -75),
    (64, -64, -64, 64, 64, -64, -64, 64),
    (50, -89, 18, 75, -75, -18, 89, -50),
    (36, -83, 83, -36, -36, 83, -83, 36),
    (18, -50, 75, -89, 89, -75, 50, -18),
)
# H.265, table 7-6: the default list of intra blocks, in the order of its up-right diagonal scan.
SCANNED = (
    16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 17, 16, 17, 16, 17, 18,
    17, 18, 18, 17, 18, 21, 19, 20, 21, 20, 19, 21, 24, 22, 22, 24,
    24, 22, 22, 24, 25, 25, 27, 30, 27, 25, 25, 29, 31, 35, 35, 31,
    29, 36, 41, 44, 41, 36, 47, 54, 54, 47, 65, 70, 65, 88, 88, 115,
)  # fmt: skip


def test_matrices_are_those_of_the_standard():
    whole = hevc_matrix(32)
    assert whole[:, 0].int().tolist() == list(FIRST)
    assert hevc_matrix(8).int().tolist() == [list(row) for row in DCT_8]
    for size in (4, 8, 16, 32):
        matrix = hevc_matrix(size)
        assert torch.equal(matrix, whole[:: 32 // size, :size])  # smaller ones are parts of the largest
        assert torch.equal(matrix[::2], matrix[::2].flip(1))
        assert torch.equal(matrix[1::2], -matrix[1::2].flip(1))


@pytest.mark.parametrize(("size", "sine"), [(4, False), (4, True), (8, False), (16, False), (32, False)])
def test_matrices_are_nearly_orthogonal_and_near_the_true_functions(size, sine):
    matrix = hevc_matrix(size, sine).numpy()
    n, k = np.arange(size), np.arange(size)[:, None]
    if sine:
        true = np.sin(np.pi * (2 * k + 1) * (n + 1) / (2 * size + 1)) * 2 / math.sqrt(2 * size + 1)
    else:
        true = np.cos(np.pi * k * (n + 0.5) / size) * math.sqrt(2 / size)
        true[0] = 1 / math.sqrt(size)
    assert np.abs(matrix - 64 * math.sqrt(size) * true).max() < 1.6  # tuned by hand for orthogonality, not just rounded
    gram = matrix @ matrix.T / (4096 * size)
    assert np.abs(gram - np.eye(size)).max() < 0.01


@pytest.mark.parametrize(("size", "sine"), [(4, False), (4, True), (8, False), (16, False), (32, False)])
def test_transforms_are_those_of_whole_numbers(size, sine):
    """The same in Python's integers of any size, on extreme blocks too."""
    matrix = hevc_matrix(size, sine).numpy().astype(object).astype(int)
    random = torch.randint(-255, 256, (2, size, size), generator=torch.Generator().manual_seed(0))
    signs = torch.outer(hevc_matrix(size, sine)[1].sign(), hevc_matrix(size, sine)[-1].sign()).long()
    bits = int(math.log2(size))
    for block in (*random, 255 * torch.ones(size, size).long(), 255 * signs):
        rows = (block.numpy() @ matrix.T + (1 << bits - 2)) >> bits - 1
        expected = (matrix @ rows + (1 << bits + 5)) >> bits + 6
        found = hevc_transform(block, sine)
        np.testing.assert_array_equal(found, expected)
        columns = np.clip((matrix.T @ expected + 64) >> 7, -(2**15), 2**15 - 1)
        np.testing.assert_array_equal(inverse_hevc_transform(found, sine), (columns @ matrix + 2048) >> 12)
        assert (inverse_hevc_transform(found, sine) - block).abs().max() <= 2 + size / 4


def test_the_scaling_list_is_the_default_one():
    scanned = iter(SCANNED)
    table = np.zeros((8, 8), int)
    for diagonal in range(15):
        for column in range(max(0, diagonal - 7), min(diagonal, 7) + 1):
            table[diagonal - column, column] = next(scanned)
    assert table.tolist() == [list(row) for row in HEVC_INTRA_SCALING]
    large = hevc_scaling(32, HEVC_INTRA_SCALING)
    assert torch.equal(large[::4, ::4], torch.tensor(HEVC_INTRA_SCALING))
    assert hevc_scaling(8).unique().tolist() == [16]


def test_six_more_double_the_step():
    steps = torch.stack([hevc_steps(qp, hevc_scaling(8)) for qp in range(52)])[:, 0, 0]
    assert torch.equal(steps[6:], 2 * steps[:-6])
    assert steps[4] == 1
    assert torch.allclose(steps, 2 ** ((torch.arange(52) - 4) / 6), rtol=0.013)
    for size in (4, 8, 16, 32):
        one = torch.zeros(size, size, dtype=torch.int64)
        one[1, 2] = 20
        scaled = hevc_scale(one, 27, hevc_scaling(size))[1, 2]
        assert scaled == pytest.approx(20 * hevc_steps(27, hevc_scaling(size))[1, 2].item() * 128 / size, abs=0.5)


def test_bad_input():
    for size, sine in ((5, False), (8, True), (64, False)):
        with pytest.raises(ValueError, match="HEVC has cosine transforms of size"):
            hevc_matrix(size, sine)
    with pytest.raises(ValueError, match="HEVC has blocks of size"):
        hevc_scaling(6)
    for table in (torch.ones(4, 4), torch.zeros(8, 8).int(), torch.full((8, 8), 256)):
        with pytest.raises(ValueError, match="8 x 8 whole numbers from 1 to 255"):
            hevc_scaling(16, table)
