import pytest
import torch

from lossy_lightning.functional import bound


@pytest.mark.parametrize("direction", [-1.0, 1.0])
def test_descent_leads_back_and_never_farther_out(direction):
    x = torch.tensor([-2.0, 0.25, 3.0], dtype=torch.float64, requires_grad=True)
    bounded = bound(x, 0, 1)
    assert bounded.tolist() == [0, 0.25, 1]
    (direction * bounded).sum().backward()
    # A step of descent moves by -grad: below the range only upwards counts, above it only downwards.
    assert x.grad.tolist() == ([-1, -1, 0] if direction < 0 else [0, 1, 1])


def test_inside_it_is_the_identity():
    x = torch.rand(5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: bound(x, -1, 2), x)
    assert bound(x, high=0.5).max() <= 0.5
