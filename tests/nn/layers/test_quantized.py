import copy
import pickle
import warnings

import brevitas.nn as bnn
import brevitas.quant as bq
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lossy_lightning.nn.layers import (
    batch_norm,
    conv1d,
    conv2d,
    linear,
)

EDGES = [0.0, -0.0, 1.0, -1.0, 1.0 + 2**-23, -1.0 - 2**-23, 1.0 - 2**-24, 1e-45, -1e-45, 5.0, -5.0]


def _layers(weight_bit_width, input_bit_width):
    """One layer of each kind with an input that it reads."""
    widths = {"weight_bit_width": weight_bit_width, "input_bit_width": input_bit_width}
    return [
        (linear(12, 5, **widths), torch.randn(4, 12)),
        (conv1d(4, 6, 3, stride=2, padding=1, groups=2, **widths), torch.randn(2, 4, 9)),
        (conv2d(4, 6, 3, padding=1, **widths), torch.randn(2, 4, 7, 7)),
    ]


def _brevitas_convolution():
    return bnn.QuantConv2d(
        8,
        6,
        3,
        bias=False,
        weight_quant=bq.SignedBinaryWeightPerTensorConst.let(scaling_const=1.0),
        input_quant=bq.SignedBinaryActPerTensorConst,
    )


def _values():
    torch.manual_seed(0)
    weight = torch.randn(6, 8, 3, 3)
    x = torch.randn(4, 8, 9, 9) * 1.5
    weight.view(-1)[: len(EDGES)] = x.view(-1)[: len(EDGES)] = torch.tensor(EDGES)
    return weight, x


def _run(layer, x):
    """Output and gradients of a layer for a fixed upstream gradient."""
    x = x.clone().requires_grad_()
    y = layer(x)
    y.backward(torch.randn(y.shape, generator=torch.Generator().manual_seed(1)))
    return y.detach(), x.grad, layer.weight.grad


@pytest.mark.filterwarnings("ignore:Named tensors and all their associated APIs:UserWarning")  # Brevitas's own layer
def test_binary_layer_equals_brevitas_bit_for_bit():
    ours, theirs = conv2d(8, 6, 3), _brevitas_convolution()
    weight, x = _values()
    for layer in (ours, theirs):
        layer.weight.data = weight.clone()
    for got, want in zip(_run(ours, x), _run(theirs, x), strict=True):
        assert torch.equal(got, want)
    assert torch.equal(ours.weight, theirs.weight)  # both clip


@pytest.mark.filterwarnings("ignore:Named tensors and all their associated APIs:UserWarning")  # Brevitas's own layer
def test_binary_quantizers_equal_brevitas_bit_for_bit():
    ours, theirs = conv2d(8, 6, 3), _brevitas_convolution()
    for name in ("weight_quant", "input_quant"):
        x = _values()[0].clamp(-1, 1) if name == "weight_quant" else _values()[1]
        results = []
        for layer in (ours, theirs):
            leaf = x.clone().requires_grad_()
            # A copy, because Brevitas clips weights in place.
            quantized = getattr(layer, name)(leaf * 1.0)
            quantized.value.backward(torch.randn(x.shape, generator=torch.Generator().manual_seed(1)))
            results.append((quantized, leaf.grad))
        (ours_out, ours_grad), (their_out, their_grad) = results
        assert torch.equal(ours_out.value, their_out.value)
        assert torch.equal(ours_grad, their_grad)
        for field in ("scale", "zero_point", "bit_width"):
            assert float(getattr(ours_out, field)) == float(getattr(their_out, field))
        assert ours_out.signed == their_out.signed


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_sign_and_its_gradient_at_the_edges(dtype):
    eps = torch.finfo(dtype).eps
    x = torch.tensor([0.0, -0.0, 1.0, -1.0, 1 + eps, -1 - eps, 0.5, -0.5, 9.0, -9.0], dtype=dtype, requires_grad=True)
    y = linear(1, 1).input_quant(x).value
    y.backward(torch.arange(1.0, 11.0).to(dtype))
    assert y.dtype == x.grad.dtype == dtype
    assert y.tolist() == [1, 1, 1, -1, 1, -1, 1, -1, 1, -1]
    assert x.grad.tolist() == [1, 2, 3, 4, 0, 0, 7, 8, 0, 0]


