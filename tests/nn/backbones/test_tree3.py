"""Tree-3: each weight reaches an output on one route."""

import pytest
import torch

from lossy_lightning.core import CodeSpec
from lossy_lightning.nn import OneHot, Tree3
from lossy_lightning.profiling import count_macs


def test_each_weight_is_on_one_route():
    """A pooled filter reaches one unit of each branch, of its own channel; a weight of the tree one unit of all."""
    torch.manual_seed(0)
    network = Tree3((3, 12, 12), 10, filters=2, branches=4, rows=2)
    pooled = torch.rand(1, 6, 4, 4, requires_grad=True)
    network.bias.data.fill_(99.0)  # no unit of the ReLU is closed
    units = network.branch(pooled)[:, 0]
    assert units.shape == (3 * 2, 4)
    for branch in range(4):
        masks = torch.stack(
            [torch.autograd.grad(unit, pooled, retain_graph=True)[0][0] != 0 for unit in units[:, branch]]
        )
        assert torch.equal(masks.sum(0), torch.ones(6, 4, 4, dtype=torch.long))
        for number, mask in enumerate(masks):
            assert mask.nonzero()[:, 0].unique().tolist() == [number // 2 * 2, number // 2 * 2 + 1]
    grads = [torch.autograd.grad(unit, network.tree, retain_graph=True)[0] != 0 for unit in units.flatten()]
    assert torch.equal(torch.stack(grads).sum(0), torch.ones_like(network.tree, dtype=torch.long))


def test_the_papers_network():
    """K = 15, M = 16: 3 x 15 filters, 16 x 3 x 7 units of 2 x 14 x 15 weights, and their outputs."""
    network = Tree3((3, 32, 32), 10, filters=15, branches=16)
    assert network.filters.weight.shape == (45, 1, 5, 5)
    assert network.tree.numel() == 16 * 3 * 7 * 2 * 14 * 15
    assert network.classifier.weight.shape == (10, 16 * 3 * 7)
    macs = 45 * 25 * 28 * 28 + 16 * 21 * 420 + 10 * 336
    assert sum(count_macs(network, torch.zeros(1, 3, 32, 32)).values()) == macs
    assert Tree3((1, 28, 28), 10, rows=4).units == 3


def test_one_hot_codes():
    stem = OneHot(CodeSpec.uniform((1, 7, 7), 0, 15, ordinal=False))
    network = Tree3(stem.shape, 10, filters=2, branches=3, kernel_size=1, pool=1, rows=1)
    assert network(stem(torch.zeros(2, 1, 7, 7, dtype=torch.uint8))).shape == (2, 10)


def test_what_does_not_fit_is_told():
    with pytest.raises(ValueError, match="leaves 14: set kernel_size"):
        Tree3((3, 32, 32), 10, rows=4)
    with pytest.raises(ValueError, match="one fixed shape"):
        Tree3((3, None, None), 10)
