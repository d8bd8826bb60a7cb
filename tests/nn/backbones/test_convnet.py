import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lossy_lightning.nn import ConvNet


def test_the_default_is_larqs_mnist_network():
    net = ConvNet((1, 28, 28), 10)
    layers = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    norms = [m for m in net.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))]
    shapes = [(32, 1, 3, 3), (64, 32, 3, 3), (64, 64, 3, 3), (64, 576), (10, 64)]
    assert [tuple(m.weight.shape) for m in layers] == shapes
    assert all(m.bias is None for m in layers)
    assert [m.weight_quant.bit_width() for m in layers] == [1] * 5
    assert [m.input_quant.bit_width() for m in layers] == [None, 1, 1, 1, 1]
    assert [(m.num_features, m.eps, m.weight.requires_grad) for m in norms] == [
        (n, 1e-3, False) for n in (32, 64, 64, 64, 10)
    ]
    weights = sum(m.weight.numel() for m in layers)
    assert weights + 2 * sum(m.num_features for m in norms) == 93_556
    assert sum(isinstance(m, nn.MaxPool2d) for m in net) == 2
    assert not any(isinstance(m, nn.ReLU) for m in net.modules())


def test_it_repeats_its_output_in_plain_torch():
    torch.manual_seed(0)
    net, x = ConvNet((2, 12, 10), 3, channels=(4, 5), pool=(True, False), hidden_features=()), torch.randn(6, 2, 12, 10)

    def sign(v):
        return torch.where(v >= 0, 1.0, -1.0)

    def norm(v):
        axes = [axis for axis in range(v.ndim) if axis != 1]
        return (v - v.mean(axes, keepdim=True)) / (v.var(axes, correction=0, keepdim=True) + 1e-3).sqrt()

    first, second = (m.weight for m in net if isinstance(m, nn.Conv2d))
    y = norm(F.max_pool2d(F.conv2d(x, sign(first)), 2))
    y = norm(F.conv2d(sign(y), sign(second)))
    want = norm(F.linear(sign(y).flatten(1), sign(net[-1][1].weight)))
    torch.testing.assert_close(net(x), want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("bit_width", "between"), [(1, []), (4, ["Hardtanh"]), (32, ["ReLU"])])
def test_nonlinearities_follow_the_input_bit_width(bit_width, between):
    net = ConvNet((1, 8, 8), 2, channels=(2, 2), pool=(False, False), input_bit_width=bit_width)
    names = [type(m).__name__ for m in net]
    assert names == ["QuantConv2d", "BatchNorm2d", *between, "QuantConv2d", "BatchNorm2d", *between, "MLP"]


def test_the_least_size_works_and_less_is_refused():
    net = ConvNet((1, 18, 18), 2)
    assert net(torch.randn(2, 1, 18, 18)).shape == (2, 2)
    for shape in [(1, 17, 18), (1, 18, 17), (18, 18), (2, 1, 28, 28), (1, None, 28), (0, 28, 28)]:
        with pytest.raises(ValueError, match=r"\(C, H, W\) of 18x18 or more; got"):
            ConvNet(shape, 2)
    assert ConvNet((16, 7, 7), 2, pool=(False,) * 3)(torch.randn(2, 16, 7, 7)).shape == (2, 2)
    with pytest.raises(ValueError, match="of 7x7 or more"):
        ConvNet((16, 6, 7), 2, pool=(False,) * 3)


@pytest.mark.parametrize(("channels", "pool"), [((8, 8), (True,)), ((), ()), (8, (True,)), ((8,), True)])
def test_channels_and_pool_must_agree(channels, pool):
    with pytest.raises(ValueError, match="say for each of the"):
        ConvNet((1, 28, 28), 10, channels=channels, pool=pool)


def test_it_learns_under_bf16_autocast_and_copies():
    torch.manual_seed(0)
    net = ConvNet((1, 8, 8), 2, channels=(8, 8), pool=(True, False), hidden_features=(16,))
    x = torch.rand(64, 1, 8, 8) * 2 - 1
    target = (x[:, 0, :, :4].mean((1, 2)) > x[:, 0, :, 4:].mean((1, 2))).long()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(net(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    net.eval()
    assert torch.equal(copy.deepcopy(net)(x), net(x))


@pytest.mark.parametrize(("pad", "grid"), [(None, 4), ((False, False), 4), ((True, False), 6), ((True, True), 8)])
def test_padded_convolutions_keep_their_grid(pad, grid):
    net = ConvNet((1, 8, 8), 3, channels=(4, 5), pool=(False, False), hidden_features=(), pad=pad)
    assert net[-1][1].weight.shape == (3, 5 * grid * grid)
    assert net(torch.randn(2, 1, 8, 8)).shape == (2, 3)


def test_pad_and_channels_must_agree():
    with pytest.raises(ValueError, match="say for each of the"):
        ConvNet((1, 28, 28), 10, pad=(True,))


def test_another_activation_stands_between_the_layers():
    network = ConvNet((1, 28, 28), 10, input_bit_width=32, activation=nn.Hardtanh)
    assert sum(isinstance(layer, nn.Hardtanh) for layer in network.modules()) == 4
    assert not any(isinstance(layer, nn.ReLU) for layer in network.modules())