def _by_hand(x, weight, binary_x, binary_weight):
    """A linear layer in plain torch: sign forward, clipped identity backward."""

    def binarize(v):
        clipped = torch.where(v.abs() <= 1, v, v.detach())
        return clipped + (torch.where(v >= 0, 1.0, -1.0) - v).detach()

    return F.linear(binarize(x) if binary_x else x, binarize(weight) if binary_weight else weight)


@pytest.mark.parametrize(("weight_bit_width", "input_bit_width"), [(1, 1), (1, 32), (32, 1), (32, 32)])
def test_bwn_ban_bnn_and_float_are_two_arguments(weight_bit_width, input_bit_width):
    torch.manual_seed(0)
    layer = linear(30, 7, weight_bit_width, input_bit_width)
    x = torch.randn(5, 30) * 1.5
    weight = layer.weight.detach().clone().requires_grad_()
    leaf = x.clone().requires_grad_()
    want = _by_hand(leaf, weight, input_bit_width == 1, weight_bit_width == 1)
    want.backward(torch.randn(want.shape, generator=torch.Generator().manual_seed(1)))
    for got, expected in zip(_run(layer, x), (want, leaf.grad, weight.grad), strict=True):
        torch.testing.assert_close(got, expected.detach(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("bit_width", [1, 2, 3, 4, 5, 6, 7, 8])
def test_quantized_weights_and_inputs_have_no_more_levels_than_declared(bit_width):
    for layer, x in _layers(bit_width, bit_width):
        assert isinstance(layer, (bnn.QuantLinear, bnn.QuantConv1d, bnn.QuantConv2d))
        y = layer(x)
        assert type(y) is torch.Tensor
        y.sum().backward()
        assert layer.weight.grad is not None
        assert layer.weight_quant.bit_width() == layer.input_quant.bit_width() == bit_width
        x = torch.randn(1000)
        assert layer.input_quant(x).value.unique().numel() <= 2**bit_width
        assert layer.quant_weight().value.unique().numel() <= 2**bit_width


def test_unquantized_layers_are_torch_layers():
    torch.manual_seed(0)
    (dense, a), (conv, b), (image, c) = _layers(32, 32)
    assert torch.equal(dense(a), F.linear(a, dense.weight))
    assert torch.equal(conv(b), F.conv1d(b, conv.weight, stride=2, padding=1, groups=2))
    assert torch.equal(image(c), F.conv2d(c, image.weight, padding=1))
    assert dense.weight_quant.bit_width() is None
    assert dense.input_quant.bit_width() is None


def test_integer_layers_round_to_brevitas_own_grid():
    torch.manual_seed(0)
    layer, x = linear(12, 5, weight_bit_width=4, input_bit_width=32), torch.randn(3, 12)
    scale = layer.weight.abs().max() / 7  # narrow range: -7 to 7
    torch.testing.assert_close(layer(x), F.linear(x, (layer.weight / scale).round() * scale))


def test_latent_weights_are_clipped_in_training_only():
    for layer, x in _layers(1, 1):
        layer.weight.data.mul_(100)
        before = layer.weight.detach().clone()
        layer.eval()(x)
        layer.quant_weight()
        assert torch.equal(layer.weight, before)
        layer.train()(x)
        assert torch.equal(layer.weight, before.clamp(-1, 1))
    real, x = linear(12, 5, weight_bit_width=32), torch.randn(4, 12)
    real.weight.data.fill_(3.0)
    real(x)
    assert (real.weight == 3.0).all()


def test_a_layer_used_twice_in_one_forward_trains():
    layer, x = linear(6, 6), torch.randn(4, 6)
    layer(layer(x)).sum().backward()
    assert layer.weight.grad is not None


def test_weights_start_glorot_uniform_and_bias_at_zero():
    torch.manual_seed(0)
    layer = conv2d(16, 32, 3, bias=True)
    limit = (6 / (9 * 16 + 9 * 32)) ** 0.5
    assert 0.99 * limit < layer.weight.abs().max() <= limit
    torch.testing.assert_close(layer.weight.std(), torch.tensor(limit / 3**0.5), rtol=0.03, atol=0)
    assert (layer.bias == 0).all()


@pytest.mark.parametrize("weight_bit_width", [1, 4, 32])
@pytest.mark.parametrize("input_bit_width", [1, 4, 32])
def test_copies_pickles_and_states_give_the_same_output(weight_bit_width, input_bit_width):
    for layer, x in _layers(weight_bit_width, input_bit_width):
        for _ in range(3):
            layer(x)  # lets learned scales move
        layer.eval()
        fresh = _layers(weight_bit_width, input_bit_width)[[nn.Linear, nn.Conv1d, nn.Conv2d].index(_kind(layer))][0]
        fresh.load_state_dict(layer.state_dict(), strict=True)
        for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), fresh.eval()):
            assert not other.training
            assert torch.equal(other(x), layer(x))
            assert other.weight_quant.tracked_module_list == [other]
            assert [n for n, _ in other.named_parameters()] == [n for n, _ in layer.named_parameters()]
            before = layer.weight.detach().clone()
            other.weight.data.add_(1)
            assert torch.equal(layer.weight, before)


