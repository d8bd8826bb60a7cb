import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.vq import vq
from scipy.spatial.distance import cdist

from lossy_lightning.functional import nearest_codewords, sum_codewords


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 20), st.integers(1, 50))
def test_scipy_finds_the_same_words(seed, dim, levels, count):
    rng = np.random.default_rng(seed)
    vectors, codebook = rng.normal(size=(count, dim)), rng.normal(size=(levels, dim))
    got = nearest_codewords(torch.from_numpy(vectors), torch.from_numpy(codebook))
    np.testing.assert_array_equal(got.numpy(), vq(vectors, codebook)[0])


@given(st.integers(0, 2**32 - 1), st.sampled_from([torch.uint8, torch.int16]))
def test_integers_are_exact_and_ties_go_to_the_first(seed, dtype):
    rng = np.random.default_rng(seed)
    info = torch.iinfo(dtype)
    # Few values near the end of the range: many ties, and squares that overflow the dtype.
    vectors = rng.integers(info.max - 2, info.max + 1, (30, 4))
    codebook = rng.integers(info.max - 2, info.max + 1, (12, 4))
    codebook[6:] = codebook[:6]
    distances = ((vectors[:, None] - codebook[None]) ** 2).sum(-1)
    got = nearest_codewords(torch.from_numpy(vectors).to(dtype), torch.from_numpy(codebook).float())
    np.testing.assert_array_equal(got.numpy(), distances.argmin(1))


def test_any_batch_shape():
    vectors, codebook = torch.randn(2, 3, 5, 4), torch.randn(7, 4)
    got = nearest_codewords(vectors, codebook)
    assert got.shape == (2, 3, 5)
    assert got.dtype is torch.int64
    assert torch.equal(got.flatten(), nearest_codewords(vectors.reshape(-1, 4), codebook))
    assert nearest_codewords(vectors[:0], codebook).shape == (0, 3, 5)


@pytest.mark.parametrize("levels", [2**14, 2**22 + 1])
def test_large_codebooks_are_searched_in_chunks(levels):
    vectors = torch.randint(0, levels, (600 if levels < 2**20 else 3, 1), generator=torch.Generator().manual_seed(0))
    assert torch.equal(nearest_codewords(vectors, torch.arange(levels).view(-1, 1)), vectors[:, 0])


def test_words_far_from_zero_are_told_apart():
    """In float32 the squares of these numbers would swallow their differences."""
    codebook = torch.tensor([[30_000.0] * 64, [30_000.0] * 63 + [30_001.0]])
    vectors = torch.tensor([[30_000] * 64, [30_000] * 63 + [30_001]], dtype=torch.int16)
    assert nearest_codewords(vectors, codebook).tolist() == [0, 1]
    assert cdist(vectors.numpy(), codebook.numpy()).argmin(1).tolist() == [0, 1]


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 4), st.lists(st.integers(1, 3), max_size=2))
def test_words_are_added_up_stage_by_stage(seed, stages, positions, batch):
    rng = np.random.default_rng(seed)
    codebooks = rng.normal(size=(5, 4, 3))
    code = rng.integers(-1, 4, (*batch, stages, positions))
    expected = np.zeros((*batch, 3, positions))
    for *where, stage, position in np.ndindex(code.shape):
        if code[(*where, stage, position)] >= 0:
            expected[(*where, slice(None), position)] += codebooks[stage, code[(*where, stage, position)]]
    got = sum_codewords(torch.from_numpy(code), torch.from_numpy(codebooks))
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-12)
