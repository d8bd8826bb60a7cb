"""The literature's numbers that need no data, on networks written out with Brevitas's own layers and quantizers."""

from collections import Counter
from itertools import pairwise

import brevitas.nn as qnn
import pytest
import torch
import torchvision
from brevitas.quant import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from torch import Tensor, nn

from lossy_lightning.profiling import (
    LayerProfile,
    count_lookups,
    count_macs,
    count_parameters,
    feature_memory,
    layer_table,
    profile_layers,
    total_profile,
    weight_memory,
)


class BinaryWeight(SignedBinaryWeightPerTensorConst):
    scaling_const = 1.0


class BinaryInput(SignedBinaryActPerTensorConst):
    scaling_const = 1.0


def conv(inputs: int, outputs: int, *, binary_input: bool = True, padding: int = 0) -> nn.Module:
    quant = BinaryInput if binary_input else None
    return qnn.QuantConv2d(
        inputs, outputs, 3, padding=padding, bias=False, weight_quant=BinaryWeight, input_quant=quant
    )


def dense(inputs: int, outputs: int, *, binary_weight: bool = True, binary_input: bool = True) -> nn.Module:
    return qnn.QuantLinear(
        inputs,
        outputs,
        bias=False,
        weight_quant=BinaryWeight if binary_weight else None,
        input_quant=BinaryInput if binary_input else None,
    )


def norm(channels: int) -> nn.Module:
    return nn.BatchNorm1d(channels, affine=False)


def norm2d(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, affine=False)


def mnist_baseline() -> nn.Sequential:
    return nn.Sequential(
        *[conv(1, 32, binary_input=False), nn.MaxPool2d(2), norm2d(32)],
        *[conv(32, 64), nn.MaxPool2d(2), norm2d(64)],
        *[conv(64, 64), norm2d(64), nn.Flatten()],
        *[dense(576, 64), norm(64), dense(64, 10), norm(10)],
    )


def mnist_codes(*, all_binary: bool) -> nn.Sequential:
    first = dense(196, 64, binary_weight=all_binary, binary_input=all_binary)
    return nn.Sequential(first, norm(64), dense(64, 64), norm(64), dense(64, 10), norm(10))


def kib(size: int) -> float:
    return round(size / 1024, 2)


def test_mnist_baseline() -> None:
    model = mnist_baseline()
    assert count_macs(model, torch.rand(1, 1, 28, 28)) == {32: 194_688, 1: 2_599_552}
    assert count_parameters(model) == {1: 93_088, 32: 468}
    assert count_parameters(model).total() == 93_556
    memory = weight_memory(model)
    assert (kib(memory.float32), kib(memory.stored)) == (365.45, 13.19)


def test_mnist_codes_with_a_real_first_layer() -> None:
    model = mnist_codes(all_binary=False)
    assert count_macs(model, torch.ones(1, 196)) == {32: 12_544, 1: 4_736}
    assert count_parameters(model).total() == 17_556
    memory = weight_memory(model)
    assert (kib(memory.float32), kib(memory.stored)) == (68.58, 50.66)


def test_mnist_codes_all_binary() -> None:
    model = mnist_codes(all_binary=True)
    assert count_macs(model, torch.ones(1, 196)) == {1: 17_280}
    assert count_parameters(model).total() == 17_556
    memory = weight_memory(model)
    assert (kib(memory.float32), kib(memory.stored)) == (68.58, 3.19)


