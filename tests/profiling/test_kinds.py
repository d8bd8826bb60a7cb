"""Modules of odd kinds: counted, or named."""

import warnings
from collections.abc import Callable
from typing import Any

import brevitas.nn as qnn
import pytest
import torch
import torch.nn.functional as F
from brevitas.quant import (
    Fp8e4m3ActPerTensorFloat,
    Fp8e4m3WeightPerTensorFloat,
    Int8AccumulatorAwareWeightQuant,
    Int8ActPerTensorFloat,
    MXFloat8e4m3Act,
    MXFloat8e4m3Weight,
    MXInt8Act,
    MXInt8Weight,
)
from torch import Tensor, nn
from torch._higher_order_ops.while_loop import while_loop
from torch._subclasses import FakeTensorMode
from torch.nn.attention.flex_attention import flex_attention

from lossy_lightning.profiling import count_lookups, count_macs, count_parameters, profile_layers, total_profile

pytestmark = [
    pytest.mark.filterwarnings("ignore:Sparse .* support is in beta"),
    pytest.mark.filterwarnings("ignore:.*torch.ao.quantization is deprecated"),
    pytest.mark.filterwarnings("ignore:.*flex_attention called without torch.compile"),
    pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype stage"),
    pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated"),
]
X = torch.rand(5, 8)


class With(nn.Module):
    """A function as a module that holds others."""

    def __init__(self, function: Callable[..., Any], **held: Any) -> None:
        super().__init__()
        self.function = function
        for name, value in held.items():
            setattr(self, name, value)

    def forward(self, *args: Any) -> Any:
        return self.function(self, *args)


class OwnWidth(nn.Linear):
    """A layer that tells a bit width, too."""

    def bit_width(self) -> int:
        return 4


def linear(model: With, x: Tensor) -> Tensor:
    return F.linear(x, model.weight)


Q = torch.rand(1, 2, 16, 8)
EYE = torch.eye(6)
JAGGED = torch.nested.nested_tensor([torch.rand(2, 8), torch.rand(3, 8)], layout=torch.jagged)
COMPLEX = torch.complex(X, X)
SHARED = qnn.QuantLinear(8, 8, bias=False, weight_bit_width=4)


def heads(model: With, x: Tensor) -> Tensor:
    q = x.unflatten(-1, [2, 4]).transpose(1, 2)
    return F.scaled_dot_product_attention(q, q, q)


