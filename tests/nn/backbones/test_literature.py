"""Networks of the literature, with the numbers that it gives of them."""

import pytest
import torch

from lossy_lightning.nn import BinaryNet, SpectrogramCNN
from lossy_lightning.profiling import profile_layers, total_profile, weight_memory


def test_binary_net_on_64_x_64_codes():
    net = BinaryNet((4, 64, 64), 8)
    total = total_profile(profile_layers(net, torch.ones(1, 4, 64, 64)))
    assert total.macs == {1: 2_257_774_592}
    assert total.parameters == {1: 31_322_624, 32: 7_696}
    memory = weight_memory(net)
    assert round(memory.float32 / 2**20, 4) == 119.5157
    assert round((31_322_624 / 8 + 7_696) / 2**20, 4) == 3.7413  # the literature's: batch norm at 1 byte


def test_binary_net_takes_real_features():
    macs = total_profile(profile_layers(BinaryNet((4, 64, 64), 8, 32), torch.ones(1, 4, 64, 64))).macs
    first = 9 * 4 * 128 * 62**2
    assert macs == {32: first, 1: 2_257_774_592 - first}


def test_spectrogram_cnn_on_128_x_128():
    total = total_profile(profile_layers(SpectrogramCNN((1, 128, 128), 8), torch.ones(1, 1, 128, 128)))
    assert total.macs == {32: 80_531_584}
    assert total.parameters == {32: 7_392_778}


def test_the_spectrogram_network_starts_as_keras_does():
    """Weights fill Glorot's limits, sqrt(6 / (fan in + fan out)); biases are zero."""
    network = SpectrogramCNN((1, 128, 128), 8)
    fans = [(9, 9 * 32), (9 * 32, 9 * 64), (57600, 128), (128, 8)]
    layers = [layer for layer in network if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear))]
    for layer, (fan_in, fan_out) in zip(layers, fans, strict=True):
        limit = (6 / (fan_in + fan_out)) ** 0.5
        assert 0.9 * limit < layer.weight.abs().max() <= limit
        assert not layer.bias.any()


def test_spectrogram_cnn_of_other_shapes():
    assert SpectrogramCNN((2, 10, 33), 3, dropout=0.0)(torch.randn(2, 2, 10, 33)).shape == (2, 3)
    for shape in ((1, 9, 128), (128, 128), (1, None, 128)):
        with pytest.raises(ValueError, match="10x10"):
            SpectrogramCNN(shape, 8)
    with pytest.raises(ValueError, match="dropout"):
        SpectrogramCNN((1, 128, 128), 8, dropout=1.0)