def test_mnist_one_hot_look_up() -> None:
    class LookUp(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("start", 16 * torch.arange(49))
            self.table = nn.EmbeddingBag(49 * 16, 64, mode="sum")

        def forward(self, code: Tensor) -> Tensor:
            return self.table(code.flatten(1).long() + self.start)

    model = nn.Sequential(LookUp(), norm(64), dense(64, 64), norm(64), dense(64, 10), norm(10))
    code = torch.randint(16, (1, 1, 7, 7), dtype=torch.uint8)
    assert count_lookups(model, code) == (49, 3_136)
    assert count_macs(model, code) == {1: 4_736}
    rows = profile_layers(model, code)
    table = next(row for row in rows if row.name == "0.table")
    assert table.weight_memory.stored == 196 * 1024
    line = next(line for line in layer_table(rows).splitlines() if "0.table" in line)
    assert [cell.strip() for cell in line.split("|")[3:-1]] == [
        "1x64",
        "0",
        "0",
        "49",
        "3,136",
        "50,176",
        "196.00",
        "0.25",
    ]


def speech(*, binary: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = [4, 128, 128, 256, 256, 512, 512]
    for index, (inputs, outputs) in enumerate(pairwise(channels)):
        padding = int(index > 0)
        plain = nn.Conv2d(inputs, outputs, 3, padding=padding, bias=False)
        layers += [conv(inputs, outputs, binary_input=True, padding=padding) if binary else plain]
        layers += [nn.MaxPool2d(2)] * (index % 2)
        layers += [norm2d(outputs)]
    layers += [nn.Flatten()]
    for inputs, outputs in [(25_088, 1024), (1024, 1024), (1024, 8)]:
        layers += [dense(inputs, outputs) if binary else nn.Linear(inputs, outputs, bias=False), norm(outputs)]
    return nn.Sequential(*layers)


def test_speech_binary_network() -> None:
    model = speech(binary=True)
    total = total_profile(profile_layers(model, torch.ones(1, 4, 64, 64)))
    assert total.macs == {1: 2_257_774_592}
    assert total.parameters == {1: 31_322_624, 32: 7_696}
    assert round(total.weight_memory.float32 / 2**20, 4) == 119.5157
    assert round(total.weight_memory.stored / 2**20, 2) == 3.76
    # the products are 1 bit wide, pooling and batch norm are float32
    products = 2 * 128 * 62**2 + 2 * 256 * 31**2 + 2 * 512 * 15**2 + 2 * 1024 + 8
    pooled = 128 * 31**2 + 256 * 15**2 + 512 * 7**2
    normalised = 128 * 62**2 + pooled + 256 * 31**2 + 512 * 15**2 + 2 * 1024 + 8
    assert total.features == {1: products, 32: pooled + normalised}


def test_speech_network_features_in_float32() -> None:
    with torch.device("meta"):
        size = feature_memory(speech(binary=False).to("meta"), torch.ones(1, 4, 64, 64))
    assert round(size / 2**20, 2) == 11.35


def resnet50(*, v1: bool) -> nn.Module:
    """torchvision's ResNet-50 (v1.5) on the meta device; for v1 the stride moves to the first 1x1."""
    with torch.device("meta"):
        model = torchvision.models.resnet50()
    if v1:
        for block in model.modules():
            if isinstance(block, torchvision.models.resnet.Bottleneck):
                block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
    return model


def resnet_rows(*, v1: bool, size: int, batch: int) -> list[LayerProfile]:
    return profile_layers(resnet50(v1=v1), torch.empty(batch, 3, size, size, device="meta"))


# version, size: features a batch of 128 in GiB and GMACs, without and with average pool and fc
RESNET = {
    (True, 224): (12.824, 493.56, 12.826, 493.82),
    (True, 112): (3.257, 130.56, 3.259, 130.82),
    (False, 224): (13.327, 523.15, 13.328, 523.42),
    (False, 112): (3.381, 137.71, 3.383, 137.97),
}


@pytest.mark.parametrize(("v1", "size"), RESNET)
def test_resnet50(v1: bool, size: int) -> None:
    rows = resnet_rows(v1=v1, size=size, batch=128)
    total = total_profile(rows)
    trunk = total_profile(row for row in rows if row.name not in ("avgpool", "fc"))
    figures = [
        part
        for profile in (trunk, total)
        for part in (round(profile.feature_memory / 2**30, 3), round(profile.macs[32] / 1e9, 2))
    ]
    assert tuple(figures) == RESNET[v1, size]
    one = total_profile(resnet_rows(v1=v1, size=size, batch=1))
    assert (128 * one.feature_memory, 128 * one.macs[32]) == (total.feature_memory, total.macs[32])


@pytest.mark.parametrize(("size", "values"), [(224, 26_894_336), (112, 6_831_104)])
def test_resnet50_v1_feature_values_an_image(size: int, values: int) -> None:
    rows = resnet_rows(v1=True, size=size, batch=1)
    assert total_profile(row for row in rows if row.name not in ("avgpool", "fc")).features == {32: values}


def literature_operations(size: int, batch: int) -> int:
    """The "497 / 131 GFLOPs" of the literature for ResNet-50 v1 without average pool and fc.

    Multiply-accumulates, 2 for each output of ReLU, 8 for each output of the 3x3 max pooling, 1 for each residual sum,
    and the bias that the first convolution once had.
    """
    model = resnet50(v1=True)
    extra: Counter[str] = Counter()
    handles = []
    for name, module in model.named_modules():
        if isinstance(module, nn.ReLU):
            handles.append(module.register_forward_hook(lambda m, i, out: extra.update(relu=2 * out.numel())))
        elif name in ("maxpool", "conv1"):
            cost = {"maxpool": 8, "conv1": 1}[name]
            handles.append(
                module.register_forward_hook(lambda m, i, out, n=name, c=cost: extra.update({n: c * out.numel()}))
            )
        elif isinstance(module, torchvision.models.resnet.Bottleneck):
            handles.append(module.register_forward_hook(lambda m, i, out: extra.update(sum=out.numel())))
    rows = profile_layers(model, torch.empty(batch, 3, size, size, device="meta"))
    for handle in handles:
        handle.remove()
    macs = total_profile(row for row in rows if row.name not in ("avgpool", "fc")).macs.total()
    return macs + extra.total()


@pytest.mark.parametrize(("size", "figure"), [(224, 496.90), (112, 131.41)])
def test_resnet50_operations_of_the_literature(size: int, figure: float) -> None:
    assert round(literature_operations(size, batch=128) / 1e9, 2) == figure
