"""Codecs in the files of networks."""

import numpy as np
import pytest
import torch
from torch import nn
from vector_quantize_pytorch import LFQ

from lossy_lightning.codecs import JPEG, PCM, VQ, VQVAE, Spectrogram, TransformCodec, Uniform
from lossy_lightning.deploy import PackedNetwork, attach_codec, network_codec, pack
from lossy_lightning.nn import MLP, Bits, BlockDecoder, BlockEncoder, Scale


class Mine(PCM):
    """A codec that is not of the package."""


@pytest.fixture
def network():
    spec = PCM().spec((1, 4, 4))
    return pack(nn.Sequential(Scale(spec), MLP((1, 4, 4), 3)), spec)


@pytest.mark.parametrize(
    "codec",
    [
        PCM(),
        JPEG(quality=30, chroma_subsampling="4:4:4"),
        VQ((2, 2), 4).fit([torch.randint(0, 256, (9, 1, 8, 8), dtype=torch.uint8)]),
        TransformCodec(Spectrogram(), Uniform(4, low=0.0, high=1.0)),
    ],
    ids=lambda codec: type(codec).__name__,
)
def test_a_file_makes_the_codec_again(codec, network, tmp_path):
    attach_codec(network, codec).save(tmp_path / "file")
    made = network_codec(PackedNetwork.load(tmp_path / "file"))
    assert made.fingerprint() == codec.fingerprint()


def test_a_codec_of_ones_own_is_passed(network, tmp_path):
    attach_codec(network, Mine()).save(tmp_path / "file")
    loaded = PackedNetwork.load(tmp_path / "file")
    with pytest.raises(ValueError, match=r"Mine, which is not of this package; give the codec"):
        network_codec(loaded)
    own = Mine()
    assert network_codec(loaded, own) is own


def test_a_codec_made_of_modules_is_passed(tmp_path):
    codec = VQVAE(BlockEncoder((4, 4), dim=4), LFQ(dim=4), BlockDecoder((4, 4), dim=4))
    spec = codec.spec((1, 8, 8))
    network = attach_codec(pack(nn.Sequential(Bits(spec), MLP((4, 2, 2), 3)).eval(), spec), codec)
    network.save(tmp_path / "file")
    loaded = PackedNetwork.load(tmp_path / "file")
    with pytest.raises(ValueError, match=r"VQVAE, not what it is made of; give the codec"):
        network_codec(loaded)
    code = network_codec(loaded, codec).encode(torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8))
    assert np.array_equal(loaded.predict(code), network.predict(code))


def test_a_file_runs_no_other_code(network):
    for path in ("os.system", "lossy_lightning.deploy.packing.torch", "lossy_lightning.core.errors.nothing"):
        network.codec = {"class": path, "arguments": {}}
        with pytest.raises(ValueError, match="names"):
            network_codec(network)


def test_a_network_without_codec_says_so(network):
    with pytest.raises(ValueError, match="does not say which codec"):
        network_codec(network)
