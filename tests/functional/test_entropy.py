import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from lossy_lightning.functional import index_entropy, perplexity


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=40))
def test_entropy_is_that_of_scipy(counts):
    expected = entropy(counts, base=2) if sum(counts) else 0.0
    assert float(index_entropy(torch.tensor(counts))) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([7] * 16, 16), ([5, 0, 0, 0], 1), ([1, 1, 0, 0], 2), ([2, 1, 1], 2**1.5), ([0, 0], 1)],
)
def test_perplexity(counts, expected):
    assert float(perplexity(torch.tensor(counts))) == pytest.approx(expected)


def test_each_row_by_itself():
    torch.testing.assert_close(perplexity(torch.tensor([[3, 3], [0, 3]])), torch.tensor([2.0, 1.0]).double())
