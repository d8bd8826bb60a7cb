import pytest
import torch

from lossy_lightning.nn import ResidualNet, SequenceNet
from lossy_lightning.profiling import count_macs, count_parameters


def nets():
    real = {"weight_bit_width": 32, "input_bit_width": 32}
    return {
        "sequence": SequenceNet((6, None), 4, (8, 8, 16), (1, 2, 2)),
        "binary sequence": SequenceNet((6, None), 4, (8, 8), (2, 1), weight_bit_width=1, input_bit_width=1),
        "residual": ResidualNet((6, None), 4, (8, 16, 16), (2, 2, 1)),
        "real residual": ResidualNet((6, None), 4, (12, 12), (1, 2), **real),
        "residual 2-d": ResidualNet((6, None, None), 4, (12, 24), (2, 1)),
        "all binary 2-d": ResidualNet((6, None, None), 4, (12, 24), (2, 1), last_bit_width=1),
    }


def features(net, count, length):
    shape = (count, 6, length) if "2-d" not in net else (count, 6, length, length + 1)
    return torch.randn(shape, generator=torch.Generator().manual_seed(length))


@pytest.mark.parametrize("name", nets())
def test_padding_is_not_in_the_statistics(name):
    """Training on padded copies moves running statistics as training on the examples does."""
    net = nets()[name].train()
    twin = nets()[name].train()
    twin.load_state_dict(net.state_dict())
    for one in (net, twin):
        for module in one.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
    short = features(name, 4, 7)
    padded = torch.nn.functional.pad(short, [side for _ in short.shape[2:] for side in (0, 5)], value=3.0)
    net(short).sum().backward()
    twin(padded, torch.tensor([short.shape[2:]] * 4)).sum().backward()
    for key, value in net.state_dict().items():
        torch.testing.assert_close(twin.state_dict()[key], value, rtol=1e-4, atol=1e-5)
    for (key, a), (_, b) in zip(net.named_parameters(), twin.named_parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-3, msg=key)


def test_a_second_of_lyra_is_below_25_million_macs():
    macs = count_macs(SequenceNet((64, 50), 8), torch.zeros(1, 64, 50))
    layers = [(64, 192, 50), (192, 192, 25), (192, 384, 25), (384, 384, 13), (384, 384, 13)]
    assert macs == {32: sum(3 * a * b * length for a, b, length in layers) + 384 * 8}
    assert macs[32] < 25e6


def test_bit_widths_and_costs_of_the_residual_net():
    net = ResidualNet((64, 50), 8, (192, 192, 384), (1, 2, 2), first_weight_bit_width=32, first_input_bit_width=32)
    layers = [(64, 192, 50), (192, 192, 25), (192, 384, 13)]
    first, *rest = [3 * a * b * length for a, b, length in layers]
    assert count_macs(net, torch.zeros(1, 64, 50)) == {32: first + 384 * 8, 1: sum(rest)}
    assert count_parameters(net)[1] == 3 * 192 * 192 + 3 * 192 * 384
    binary = ResidualNet((64, 50), 8, (192, 192, 384), (1, 2, 2), last_bit_width=1)
    assert count_macs(binary, torch.zeros(1, 64, 50)) == {1: first + sum(rest) + 13 * 384 * 8}


def test_a_binary_last_layer_counts_positions():
    """It hears at how many positions a feature is positive, not the sign of its mean."""
    net = ResidualNet((4, 6), 2, (4,), (1,), last_bit_width=1).eval()
    torch.nn.init.zeros_(net.blocks[0].norm.weight)
    given = torch.full((3, 4, 6), -1.0)
    for example, count in enumerate((0, 2, 5)):
        given[example, :, :count] = 1.0
    logits = net(given)
    signs = net.classifier.weight.sign().sum(1)
    # The batch norm of the logits divides by the root of 1 + 1e-5.
    torch.testing.assert_close(logits, (torch.tensor([[0], [2], [5]]) / 3 - 1) * signs, rtol=1e-5, atol=1e-5)


def test_shortcuts_are_the_identity():
    """With convolutions that the batch norm scales to nothing, a block passes its input on."""
    net = ResidualNet((4, 6, 6), 2, (4, 4), (1, 1)).eval()
    for block in net.blocks:
        torch.nn.init.zeros_(block.norm.weight)
        torch.nn.init.ones_(block.activation[1].weight)
    given = torch.randn(3, 4, 6, 6)
    heard = []
    net.classifier.register_forward_pre_hook(lambda module, args: heard.append(args[0]))
    net(given)
    torch.testing.assert_close(heard[0], net.norm(given).mean((2, 3)))


def test_shortcuts_pool_and_repeat():
    net = ResidualNet((4, 6, 5), 2, (4, 8), (1, 2)).eval()
    for block in net.blocks:
        torch.nn.init.zeros_(block.norm.weight)
        torch.nn.init.ones_(block.activation[1].weight)
    given = torch.randn(3, 4, 6, 5)
    heard = []
    net.classifier.register_forward_pre_hook(lambda module, args: heard.append(args[0]))
    net(given)
    expected = torch.nn.functional.pad(net.norm(given), (0, 1)).mean((2, 3))
    torch.testing.assert_close(heard[0], torch.cat([expected, expected], 1))


@pytest.mark.parametrize("net", [SequenceNet, ResidualNet])
def test_refused(net):
    with pytest.raises(ValueError, match="reads features"):
        net((64,), 8)
    with pytest.raises(ValueError, match="reads features"):
        net((None, 50), 8)
    with pytest.raises(ValueError, match="kernel"):
        net((64, 50), 8, kernel_size=2)
    with pytest.raises(ValueError, match="strides"):
        net((64, 50), 8, channels=(8, 8), strides=(1,))
    with pytest.raises(ValueError, match="channels is a list of whole numbers of at least 1; got 64"):
        net((64, 50), 8, channels=64)
    with pytest.raises(ValueError, match="weight_bit_width"):
        net((64, 50), 8, weight_bit_width=9)


def test_channels_that_cannot_be_repeated():
    with pytest.raises(ValueError, match="multiple"):
        ResidualNet((64, 50), 8, channels=(64, 96), strides=(1, 1))


def test_rows_of_frequency_are_channels():
    torch.manual_seed(0)
    net = SequenceNet((2, 3, None), 4, (8, 8), (1, 2)).eval()
    features = torch.randn(2, 2, 3, 9)
    assert torch.equal(net(features), net(features.flatten(1, 2)))
    sizes = torch.tensor([[3, 9], [3, 5]])
    padded = features.clone()
    padded[1, ..., 5:] = 7
    torch.testing.assert_close(net(padded, sizes)[1:], net(features[1:, ..., :5]))
    with pytest.raises(ValueError, match=r"SequenceNet reads features \(C, L\); got"):
        SequenceNet((2, None, None), 4)
