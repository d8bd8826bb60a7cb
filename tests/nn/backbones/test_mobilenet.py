"""MobileNets: cost and padding as published, weights of torchvision and of TensorFlow Lite."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn

from lossy_lightning.codecs import JPEG
from lossy_lightning.nn import FrequencyBatchNorm, MobileNet, ResNet, load_rgb_weights, load_tflite_weights
from lossy_lightning.nn.backbones._mobile_parts import SameConv2d
from lossy_lightning.profiling import count_macs
from lossy_lightning.tflite import open_model

SIZES = (224, 192, 160, 128)
FILES = {
    "mobilenet_v1_0.25_128_quant": (128, 0.25, 1),
    "mobilenet_v1_0.5_160_quant": (160, 0.5, 1),
    "mobilenet_v1_0.75_192_quant": (192, 0.75, 1),
    "mobilenet_v1_1.0_224_quant_embedding_extractor": (224, 1.0, 1),
    "mobilenet_v2_1.0_224_quant": (224, 1.0, 2),
}


def macs(sizes, **arguments):
    with torch.device("meta"):
        network = MobileNet((3, None, None), 1001, **arguments).eval()
        return [sum(count_macs(network, torch.zeros(1, 3, size, size)).values()) for size in sizes]


@pytest.mark.parametrize(
    ("width", "published", "golden"),
    [
        (1.0, (569, 418, 290, 186), (568.7, 418.1, 290.7, 186.4)),
        pytest.param(0.75, (325,), (325.4, 239.3, 166.4, 106.8), marks=pytest.mark.slow),
        pytest.param(0.5, (149,), (149.5, 110.0, 76.5, 49.2), marks=pytest.mark.slow),
        (0.25, (41,), (41.0, 30.2, 21.1, 13.6)),
    ],
)
def test_costs_of_version_1(width, published, golden):
    """The grid of width and resolution, in millions; of it, tables 6 and 7 of the paper tell these."""
    got = [count / 1e6 for count in macs(SIZES, width_mult=width)]
    assert all(abs(told - count) < 1 for told, count in zip(published, got, strict=False))
    assert tuple(round(count, 1) for count in got) == golden


@pytest.mark.parametrize(
    ("width", "published"),
    [
        (1.4, (582,)),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in [(1.0, (300, 221, 154, 99, 56)), (0.75, (209,)), (0.5, (97,)), (0.35, (59,))]
        ),
    ],
)
def test_costs_of_version_2(width, published):
    """TensorFlow's table of the released networks, in millions, cut off."""
    got = macs((*SIZES, 96)[: len(published)], version=2, width_mult=width)
    assert tuple(count // 10**6 for count in got) == published


def test_costs_of_version_3():
    """The paper has 219 and 56 million; torchvision's Large has 217, as its own page says."""
    assert [count // 10**6 for count in macs((224,), version=3) + macs((224,), version=3, small=True)] == [216, 56]


@pytest.mark.parametrize("size", [4, 5, 7, 8])
def test_strides_pad_as_tensorflow_does(size):
    """Behind only if the size is even; tf.nn.convolution's definition, in NumPy."""
    layer = SameConv2d(1, 1, 3, stride=2, bias=False)
    image = torch.randn(size, size)
    out = -(-size // 2)
    before = max((out - 1) * 2 + 3 - size, 0) // 2
    assert before == size % 2
    padded = np.zeros((size + 4, size + 4), np.float32)
    padded[before : before + size, before : before + size] = image
    kernel = layer.weight[0, 0].detach().numpy()
    want = [[(padded[2 * y : 2 * y + 3, 2 * x : 2 * x + 3] * kernel).sum() for x in range(out)] for y in range(out)]
    np.testing.assert_allclose(layer(image[None, None])[0, 0].detach(), want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("version", "small"), [(2, False), (3, True)])
def test_torchvisions_weights_give_torchvisions_outputs(version, small):
    make = torchvision.models.mobilenet_v3_small if small else torchvision.models.mobilenet_v2
    theirs = make(width_mult=0.35, num_classes=5).eval()
    ours = MobileNet((3, 64, 64), 5, version, 0.35, small, same_padding=False).eval()
    assert load_rgb_weights(ours, theirs.state_dict()) == []
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize(("version", "skip"), [(1, 5), (2, 5), (3, 5)])
def test_early_parts_are_left_out_for_codes(version, skip):
    """Levels on the grid of luma's blocks; what is left has its names, and takes its weights."""
    stem = FrequencyBatchNorm(JPEG().spec((3, 64, 64)), unstack=True)
    network = MobileNet(stem.shape, 7, version, 0.25, skip=skip).eval()
    whole = MobileNet((3, 64, 64), 7, version, 0.25)
    missing = load_rgb_weights(network, whole.state_dict())
    assert {name.split(".")[0] for name in missing} == {"entry"}
    code = torch.randint(-9, 10, (2, 384, 4, 4), dtype=torch.int16)
    assert network(stem(code)).shape == (2, 7)
    # The parts that are left see the resolution that they see behind the whole network's own.
    assert nn.Sequential(*list(whole.features)[:skip])(torch.zeros(2, 3, 64, 64)).shape[2:] == (8, 8)


def test_what_does_not_fit_is_told():
    for arguments, told in [
        ({"version": 4}, "version 1, 2 or 3"),
        ({"small": True}, "only 3 is also small"),
        ({"skip": 14}, "from 0 to 13"),
        ({"width_mult": 0}, "but not 0"),
    ]:
        with pytest.raises(ValueError, match=told):
            MobileNet((3, 32, 32), 2, **arguments)


def published(name):
    path = Path(os.environ.get("LOSSY_DATA", "none"), "pretrained", f"{name}.tflite")
    if not path.is_file():
        pytest.skip("needs pretrained/ in $LOSSY_DATA")
    pytest.importorskip("ai_edge_litert", reason="needs lossy-lightning[tflite]")
    return path


def filled(name, quantized=False, **arguments):
    size, width, version = FILES[name]
    network = MobileNet((3, size, size), 1001, version, width, **arguments).eval()
    return network, load_tflite_weights(network, published(name), quantized)


def images(size, number):
    files = sorted(Path(os.environ["LOSSY_DATA"], "imagenette224", "val").rglob("*.JPEG"))
    for path in files[:: len(files) // number][:number]:
        with Image.open(path) as image:
            yield np.array(image.convert("RGB").resize((size, size)))


def litert(path, pixels):
    """What LiteRT's network makes of each image, and the step and zero point of that."""
    model = open_model(path.read_bytes(), "the test")
    model.allocate_tensors()
    given, made = model.get_input_details()[0]["index"], model.get_output_details()[0]
    outputs = []
    for image in pixels:
        model.set_tensor(given, image[None])
        model.invoke()
        outputs.append(model.get_tensor(made["index"]).reshape(-1).astype(float))
    return torch.tensor(np.stack(outputs)), made["quantization"]


@pytest.mark.parametrize(
    ("name", "number"),
    [
        pytest.param(name, 40 if "0.25" in name else 4, marks=() if "0.25" in name else pytest.mark.slow)
        for name in FILES
    ],
)
def test_published_weights_give_what_litert_gives(name, number):
    path = published(name)
    pixels = list(images(FILES[name][0], number))
    want, (step, zero_point) = litert(path, pixels)
    features = [(torch.from_numpy(each).permute(2, 0, 1)[None].double() - 128) / 128 for each in pixels]
    whole = "extractor" not in name
    for quantized in (True, False):
        network, missing = filled(name, quantized)
        assert missing == ([] if whole else ["classifier.1.weight", "classifier.1.bias"])
        network.double()
        with torch.no_grad():
            got = torch.cat([network(each).softmax(1) if whole else network.embed(each) for each in features])
        if quantized:
            assert ((got / step + zero_point).round() - want).abs().max() <= 2
        elif whole:
            assert (got.argmax(1) == want.argmax(1)).float().mean() >= 36 / 40


def test_what_a_file_does_not_have_stays():
    name = "mobilenet_v1_0.25_128_quant"
    path = published(name)
    codes = MobileNet((192, 16, 16), 10, width_mult=0.25, skip=5)
    assert {each.split(".")[0] for each in load_tflite_weights(codes, path)} == {"entry", "classifier"}
    grey = MobileNet((1, 128, 128), 1001, width_mult=0.25)
    assert load_tflite_weights(nn.Sequential(grey), path) == [
        "0.features.0.0.weight",
        "0.features.0.1.weight",
        "0.features.0.1.bias",
    ]


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("mobilenet_v1_0.5_160_quant", "in place 0"),
        ("mobilenet_v2_1.0_224_quant", "62 convolutions and sums"),
        ("yamnet", "in place 0"),
        ("resnet8_cifar10", "convolutions and sums"),
    ],
)
def test_files_of_another_network_are_told(file, told):
    with pytest.raises(ValueError, match=rf"holds another network: .*{told}"):
        load_tflite_weights(MobileNet((3, 128, 128), 1001, width_mult=0.25), published(file))


def test_bad_files_and_networks_are_told(tmp_path, monkeypatch):
    network = MobileNet((3, 32, 32), 2, width_mult=0.25, skip=13)
    with pytest.raises(FileNotFoundError, match="there is no"):
        load_tflite_weights(network, tmp_path / "none.tflite")
    path = tmp_path / "text.tflite"
    path.write_text("no model")
    with pytest.raises(ValueError, match="no model for TensorFlow Lite"):
        load_tflite_weights(network, path)
    with pytest.raises(ValueError, match="fills a MobileNet"):
        load_tflite_weights(ResNet((3, 8, 8), 2, depths=[1], widths=[4], strides=[1]), path)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ImportError, match=r"pip install 'lossy-lightning\[tflite\]'"):
        load_tflite_weights(network, path)
