import pytest
import torch

from lossy_lightning.nn import GDN


def made(inverse=False):
    torch.manual_seed(0)
    layer = GDN(3, inverse=inverse)
    with torch.no_grad():
        layer.beta_root.uniform_(0.5, 2)
        layer.gamma_root.uniform_(0, 1)
    return layer


@pytest.mark.parametrize("size", [(5,), (4, 6)])
def test_it_is_the_published_formula(size):
    layer, inverse, x = made(), made(True), torch.randn(2, 3, *size)
    norm = torch.empty_like(x)
    for i in range(3):
        norm[:, i] = (layer.beta[i] + sum(layer.gamma[i, j] * x[:, j] ** 2 for j in range(3))).sqrt()
    torch.testing.assert_close(layer(x), x / norm)
    torch.testing.assert_close(inverse(x), x * norm)


def test_it_begins_as_published():
    layer = GDN(4)
    torch.testing.assert_close(layer.beta, torch.ones(4))
    torch.testing.assert_close(layer.gamma, 0.1 * torch.eye(4), atol=1e-7, rtol=0)


def test_parameters_stay_in_their_range_and_come_back():
    layer = made()
    with torch.no_grad():
        layer.beta_root.fill_(-1)
        layer.gamma_root.fill_(-1)
    assert (layer.beta > 0).all()
    assert (layer.gamma >= 0).all()
    assert layer(torch.randn(1, 3, 2, 2)).isfinite().all()
    (-layer.beta.sum()).backward()
    assert (layer.beta_root.grad < 0).all()


def test_mistakes():
    with pytest.raises(ValueError, match="channels is a whole number of at least 1; got 0"):
        GDN(0)
