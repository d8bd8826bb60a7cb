"""A packed network gives the logits of the network that it was made of."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from lossy_lightning.core import CodeSpec
from lossy_lightning.deploy import PackedNetwork, pack
from lossy_lightning.nn import MLP, Bits, ConvNet, Scale
from lossy_lightning.profiling import weight_memory
from tests.deploy import networks


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def both(model, spec, count=64):
    code = networks.codes(spec, count)
    with torch.no_grad():
        expected = model(code)
    return pack(model, spec).predict(code), expected.numpy()


@pytest.mark.parametrize("name", networks.EXACT)
def test_whole_numbers_up_to_the_logits_are_equal_bit_for_bit(name):
    model = networks.task(name)
    made, expected = both(model, model.spec)
    assert np.array_equal(made, expected)
    assert (expected.std(0) > 0).any()


@pytest.mark.parametrize("name", networks.CLOSE)
def test_real_numbers_are_close(name):
    model = networks.task(name)
    made, expected = both(model, model.spec)
    assert np.mean(np.abs(made - expected).max(1) < 1e-4) >= 0.95
    assert np.mean(made.argmax(1) == expected.argmax(1)) == 1


def test_groups():
    made, expected = both(networks.groups(), networks.indices(2, 8, 8))
    assert np.array_equal(made, expected)


@pytest.mark.parametrize("quant_tensors", [False, True])
@pytest.mark.filterwarnings("ignore:Defining your `__torch_function__`")
def test_a_network_that_nobody_here_wrote(quant_tensors):
    model = networks.Foreign(quant_tensors)
    network = pack(model, model.spec)
    code = networks.codes(model.spec, 64)
    with torch.no_grad():
        np.testing.assert_allclose(network.predict(code), model(code).numpy(), atol=1e-5)
    assert [step["kind"] for step in network.program.steps].count("bit_product") == 2


def test_hidden_layers_of_bits_stay_bits():
    model = networks.task("thresholds")
    kinds = [step["kind"] for step in pack(model, model.spec).program.steps]
    assert kinds[:-3] == ["encode_bits", "bit_product", "bit_pooling", "bit_product", "bit_product", "bit_product"]


def test_packing_leaves_the_network_as_it_is():
    model = networks.task("mlp").train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    pack(model, model.spec)
    assert model.training
    assert model.backbone.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("name", ["thresholds", "look-up", "sound"])
def test_file(name, tmp_path):
    model = networks.task(name)
    network = pack(model, model.spec, classes=tuple("0123456789"))
    network.save(tmp_path / "network")
    loaded = PackedNetwork.load(tmp_path / "network")
    code = networks.codes(model.spec, 8)
    assert np.array_equal(loaded.predict(code), network.predict(code))
    assert loaded.classes == tuple("0123456789")
    size = (tmp_path / "network").stat().st_size
    header = int.from_bytes((tmp_path / "network").read_bytes()[:8], "little") + 8
    assert size - header <= 1.05 * weight_memory(model).stored


def test_prediction_needs_no_torch(tmp_path):
    model = networks.task("mlp")
    network = pack(model, model.spec)
    network.save(tmp_path / "network")
    code = networks.codes(model.spec, 4).numpy()
    np.save(tmp_path / "codes.npy", code)
    script = (
        "import sys; sys.modules.update(torch=None, lightning=None, scipy=None)\n"
        "import numpy as np; from lossy_lightning.deploy import PackedNetwork\n"
        "network = PackedNetwork.load('network')\n"
        "np.save('logits.npy', network.predict(np.load('codes.npy'), num_threads=2))\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    assert np.array_equal(np.load(tmp_path / "logits.npy"), network.predict(code))


def test_codes_out_of_range_are_told(tmp_path):
    model = networks.task("mlp")
    network = pack(model, model.spec)
    code = networks.codes(model.spec, 4).numpy()
    code[2, 0, 3, 3] = 16
    with pytest.raises(ValueError, match="example 2 of the batch"):
        network.predict(code)
    with pytest.raises(ValueError, match=r"codes \(N, 1, 7, 7\); got float64"):
        network.predict(code.astype(float))
    with pytest.raises(ValueError, match="num_threads"):
        network.predict(code, num_threads=0)
    assert network.predict(code[:0]).shape == (0, 10)
    assert network.predict(code[:0], num_threads=2).shape == (0, 10)


class Sine(nn.Module):
    def forward(self, features):
        return features.sin()


class Softmax(nn.Module):
    def forward(self, features):
        return features.softmax(1)


class Fold(nn.Module):
    def forward(self, features):
        return features.abs() - 1


@pytest.mark.parametrize(
    ("layer", "place", "message"),
    [
        (Sine(), 2, "layer '3' cannot be packed: there is no kernel for torch's 'sin'"),
        (Softmax(), 2, "layer '3' cannot be packed: there is no kernel for torch's '_softmax'"),
        (Fold(), 1, r"layer '3\.1' cannot be packed: what stands before a sign rises and falls"),
    ],
)
def test_what_has_no_kernel_is_told_by_layer(layer, place, message):
    spec = networks.indices(1, 7, 7)
    layers = [MLP((4, 7, 7), 16, ()), MLP((16,), 10)]
    layers.insert(place, layer)
    model = nn.Sequential(Bits(spec), *layers).eval()
    with pytest.raises(ValueError, match=message):
        pack(model, spec)


def test_codes_of_one_size_are_asked_for():
    spec = CodeSpec.uniform((1, None), 0, 15, ordinal=False)
    with pytest.raises(ValueError, match="codes of one size"):
        pack(nn.Sequential(Bits(spec)), spec)


def test_constant_features():
    """A batch norm of weight 0 makes a feature that never changes."""
    model = networks.settled(
        nn.Sequential(Scale(networks.pixels(1, 8, 8)), ConvNet((1, 8, 8), 10, (4,), (False,), (8,)))
    )
    norm = model[1][1]
    norm.weight.data[:2] = 0
    made, expected = both(model, networks.pixels(1, 8, 8))
    np.testing.assert_allclose(made, expected, atol=1e-5)
