"""Minimum coded units, place by place."""

import pytest
import torch

from lossy_lightning.functional import spread, zigzag


@pytest.mark.parametrize("factors", [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (4, 8)])
def test_spread_places_channels_row_by_row(factors):
    h, v = factors
    features = torch.randn(2, 3 * h * v, 4, 5)
    got = spread(features, factors)
    assert got.shape == (2, 3, 4 * v, 5 * h)
    for row in range(v):
        for column in range(h):
            place = row * h + column
            assert torch.equal(got[:, :, row::v, column::h], features[:, 3 * place : 3 * place + 3])


def test_zigzag_is_the_standards():
    order = zigzag()
    assert order[:15] == [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4]
    assert order[-4:] == [47, 55, 62, 63]
    assert sorted(order) == list(range(64))