def _kind(layer):
    return next(kind for kind in (nn.Linear, nn.Conv1d, nn.Conv2d) if isinstance(layer, kind))


def test_a_copy_goes_on_collecting_statistics_where_the_layer_was():
    torch.manual_seed(0)
    layer = linear(6, 4, input_bit_width=4)
    layer(torch.randn(8, 6))
    other = pickle.loads(pickle.dumps(layer))
    x = 3 * torch.randn(8, 6)
    assert torch.equal(layer(x), other(x))
    assert layer.input_quant.scale() == other.input_quant.scale()


def test_binary_layers_have_only_weights_in_their_state():
    assert [list(layer.state_dict()) for layer, _ in _layers(1, 1)] == [["weight"]] * 3


def test_bf16_autocast_keeps_real_ones_and_trains():
    torch.manual_seed(0)
    net = nn.Sequential(linear(50, 20), batch_norm(20), linear(20, 4))
    seen = []
    net[2].input_quant.register_forward_hook(lambda _, __, output: seen.append(output.value))
    x = torch.randn(8, 50, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = net(x)
    assert y.dtype == torch.bfloat16
    assert set(seen[0].flatten().tolist()) == {-1.0, 1.0}
    first = F.linear(torch.where(x >= 0, 1.0, -1.0), torch.where(net[0].weight >= 0, 1.0, -1.0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(net[0](x).float(), first)  # sums of 50 ones are exact in bfloat16
    y.float().square().sum().backward()
    for tensor in (x, net[0].weight, net[2].weight):
        assert tensor.grad.dtype == torch.float32
        assert tensor.grad.abs().sum() > 0


@pytest.mark.parametrize(("dimensions", "shape"), [(0, (16, 5)), (1, (16, 5, 7)), (2, (16, 5, 7, 3))])
def test_batch_norm_has_no_scale(dimensions, shape):
    norm, x = batch_norm(5, dimensions), torch.randn(shape) * 3 + 1
    norm(x).square().sum().backward()
    assert norm.weight.grad is None
    assert (norm.weight == 1).all()
    assert norm.bias.grad is not None
    axes = [axis for axis in range(x.ndim) if axis != 1]
    mean, var = x.mean(axes, keepdim=True), x.var(axes, correction=0, keepdim=True)
    torch.testing.assert_close(norm(x), (x - mean) / (var + 1e-3).sqrt())


@pytest.mark.parametrize("bit_width", [0, 9, 16, 33, -1, 1.5, None])
@pytest.mark.parametrize("name", ["weight_bit_width", "input_bit_width"])
def test_other_bit_widths_are_refused(name, bit_width):
    for make in (lambda **w: linear(2, 2, **w), lambda **w: conv1d(2, 2, 1, **w), lambda **w: conv2d(2, 2, 1, **w)):
        with pytest.raises(ValueError, match=rf"{name} must be 1, 2 to 8, or 32 \(not quantized\); got"):
            make(**{name: bit_width})


def test_batch_norm_over_three_dimensions_is_refused():
    with pytest.raises(ValueError, match="0, 1 or 2 dimensions; got dimensions=3"):
        batch_norm(4, 3)


def test_layers_warn_of_nothing_and_say_what_they_are():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer = linear(12, 5, input_bit_width=32)
        layer(torch.randn(2, 12))
    assert (
        repr(layer) == "QuantLinear(in_features=12, out_features=5, bias=False, weight_bit_width=1, input_bit_width=32)"
    )
