"""Small networks of every kind, with statistics as if trained."""

from functools import partial

import brevitas.nn as bnn
import brevitas.quant as bq
import torch
from torch import Tensor, nn

from lossy_lightning.core import CodeSpec, Field
from lossy_lightning.nn import (
    MLP,
    Bits,
    CodebookSum,
    CoefficientPlanes,
    ConvNet,
    Embed,
    LookupConv,
    LookupLinear,
    ResidualNet,
    Scale,
    SequenceNet,
    SpaceToDepth,
)
from lossy_lightning.nn.layers import conv2d, linear
from lossy_lightning.tasks import ClassificationTask


def settled(model: nn.Module) -> nn.Module:
    """The network with statistics and biases that are not those of the start."""
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.running_mean.normal_(0, 3)
            module.running_var.uniform_(0.5, 40)
            module.bias.data.normal_(0, 0.5)
            if module.weight.requires_grad:
                module.weight.data.normal_()
        elif isinstance(module, nn.PReLU):
            module.weight.data.uniform_(-0.5, 0.5)
        elif isinstance(module, CodebookSum):
            module.table.weight.data.normal_()
    return model.eval()


def indices(*shape: int, absent: int | None = None) -> CodeSpec:
    return CodeSpec.uniform(shape, 0, 15, ordinal=False, absent=absent)


def pixels(*shape: int, high: int = 255) -> CodeSpec:
    return CodeSpec.uniform(shape, 0, high, ordinal=True)


def codes(spec: CodeSpec, count: int) -> Tensor:
    """Random codes, some values absent if they may be."""
    low = torch.tensor(spec.low).view(-1, *[1] * len(spec.grid))
    high = torch.tensor(spec.high).view_as(low)
    code = (torch.rand(count, *spec.shape) * (high - low + 1)).floor().long() + low
    for field in spec.fields:
        if field.absent is not None:
            code = torch.where(torch.rand(code.shape) < 0.2, field.absent, code)
    return code.to(spec.dtype)


BLOCK = ((-9,) * 64, (9,) * 64)
FIRST = {"first_input_bit_width": 1}
REAL = {"first_weight_bit_width": 32, "first_input_bit_width": 32}
# Networks that are whole numbers up to the logits, or whose real numbers come before any sign.
EXACT = {
    "mlp": (indices(1, 7, 7), Bits, partial(MLP, hidden_features=(64, 70))),
    "gray": (pixels(2, 4, 4, high=9), partial(Bits, gray=True), MLP),
    "absent": (indices(3, 6, absent=-1), Bits, partial(MLP, hidden_features=(16,))),
    "thresholds": (
        pixels(1, 12, 12, high=1),
        SpaceToDepth,
        partial(
            ConvNet,
            channels=(16, 70),
            pool=(True, False),
            hidden_features=(80,),
            first_input_bit_width=1,
            pad=(True, True),
        ),
    ),
    "look-up": (indices(1, 7, 7), partial(LookupLinear, out_features=64), partial(MLP, input_norm=True)),
    "residual": (
        indices(1, 16, 16),
        Bits,
        partial(ResidualNet, channels=(8, 8, 16), strides=(2, 1, 2), last_bit_width=1),
    ),
}
# Sums of real numbers stand before signs, or there are none.
CLOSE = {
    "pixels": (pixels(1, 20, 20), Scale, partial(ConvNet, channels=(8, 16), pool=(True, False))),
    "few bits": (
        pixels(1, 12, 12),
        Scale,
        partial(ConvNet, channels=(8, 16), pool=(True, False), weight_bit_width=4, input_bit_width=4),
    ),
    "planes": (
        CodeSpec(
            [Field("luma", (-9,) * 64, (9,) * 64, True, (2, 2)), Field("cb", (-9,) * 64, (9,) * 64, True)], (2, 2)
        ),
        partial(CoefficientPlanes, luma=3, chroma=1, mean_bit_width=2, bit_width=2),
        partial(
            ResidualNet,
            channels=(16, 32),
            strides=(1, 2),
            input_bit_width=32,
            weight_bit_width=32,
            first_weight_bit_width=1,
            first_input_bit_width=1,
        ),
    ),
    "convolution by look-up": (
        indices(1, 16, 16),
        partial(LookupConv, kernel_size=4, stride=2, out_channels=24, padding=1),
        partial(ResidualNet, channels=(24, 48), strides=(2, 1)),
    ),
    "sound": (
        indices(6, 20, absent=-1),
        partial(CodebookSum, dim=24),
        partial(ResidualNet, channels=(32, 32, 64), strides=(2, 1, 2), **REAL),
    ),
    "narrow table": (
        indices(6, 20, absent=-1),
        partial(CodebookSum, dim=24, weight_bit_width=1),
        partial(SequenceNet, channels=(16, 16), strides=(1, 2)),
    ),
    "rows": (indices(2, 8, 8), partial(Embed, dim=3), partial(ConvNet, channels=(8,), pool=(True,))),
}


def task(name: str) -> ClassificationTask:
    spec, stem, backbone = {**EXACT, **CLOSE}[name]
    model = ClassificationTask(spec, 10, stem, backbone, logit_scale=3.0)
    if name == "few bits":
        for _ in range(3):
            model(codes(spec, 32))
    return settled(model)


def groups() -> nn.Module:
    """Convolutions of groups, with strides and padding of zeros."""
    layers = (conv2d(8, 16, 3, 2, 1, groups=4), nn.BatchNorm2d(16), conv2d(16, 16, 3, groups=16), nn.BatchNorm2d(16))
    return settled(nn.Sequential(Bits(indices(2, 8, 8)), *layers, nn.Flatten(), linear(64, 10)))


class Foreign(nn.Module):
    """Brevitas's own layers, whose scales are none of ours."""

    spec = pixels(3, 16, 16)

    def __init__(self, quant_tensors: bool) -> None:
        super().__init__()
        weights = {"weight_quant": bq.SignedBinaryWeightPerTensorConst, "return_quant_tensor": quant_tensors}
        signs = {"act_quant": bq.SignedBinaryActPerTensorConst, "return_quant_tensor": quant_tensors}
        self.layers = nn.Sequential(
            bnn.QuantConv2d(3, 16, 3, padding=1, bias=True, input_quant=bq.Int8ActPerTensorFloat, **weights),
            nn.BatchNorm2d(16),
            bnn.QuantIdentity(**signs),
            bnn.QuantConv2d(16, 16, 3, stride=2, bias=False, **weights),
            nn.BatchNorm2d(16),
            bnn.QuantIdentity(**signs),
            nn.MaxPool2d(3),
            nn.Flatten(),
            bnn.QuantLinear(64, 10, bias=True, weight_quant=bq.SignedBinaryWeightPerTensorConst),
        )
        for _ in range(3):
            self(codes(self.spec, 8))
        settled(self)

    def forward(self, code: Tensor) -> Tensor:
        return self.layers(code.float() / 255)