# Module, input, its multiply-accumulates and its parameters by bit width
COUNTED: dict[str, tuple[Callable[[], nn.Module], Tensor, dict[int, int], dict[int, int]]] = {
    "flex attention": (lambda: With(lambda _, q: flex_attention(q, q, q)), Q, {32: 2 * 16 * 16 * 16}, {}),
    "cond": (
        lambda: With(lambda m, x: torch.cond(x.sum() > 0, m.a, m.b, (x,)), a=nn.Linear(8, 4), b=nn.Linear(8, 4)),
        X,
        {32: 160},
        {32: 72},
    ),
    "loop": (
        lambda: With(
            lambda m, x: while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, m.a(y)), (torch.tensor(0), x))[1],
            a=nn.Linear(8, 8),
        ),
        X,
        {32: 3 * 320},
        {32: 72},
    ),
    "a width of its own": (lambda: nn.Sequential(OwnWidth(8, 4)), X, {32: 160}, {32: 36}),
    "plain weight": (lambda: With(linear, weight=torch.rand(4, 8)), X, {32: 160}, {32: 32}),
    "weights in a list": (lambda: With(lambda m, x: x @ m.w[0], w=[torch.rand(8, 4)]), X, {32: 160}, {32: 32}),
    "weight normalisation": (lambda: nn.utils.weight_norm(nn.Linear(8, 4)), X, {32: 160}, {32: 40}),
    "a state is no weight": (
        lambda: With(lambda m, x: setattr(m, "h", m.h @ m.w.weight + x) or m.h, h=X, w=nn.Linear(8, 8, bias=False)),
        X,
        {32: 320},
        {32: 64},
    ),
    "complex linear": (lambda: nn.Linear(8, 4, dtype=torch.complex64), COMPLEX, {32: 640}, {64: 36}),
    "complex convolution": (lambda: nn.Conv1d(8, 4, 1, dtype=torch.complex64), COMPLEX[..., None], {32: 640}, {64: 36}),
    "complex, transposed": (
        lambda: nn.ConvTranspose1d(8, 4, 1, dtype=torch.complex64),
        COMPLEX[..., None],
        {32: 640},
        {64: 36},
    ),
    "jagged": (lambda: nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4)), JAGGED, {32: 480}, {32: 108}),
    "jagged attention": (lambda: With(heads), JAGGED, {32: (4 + 9) * 16}, {}),
    "sparse @ dense": (lambda: With(lambda _, x: EYE.to_sparse() @ x), torch.rand(6, 8), {32: 48}, {}),
    "rows @ dense": (lambda: With(lambda _, x: EYE.to_sparse_csr() @ x), torch.rand(6, 8), {32: 48}, {}),
    "blocks @ dense": (lambda: With(lambda _, x: EYE.to_sparse_bsr((2, 2)) @ x), torch.rand(6, 8), {32: 96}, {}),
    "dense @ sparse": (lambda: With(lambda _, x: x @ EYE.to_sparse()), torch.rand(8, 6), {32: 48}, {}),
    "sparse.mm": (lambda: With(lambda _, x: torch.sparse.mm(EYE.to_sparse(), x)), torch.rand(6, 8), {32: 48}, {}),
    "sampled": (
        lambda: With(lambda _, x: torch.sparse.sampled_addmm(EYE.to_sparse_csr(), x, x.mT).to_dense()),
        torch.rand(6, 8),
        {32: 48},
        {},
    ),
    "groups (MX)": (
        lambda: qnn.QuantLinear(64, 4, weight_quant=MXInt8Weight, input_quant=MXInt8Act, bias=False),
        torch.rand(2, 64),
        {8: 512},
        {8: 256},
    ),
    "groups of floats": (
        lambda: qnn.QuantLinear(64, 4, weight_quant=MXFloat8e4m3Weight, input_quant=MXFloat8e4m3Act, bias=False),
        torch.rand(2, 64),
        {8: 512},
        {8: 256},
    ),
    "floats (FP8)": (
        lambda: qnn.QuantLinear(
            64, 4, weight_quant=Fp8e4m3WeightPerTensorFloat, input_quant=Fp8e4m3ActPerTensorFloat, bias=False
        ),
        torch.rand(2, 64),
        {8: 512},
        {8: 256, 32: 1},
    ),
    "aware of its accumulator": (
        lambda: nn.Sequential(
            qnn.QuantIdentity(return_quant_tensor=True),
            qnn.QuantLinear(64, 4, weight_quant=Int8AccumulatorAwareWeightQuant, bias=False),
        ),
        torch.rand(2, 64),
        {8: 512},
        {8: 256, 32: 13},
    ),
    "a quantizer of two layers": (
        lambda: nn.Sequential(SHARED, qnn.QuantLinear(8, 4, bias=False, weight_quant=SHARED.weight_quant)),
        X,
        {32: 480},
        {4: 96},
    ),
    "a quantizer that gives plain tensors": (lambda: plain_quantizers(), X, {4: 160}, {4: 32, 32: 1}),
    "recurrent, hidden products too": (
        lambda: qnn.QuantLSTM(8, 6, weight_bit_width=4),
        torch.rand(3, 5, 8),
        {8: 15 * 24 * (8 + 6)},
        {4: 24 * (8 + 6), 32: 35},
    ),
    "fake quantization": (
        lambda: With(
            lambda m, x: F.linear(*(torch.fake_quantize_per_tensor_affine(t, 0.1, 0, -8, 7) for t in (x, m.weight))),
            weight=nn.Parameter(torch.rand(4, 8)),
        ),
        X,
        {4: 160},
        {32: 32},
    ),
}


def plain_quantizers() -> nn.Module:
    layer = qnn.QuantLinear(8, 4, False, weight_bit_width=4, input_quant=Int8ActPerTensorFloat, input_bit_width=3)
    layer.weight_quant.skip_create_quant_tensor = layer.input_quant.skip_create_quant_tensor = True
    return layer


@pytest.mark.parametrize("kind", COUNTED)
def test_counted(kind: str) -> None:
    make, x, macs, parameters = COUNTED[kind]
    torch.manual_seed(0)
    model = make()
    total = total_profile(profile_layers(model, x))
    assert total.macs == macs
    assert total.parameters == parameters


def test_accumulator_aware_widths_are_known_without_a_forward() -> None:
    layer = qnn.QuantLinear(64, 4, weight_quant=Int8AccumulatorAwareWeightQuant, bias=False)
    assert count_parameters(layer)[8] == 256


NAMED: dict[str, tuple[Callable[[], nn.Module], Tensor, str]] = {
    "sparse @ sparse": (lambda: With(lambda _, x: (EYE.to_sparse() @ EYE.to_sparse()).to_dense()), X, "aten::mm"),
    "distances": (lambda: With(lambda _, x: torch.cdist(x, x)), X, "aten::_cdist_forward"),
    "integers by a kernel of others": (
        lambda: With(lambda _, x: integer_product(x.to(torch.int8))),
        X,
        "case::integer",
    ),
}


