"""Objects in files."""

import json

import pytest
import torch
from torch import nn

from lossy_lightning.codecs import JPEG, PCM, VQVAE
from lossy_lightning.core import CodeSpec, Field
from lossy_lightning.core.described import describe, make, maker
from lossy_lightning.nn import MLP, BlockDecoder, BlockEncoder

SPEC = CodeSpec([Field("mean", (0,), (255,), True), Field("shape", (0,), (15,), False, absent=-1)], (7, None))


@pytest.mark.parametrize("value", [3, 0.5, "text", None, (1, (2.0,)), {"a": (1, 2)}, SPEC], ids=str)
def test_values_come_back(value):
    made = make(json.loads(json.dumps(describe(value))))
    assert made == value
    assert type(made) is type(value)


def test_arrays_and_objects_come_back():
    assert torch.equal(make(describe(torch.arange(3))), torch.arange(3))
    codec = JPEG(quality=30, chroma_subsampling="4:4:4")
    assert make(json.loads(json.dumps(describe(codec)))).fingerprint() == codec.fingerprint()


def test_a_maker_takes_arguments_before_those_told():
    told = {"class": "lossy_lightning.nn.MLP", "arguments": {"hidden_features": [8]}}
    network = maker(told)((4, 2, 2), 3)
    assert isinstance(network, MLP)
    assert [*network.children()][1].weight.shape == (8, 16)


def test_parts_of_learned_codecs_are_made():
    ours = {"block": [4, 4], "dim": 4}
    told = {
        "encoder": {"class": "lossy_lightning.nn.BlockEncoder", "arguments": ours},
        "quantizer": {"class": "vector_quantize_pytorch.LFQ", "arguments": {"dim": 4}},
        "decoder": {"class": "lossy_lightning.nn.BlockDecoder", "arguments": ours},
    }
    assert isinstance(make({"class": "lossy_lightning.codecs.VQVAE", "arguments": told}), VQVAE)


@pytest.mark.parametrize("path", ["os.system", "torch.nn.Linear", "subprocess.Popen", "builtins.eval"])
def test_no_other_class_is_made(path):
    with pytest.raises(ValueError, match="not of this package"):
        make({"class": path, "arguments": {}})


@pytest.mark.parametrize(
    "path", ["lossy_lightning.deploy.packing.torch", "lossy_lightning.nn.Nothing", "lossy_lightning.codecs.Path"]
)
def test_only_classes_of_ours_are_made(path):
    with pytest.raises(ValueError, match="does not have"):
        make({"class": path, "arguments": {}})


def test_what_no_file_can_tell_is_told():
    from vector_quantize_pytorch import LFQ

    with pytest.raises(ValueError, match="numbers, texts and our objects"):
        describe(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="does not keep the arguments"):
        describe(VQVAE(BlockEncoder((4, 4), 4), LFQ(dim=4), BlockDecoder((4, 4), 4)))
    assert describe(PCM()) == {"class": "lossy_lightning.codecs.pcm.PCM", "arguments": {"bit_width": 8}}
