from itertools import product

import pytest
import torch

from lossy_lightning.functional import pyramid_index, pyramid_search, pyramid_size, pyramid_vectors


def every(dimensions, pulses):
    """All vectors of the pyramid, tried one by one."""
    places = product(range(-pulses, pulses + 1), repeat=dimensions)
    return torch.tensor([place for place in places if sum(map(abs, place)) == pulses])


@pytest.mark.parametrize(("dimensions", "pulses"), [(1, 1), (1, 5), (2, 3), (3, 4), (4, 3), (5, 2), (6, 1)])
def test_numbers_are_those_of_all_vectors(dimensions, pulses):
    vectors = every(dimensions, pulses)
    assert len(vectors) == pyramid_size(dimensions, pulses)
    index = pyramid_index(vectors, pulses)
    assert index.sort().values.tolist() == list(range(len(vectors)))
    assert torch.equal(pyramid_vectors(index, dimensions, pulses), vectors)


def test_sizes_are_those_of_celt():
    """RFC 6716, section 4.3.4.2, has V(N, K) by this recursion; a few values by hand."""
    assert [pyramid_size(2, k) for k in (1, 2, 3)] == [4, 8, 12]
    assert [pyramid_size(3, k) for k in (1, 2, 3)] == [6, 18, 38]
    for n, k in ((4, 7), (12, 9), (30, 4)):
        assert pyramid_size(n, k) == pyramid_size(n - 1, k) + pyramid_size(n, k - 1) + pyramid_size(n - 1, k - 1)


@pytest.mark.parametrize(("dimensions", "pulses"), [(8, 128), (16, 30), (60, 13), (176, 9), (2, 10_000)])
def test_large_pyramids_come_back(dimensions, pulses):
    assert 2**12 < pyramid_size(dimensions, pulses) < 2**63
    generator = torch.Generator().manual_seed(0)
    vectors = pyramid_search(torch.randn(50, dimensions, generator=generator), pulses)
    index = pyramid_index(vectors, pulses)
    assert int(index.min()) >= 0
    assert int(index.max()) < pyramid_size(dimensions, pulses)
    assert torch.equal(pyramid_vectors(index, dimensions, pulses), vectors)
    last = torch.tensor([0, pyramid_size(dimensions, pulses) - 1])
    assert torch.equal(pyramid_index(pyramid_vectors(last, dimensions, pulses), pulses), last)


@pytest.mark.parametrize(("dimensions", "pulses"), [(2, 5), (3, 3), (4, 4)])
def test_the_search_is_the_best_or_nearly(dimensions, pulses):
    vectors = every(dimensions, pulses).double()
    values = torch.randn(200, dimensions, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    cosine = (values @ vectors.T) / vectors.norm(dim=1) / values.norm(dim=1, keepdim=True)
    found = pyramid_search(values, pulses).double()
    ours = (values * found).sum(1) / found.norm(dim=1) / values.norm(dim=1)
    best = cosine.max(1).values
    assert (ours <= best + 1e-12).all()
    assert (ours > best - 1e-9).double().mean() > 0.9
    assert (ours / best).min() > 0.95


def test_each_search_has_its_pulses():
    for values in (torch.zeros(3, 4), torch.eye(4), torch.ones(2, 4), -torch.ones(2, 4), torch.rand(9, 4) * 1e-20):
        for pulses in (1, 2, 7, 50):
            assert (pyramid_search(values, pulses).abs().sum(-1) == pulses).all()


def test_bad_input():
    with pytest.raises(ValueError, match=r"fewer than 2\*\*63 of a kind; got 100 places"):
        pyramid_index(torch.ones(100).long(), 100)
    with pytest.raises(ValueError, match="numbers from 0 to 17; got 18 to 18"):
        pyramid_vectors(torch.tensor([18]), 3, 2)