@torch.library.custom_op("case::integer", mutates_args=())
def integer_product(x: Tensor) -> Tensor:
    return x.to(torch.int32) @ x.T.to(torch.int32)


@pytest.mark.parametrize("kind", NAMED)
def test_named(kind: str) -> None:
    make, x, name = NAMED[kind]
    with pytest.warns(UserWarning, match=f"not counted.*{name}"):
        count_macs(make(), x)


@torch.library.custom_op("case::picked", mutates_args=())
def picked(x: Tensor, w: Tensor, index: Tensor) -> Tensor:
    return x[index] @ w


torch.utils.flop_counter.register_flop_formula(torch.ops.case.picked)(
    lambda x, w, i, *args, out_shape, **kwargs: 2 * i[0] * x[1] * w[1]
)


def test_an_operation_with_a_formula_is_as_wide_as_its_factors() -> None:
    index, w = torch.arange(4), torch.rand(8, 3)
    assert count_macs(With(lambda _, x: torch.ops.case.picked(x, w, index)), X) == {32: 96}
    small = With(lambda _, x: torch.ops.case.picked(x, w.bfloat16(), index))
    assert count_macs(small, X.bfloat16()) == {16: 96}
    one, eight = torch.tensor(1.0), torch.ones(16, 16).to(torch.float8_e4m3fn)
    scaled = With(lambda _, x: torch._scaled_mm(eight, eight.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16))
    assert count_macs(scaled, one) == {8: 4096}


@pytest.fixture
def engine() -> None:
    if "fbgemm" in torch.backends.quantized.supported_engines:
        torch.backends.quantized.engine = "fbgemm"


def quantized_ahead() -> nn.Module:
    """Statically quantized: convolution with ReLU, a sum, linear."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.quant, self.dequant = torch.ao.quantization.QuantStub(), torch.ao.quantization.DeQuantStub()
            self.conv, self.relu, self.fc = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(4 * 36, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.dequant(self.fc(self.relu(self.conv(self.quant(x))).flatten(1)))

    net = Net().eval()
    net.qconfig = torch.ao.quantization.default_qconfig
    net = torch.ao.quantization.fuse_modules(net, [["conv", "relu"]])
    prepared = torch.ao.quantization.prepare(net)
    prepared(torch.rand(2, 3, 8, 8))
    return torch.ao.quantization.convert(prepared)


def test_quantized_kernels_and_packed_weights(engine: None) -> None:
    net, x = quantized_ahead(), torch.rand(1, 3, 8, 8)
    total = total_profile(profile_layers(net, x))
    assert total.macs == {8: 36 * 4 * 27 + 4 * 36 * 2}
    assert total.parameters == count_parameters(net) == {8: 108 + 288, 32: 4 + 2}
    assert total.features == {8: 4 * 36 + 2}


def test_dynamically_quantized_layers(engine: None) -> None:
    layers = {nn.Linear, nn.LSTM, nn.GRUCell}
    convert = torch.ao.quantization.quantize_dynamic
    assert count_macs(convert(nn.Sequential(nn.Linear(8, 4)), layers), X) == {8: 160}
    lstm = convert(nn.Sequential(nn.LSTM(8, 6)), layers)
    assert count_macs(lstm, torch.rand(3, 5, 8)) == {8: 15 * 24 * 14}
    assert count_parameters(lstm) == {8: 24 * 14, 32: 48}
    cell = convert(nn.Sequential(nn.GRUCell(8, 6)), layers)
    assert count_macs(cell, X) == {8: 5 * 18 * 14}
    assert count_parameters(cell) == {8: 18 * 14, 32: 2 * 36}  # torch packs biases beside those that it keeps


def test_quantized_tables() -> None:
    table = torch.ao.nn.quantized.Embedding(10, 4)
    assert count_lookups(table, torch.zeros(2, 3, dtype=torch.long)) == (6, 0)
    assert count_parameters(table) == {8: 40}


def test_compiled_and_frozen_modules() -> None:
    norm = torch.jit.script(nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4)))
    assert count_macs(norm, X) == {32: 160}
    frozen = torch.jit.freeze(torch.jit.script(nn.Sequential(nn.Linear(8, 4)).eval()))
    total = total_profile(profile_layers(nn.Sequential(frozen), X))
    assert (total.macs, total.parameters) == ({32: 160}, {32: 36})


def test_fake_tensors() -> None:
    with FakeTensorMode():
        model = nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4))
        assert count_macs(model, torch.rand(5, 8)) == {32: 160}


def test_nothing_is_warned_of_what_counts() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        count_macs(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Dropout(), nn.Softmax(-1)), X)
