import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lossy_lightning.nn import MLP


def _kinds(net):
    return "".join(
        {"Flatten": "f", "QuantLinear": "l", "BatchNorm1d": "b", "ReLU": "r", "Hardtanh": "h"}[type(m).__name__]
        for m in net
    )


def _widths(net):
    layers = [m for m in net if isinstance(m, nn.Linear)]
    return [tuple(q.bit_width() and int(q.bit_width()) for q in (m.weight_quant, m.input_quant)) for m in layers]


def test_the_codes_network_of_the_literature():
    net = MLP((196,), 10, first_weight_bit_width=32)
    assert [tuple(m.weight.shape) for m in net if isinstance(m, nn.Linear)] == [(64, 196), (64, 64), (10, 64)]
    assert _widths(net) == [(None, 1), (1, 1), (1, 1)]
    assert _kinds(net) == "flblblb"
    assert sum(p.numel() for p in net.parameters()) == 17_556


def test_nonlinearities_follow_the_input_bit_width():
    assert _kinds(MLP((4,), 2, input_bit_width=32)) == "flbrlbrlb"
    assert _kinds(MLP((4,), 2, input_bit_width=4)) == "flbhlbhlb"
    assert _kinds(MLP((4,), 2, input_bit_width=32, first_input_bit_width=1)) == "flbrlbrlb"
    assert _kinds(MLP((4,), 2, first_input_bit_width=32)) == "flblblb"
    assert _kinds(MLP((4,), 2, hidden_features=(), input_norm=True)) == "fblb"
    assert _widths(MLP((4,), 2, (3,), 2, 4, first_weight_bit_width=8)) == [(8, 4), (2, 4)]


def test_it_flattens_any_shape_and_repeats_its_output_in_plain_torch():
    torch.manual_seed(0)
    net, x = MLP((2, 3, 3), 4, hidden_features=(8,)).eval(), torch.randn(5, 2, 3, 3)

    def sign(v):
        return torch.where(v >= 0, 1.0, -1.0)

    hidden = F.linear(sign(x.reshape(5, 18)), sign(net[1].weight)) / 1.001**0.5
    want = F.linear(sign(hidden), sign(net[3].weight)) / 1.001**0.5
    torch.testing.assert_close(net(x), want)


@pytest.mark.parametrize("widths", [(1, 1), (1, 32), (32, 1), (4, 4), (32, 32)])
def test_it_learns_what_no_linear_network_can(widths):
    torch.manual_seed(0)
    net = MLP((8,), 2, (64, 64), *widths, input_norm=True)
    x = torch.randn(256, 8)
    target = ((x[:, 0] > 0) ^ (x[:, 1] > 0)).long()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        F.cross_entropy(net(x), target).backward()
        optimizer.step()
    accuracy = (net(x).argmax(1) == target).float().mean()
    assert accuracy > 0.85


@pytest.mark.parametrize("shape", [(), (4, None), (4, 0), 4])
def test_shapes_that_are_not_fixed_are_refused(shape):
    with pytest.raises(ValueError, match="one fixed shape; got"):
        MLP(shape, 10)


def test_a_number_is_no_list_of_widths():
    with pytest.raises(ValueError, match=r"hidden_features is a list of whole numbers of at least 1; got 64"):
        MLP((4,), 10, hidden_features=64)


def test_a_wrong_bit_width_is_refused():
    with pytest.raises(ValueError, match="weight_bit_width must be 1, 2 to 8, or 32"):
        MLP((4,), 10, weight_bit_width=16)


def test_an_activation_that_is_made_already_is_told_from_its_class():
    with pytest.raises(ValueError, match="made already: pass Hardtanh, the class"):
        MLP((8,), 3, (4, 4), activation=nn.Hardtanh())


@pytest.mark.parametrize("input_bit_width", [1, 4, 32])
def test_another_activation_stands_between_the_layers(input_bit_width):
    network = MLP((8,), 3, (4, 4), 1, input_bit_width, activation=nn.Hardtanh)
    assert [type(layer) for layer in network].count(nn.Hardtanh) == 2
    assert not any(isinstance(layer, nn.ReLU) for layer in network)
