"""Files of trained networks."""

import json
from functools import partial

import pytest
import torch

from lossy_lightning.codecs import VQ
from lossy_lightning.core.described import describe_codec
from lossy_lightning.deploy.runtime.file import read_file, write_file
from lossy_lightning.nn import MLP, LookupLinear
from lossy_lightning.tasks import ClassificationTask
from lossy_lightning.weights import Card
from lossy_lightning.weights.trained import KIND, Told, read_trained, write_trained

CARD = Card("test", "noise", "none", "none", "0", 50.0, (40.0, 60.0), 10, (50.0, 1.0), {1: 3}, {}, 100)
STEM = {"class": "lossy_lightning.nn.LookupLinear", "arguments": {"out_features": 16}}
BACKBONE = {
    "class": "lossy_lightning.nn.MLP",
    "arguments": {"hidden_features": [8], "input_norm": True},
}


@pytest.fixture
def network():
    """A codec, and a network on its codes."""
    codec = VQ((2, 2), 4).fit([torch.randint(0, 256, (9, 1, 8, 8), dtype=torch.uint8)])
    torch.manual_seed(0)
    task = ClassificationTask(
        codec.spec((1, 8, 8)),
        3,
        partial(LookupLinear, out_features=16),
        partial(MLP, hidden_features=(8,), input_norm=True),
        logit_scale=2.0,
    )
    return codec, task.eval()


@pytest.fixture
def path(network, tmp_path):
    """Its file."""
    codec, task = network
    told, tensors = describe_codec(codec)
    state = {"codec": repr(codec), "fingerprint": codec.fingerprint()}
    origin = {"codecs": {"codec": state}, "classes": ["a", "b", "c"], "num_classes": 3, "spec": task.spec}
    said = Told(task.spec, STEM, BACKBONE, 2.0, told, origin | {"sample_rate": None, "version": "0.2.0"})
    write_trained(tmp_path / "file", said, task, tensors)
    return tmp_path / "file"


def test_a_network_comes_back(network, path):
    codec, task = network
    found = read_trained(path, CARD)
    assert found.codec.fingerprint() == codec.fingerprint()
    assert found.classes == ("a", "b", "c")
    assert found.card == CARD
    assert not found.task.training
    assert found.task.spec == task.spec
    assert found.task.origin.state["classes"] == ["a", "b", "c"]
    code = codec.encode(torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8))
    torch.testing.assert_close(found.task(code), task(code), atol=0.05, rtol=0.01)  # a table of half precision


def test_weights_of_signs_take_a_bit(path):
    _, tensors = read_file(path, KIND)
    assert {tensors[f"task.backbone.{layer}.weight"].dtype.name for layer in (2, 4)} == {"bool"}
    assert tensors["task.stem.table.weight"].dtype.name == "float16"
    assert tensors["task.backbone.1.running_var"].dtype.name == "float32"


@pytest.mark.parametrize("part", ["stem", "backbone", "codec"])
def test_classes_of_others_are_refused(part, path):
    told, tensors = read_file(path, KIND)
    told[part]["class"] = "os.system"
    write_file(path, told, tensors, KIND)
    with pytest.raises(ValueError, match=r"os\.system, which is not of this package"):
        read_trained(path, CARD)


def test_files_that_are_none_are_told(path):
    told, tensors = read_file(path, KIND)
    write_file(path, json.loads(json.dumps(told)) | {"layout": 9, "version": "9.1"}, tensors, KIND)
    with pytest.raises(ValueError, match=r"written by lossy_lightning 9\.1"):
        read_trained(path, CARD)
    write_file(path, told, {name: value for name, value in tensors.items() if name != "task.backbone.2.weight"}, KIND)
    with pytest.raises(ValueError, match=r"lacks weights of its network, backbone\.2\.weight among them"):
        read_trained(path, CARD)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="no file of a trained network"):
        read_trained(path, CARD)
