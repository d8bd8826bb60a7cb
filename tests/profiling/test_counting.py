import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchmetrics
from brevitas.quant import (
    Int8BiasPerTensorFloatInternalScaling,
    Int32Bias,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
)
from fvcore.nn import FlopCountAnalysis
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lossy_lightning.profiling import (
    count_lookups,
    count_macs,
    count_parameters,
    feature_memory,
    layer_table,
    profile_layers,
    total_profile,
    weight_memory,
)
from lossy_lightning.profiling._operations import may_be_missed, multiply_accumulates


class Function(nn.Module):
    """A function of tensors as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any) -> Any:
        return self.function(*args)


def fvcore_macs(model: nn.Module, *inputs: Tensor) -> int:
    """fvcore's "flops" of convolutions and products are multiply-accumulates."""
    analysis = FlopCountAnalysis(model.eval(), inputs).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    by_operator = analysis.by_operator()
    return sum(int(by_operator[op]) for op in ("conv", "linear", "matmul", "einsum", "addmm", "bmm"))


def torch_macs(model: nn.Module, *inputs: Tensor) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(*inputs)
    return counter.get_total_flops() // 2


@settings(max_examples=40, deadline=None)
@given(
    ndim=st.integers(1, 3),
    groups=st.integers(1, 3),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    batch=st.integers(1, 3),
    transposed=st.booleans(),
)
def test_convolutions(
    ndim: int,
    groups: int,
    channels: tuple[int, int],
    kernel: int,
    stride: int,
    padding: int,
    dilation: int,
    batch: int,
    transposed: bool,
) -> None:
    kind = getattr(nn, f"Conv{'Transpose' * transposed}{ndim}d")
    inputs, outputs = (groups * c for c in channels)
    conv = kind(inputs, outputs, kernel, stride, padding, groups=groups, dilation=dilation).to("meta")
    image = torch.empty(batch, inputs, *[7] * ndim, device="meta")
    positions = image if transposed else conv(image)
    by_hand = conv.weight.numel() * batch * positions[0, 0].numel()
    assert count_macs(conv, image) == {32: by_hand}
    assert torch_macs(conv, image) == by_hand


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(4, 6, 3, stride=2, groups=2), (2, 4, 9, 9)),
        (nn.Linear(5, 7), (2, 3, 5)),
        (nn.Sequential(nn.Conv1d(3, 4, 2), nn.BatchNorm1d(4), nn.ReLU(), nn.AvgPool1d(2)), (2, 3, 9)),
        (nn.Conv2d(2, 2, 3, padding="same", padding_mode="circular"), (1, 2, 5, 5)),
    ],
)
def test_fvcore_agrees(layer: nn.Module, shape: tuple[int, ...]) -> None:
    inputs = torch.rand(shape)
    assert count_macs(layer, inputs) == {32: fvcore_macs(layer, inputs)}


X = torch.rand(2, 5, 8)
Q = torch.rand(2, 4, 5, 8)


@pytest.mark.parametrize(
    ("function", "inputs", "macs"),
    [
        (torch.matmul, (Q, Q.mT), 2 * 4 * 5 * 8 * 5),
        (torch.bmm, (X, X.mT), 2 * 5 * 8 * 5),
        (lambda x, y: x[0] @ y[0, 0], (X, X), 5 * 8),
        (lambda x: x[0, 0] @ x[0, 0], (X,), 8),
        (lambda x: torch.addmm(torch.zeros(5, 5), x[0], x[1].T), (X,), 5 * 8 * 5),
        (lambda x: torch.baddbmm(torch.zeros(5, 5), x, x.mT), (X,), 2 * 5 * 8 * 5),
        (lambda x: torch.einsum("btd,bsd->bts", x, x), (X,), 2 * 5 * 8 * 5),
        (lambda x: torch.einsum("bhtd,dk->bhtk", x, torch.ones(8, 3)), (Q,), 2 * 4 * 5 * 8 * 3),
        (lambda x: torch.tensordot(x, x, dims=([1, 2], [1, 2])), (X,), 2 * 40 * 2),
        (F.scaled_dot_product_attention, (Q, Q, Q), 2 * (2 * 4 * 5 * 5 * 8)),
        (F.scaled_dot_product_attention, (Q, Q, Q[..., :3]), 2 * 4 * 5 * 5 * (8 + 3)),
        (lambda q: F.scaled_dot_product_attention(q, q[:, :2], q[:, :2], enable_gqa=True), (Q,), 2 * 2 * 4 * 5 * 5 * 8),
        (lambda x: F.conv_transpose1d(x, torch.ones(5, 3, 2)), (X,), 2 * 8 * 5 * 3 * 2),
        (lambda x: x + x * x.relu().softmax(-1).sum(-1, keepdim=True), (X,), 0),
        (lambda q: F.interpolate(q, scale_factor=2.0, mode="bilinear"), (Q,), 0),
        (lambda q: F.grid_sample(q, torch.zeros(2, 3, 3, 2), align_corners=False), (Q,), 0),
        (lambda x: F.nll_loss(x.cumsum(1).sort(1).values.log_softmax(1), torch.zeros(2, 8).long()), (X,), 0),
    ],
)
def test_functions(function: Callable[..., Any], inputs: tuple[Tensor, ...], macs: int) -> None:
    assert count_macs(Function(function), *inputs).total() == macs


@pytest.mark.parametrize("need_weights", [False, True])
def test_multihead_attention(need_weights: bool) -> None:
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    model = Function(lambda x: attention(x, x, x, need_weights=need_weights))
    model.attention = attention
    macs = 2 * 5 * 8 * 24 + 2 * (2 * 5 * 5 * 8) + 2 * 5 * 8 * 8
    assert count_macs(model, X) == {32: macs}


def test_transformer_layer_in_evaluation_mode_has_no_hidden_part() -> None:
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, enable_nested_tensor=False)
    layer = 2 * 5 * 8 * 24 + 2 * (2 * 5 * 5 * 8) + 2 * 5 * 8 * 8 + 2 * (2 * 5 * 8 * 16)
    assert count_macs(model.eval(), X) == {32: 2 * layer}
    # in_proj, out_proj, two residual sums, two norms, and the two linear layers between
    assert feature_memory(model, X) == 4 * 2 * (2 * 5) * (24 + 8 + 8 + 8 + 8 + 8 + 16 + 8)


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_recurrent_layers(kind: type[nn.RNNBase], gates: int, bidirectional: bool) -> None:
    model = kind(8, 6, num_layers=2, bidirectional=bidirectional, batch_first=True)
    ways = 1 + bidirectional
    macs = 2 * 5 * ways * gates * 6 * ((8 + 6) + (6 * ways + 6))
    assert count_macs(model, X) == {32: macs}
    assert feature_memory(model, X) == 4 * 2 * 5 * 6 * ways


def test_lstm_with_projection_cell_and_packed_sequence() -> None:
    lstm = nn.LSTM(8, 6, proj_size=3)
    assert count_macs(lstm, X) == {32: 10 * (24 * (8 + 3) + 6 * 3)}
    assert count_macs(nn.LSTMCell(8, 6), X[0]) == {32: 5 * 24 * (8 + 6)}
    packed = nn.utils.rnn.pack_padded_sequence(X, torch.tensor([5, 2]), batch_first=True)
    assert count_macs(nn.LSTM(8, 6, batch_first=True), packed) == {32: 7 * 24 * (8 + 6)}


def test_bilinear() -> None:
    assert count_macs(nn.Bilinear(8, 7, 3), torch.rand(2, 8), torch.rand(2, 7)) == {32: 2 * 3 * 8 * 7}


@pytest.mark.parametrize("function", [torch.fft.rfft, lambda x: torch.cdist(x, x)])
def test_unknown_operations_are_named(function: Callable[..., Any]) -> None:
    with pytest.warns(UserWarning, match=r"not counted.*aten::(_fft_r2c|_cdist_forward)"):
        assert count_macs(Function(function), X) == {}


@pytest.mark.parametrize(
    "name",
    [
        "_scaled_mm.default", "_weight_int8pack_mm.default", "_grouped_mm.default", "_sparse_addmm.default",
        "linalg_solve_triangular.default", "linalg_qr.default", "cholesky_solve.default", "geqrf.default",
        "cudnn_convolution_relu.default", "mkldnn_linear.default", "quantized_lstm.data", "miopen_rnn.default",
        "_native_multi_head_attention.default", "_transformer_encoder_layer_fwd.default", "_pdist_forward.default",
    ],
)  # fmt: skip
def test_products_of_torch_without_a_formula_are_named(name: str) -> None:
    operation, overload = name.split(".")
    assert may_be_missed(getattr(getattr(torch.ops.aten, operation), overload), (X,), X)


def test_what_runs_outside_of_torch_is_named() -> None:
    with pytest.warns(UserWarning, match="Function .its output was not made by torch"):
        count_macs(Function(lambda x: torch.from_numpy(x.numpy() @ x.numpy().mT)), X)


def test_operation_of_a_user_is_named_until_its_formula_is_registered() -> None:
    @torch.library.custom_op("lossy_test::product", mutates_args=())
    def product(a: Tensor, b: Tensor) -> Tensor:
        return a @ b

    model = Function(lambda x: product(x, x.mT.contiguous()))
    with pytest.warns(UserWarning, match="lossy_test::product"):
        count_macs(model, X)
    torch.utils.flop_counter.register_flop_formula(torch.ops.lossy_test.product)(
        lambda a, b, *, out_shape: 2 * a[0] * a[1] * a[2] * b[2]
    )
    assert count_macs(model, X) == {32: 2 * 5 * 8 * 5}


def test_half_precision_and_autocast_are_as_wide_as_their_dtype() -> None:
    assert count_macs(nn.Linear(8, 3, dtype=torch.bfloat16), X.bfloat16()) == {16: 2 * 5 * 8 * 3}
    with torch.autocast("cpu", torch.bfloat16):
        assert count_macs(nn.Linear(8, 3), X) == {16: 2 * 5 * 8 * 3}


IMAGE = torch.rand(1, 3, 8, 8)


def test_quantized_tensors_declare_their_width_to_the_next_layer() -> None:
    relu = qnn.QuantReLU(bit_width=4, return_quant_tensor=True)
    linear = qnn.QuantLinear(48, 8, weight_bit_width=2, bias=False)
    assert count_macs(nn.Sequential(relu, nn.MaxPool2d(2), nn.Flatten(), linear), IMAGE) == {4: 48 * 8}
    # a real value in between is no longer 4 bits wide
    assert count_macs(nn.Sequential(relu, nn.MaxPool2d(2), nn.Sigmoid(), nn.Flatten(), linear), IMAGE) == {32: 48 * 8}


def test_quantizer_declares_where_plain_tensors_are_handed_on() -> None:
    identity = qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst)
    conv = qnn.QuantConv2d(3, 8, 3, weight_bit_width=2, bias=False)
    assert count_macs(nn.Sequential(identity, conv), IMAGE) == {2: 8 * 27 * 36}


def test_disabled_quantizers_declare_nothing() -> None:
    conv = qnn.QuantConv2d(3, 8, 3, weight_bit_width=2, bias=False)
    conv.weight_quant.disable_quant = True
    assert count_parameters(conv) == {32: 216}
    assert count_macs(conv, IMAGE) == {32: 8 * 27 * 36}


@pytest.mark.parametrize(
    ("quant", "expected"),
    [(Int32Bias, {3: 216, 32: 8 + 1}), (Int8BiasPerTensorFloatInternalScaling, {3: 216, 8: 8, 32: 1})],
)
def test_quantized_biases_and_learned_scales(quant: Any, expected: dict[int, int]) -> None:
    identity = qnn.QuantIdentity(bit_width=4, return_quant_tensor=True)
    conv = qnn.QuantConv2d(3, 8, 3, weight_bit_width=3, bias_quant=quant)
    assert count_parameters(nn.Sequential(identity, conv)) == expected
    assert count_macs(nn.Sequential(identity, conv), IMAGE) == {4: 8 * 27 * 36}


def test_brevitas_attention_and_recurrence() -> None:
    attention = qnn.QuantMultiheadAttention(8, 2, batch_first=True)
    assert count_macs(attention, X, X, X).total() == 2 * 5 * 8 * 24 + 2 * (2 * 5 * 5 * 8) + 2 * 5 * 8 * 8
    assert count_macs(qnn.QuantLSTM(8, 6), X).total() == 10 * 24 * (8 + 6)
    assert count_lookups(qnn.QuantEmbedding(10, 4, weight_bit_width=4), torch.zeros(2, 3).long()) == (6, 0)


def test_look_ups() -> None:
    codes = torch.randint(10, (2, 49))
    assert count_lookups(nn.Embedding(10, 4), codes) == (98, 0)
    assert count_lookups(nn.EmbeddingBag(10, 4, mode="sum"), codes) == (98, 392)
    assert count_lookups(nn.EmbeddingBag(10, 4, mode="max"), codes) == (98, 0)
    assert count_macs(nn.EmbeddingBag(10, 4, mode="sum"), codes) == {}
    weighted = nn.EmbeddingBag(10, 4, mode="sum")
    assert count_macs(weighted, codes, None, torch.rand(2, 49)) == {32: 392}


@pytest.mark.parametrize("affine", [False, True])
def test_batch_norm_counts_two_values_a_channel(affine: bool) -> None:
    norm = nn.BatchNorm2d(6, affine=affine)
    if affine:
        norm.weight.requires_grad_(False)
    assert count_parameters(norm) == {32: 12}
    assert count_parameters(nn.BatchNorm1d(6, affine=affine, track_running_stats=False)) == {32: 12}
    assert count_parameters(nn.LayerNorm(6)) == {32: 12}
    assert count_parameters(nn.LayerNorm(6, bias=False)) == {32: 6}


def test_shared_parameters_count_once_and_their_work_twice() -> None:
    linear = nn.Linear(8, 8)
    model = nn.Sequential(linear, linear)
    assert count_parameters(model) == {32: 72}
    assert count_macs(model, X) == {32: 2 * 10 * 64}


def test_metrics_are_no_layers() -> None:
    model = nn.Sequential(nn.Linear(4, 3))
    model.train_loss = torchmetrics.MeanMetric()  # holds its state as a plain tensor named weight
    assert count_parameters(model) == {32: 15}
    assert [row.name for row in profile_layers(model, torch.ones(1, 4))] == ["0"]
    assert count_parameters(torchmetrics.MeanMetric()) == {32: 1}  # what is asked for counts


def test_bits_are_packed_into_bytes() -> None:
    model = qnn.QuantLinear(3, 3, weight_quant=SignedBinaryWeightPerTensorConst, bias=False)
    assert weight_memory(model) == (2, 36)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.position = nn.Parameter(torch.zeros(1, 3, 8, 8))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.position  # no residual sum
        y = F.relu(self.conv(x), inplace=True)
        y += x
        return F.adaptive_avg_pool2d(y, 1).flatten(1)


def test_feature_memory() -> None:
    assert feature_memory(Residual(), IMAGE) == 4 * (2 * 192 + 3)
    norms = nn.Sequential(nn.GroupNorm(1, 3), nn.RMSNorm(8), nn.InstanceNorm2d(3), nn.LayerNorm(8))
    assert feature_memory(norms, IMAGE) == 4 * 4 * 192


def test_profiles_add_up_and_stand_by_layer() -> None:
    model = nn.Sequential(Residual(), nn.Linear(3, 2))
    rows = profile_layers(model, IMAGE)
    assert [(row.name, row.type, row.output_shape) for row in rows] == [
        ("0", "Residual", (1, 3)),
        ("0.conv", "Conv2d", (1, 3, 8, 8)),
        ("1", "Linear", (1, 2)),
    ]
    total = total_profile(rows)
    assert total.macs == count_macs(model, IMAGE) == {32: 81 * 64 + 6}
    assert total.parameters == count_parameters(model) == {32: 192 + 84 + 8}
    assert total.feature_memory == feature_memory(model, IMAGE)
    assert total.weight_memory == weight_memory(model)
    lines = layer_table(rows).splitlines()
    assert len(lines) == 2 + 3 + 1
    assert [cell.strip() for cell in lines[-1].split("|")[1:6]] == ["total", "", "", "0", "5,190"]


class Dictionary(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 3)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"logits": self.linear(batch["x"])}


def test_dict_batches() -> None:
    assert count_macs(Dictionary(), {"name": ["a", "b"], "x": X}) == {32: 10 * 24}


class ByField(nn.Module):
    """A stem whose features are a dict by field, and a backbone that joins them late."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.ModuleDict({"luma": nn.Conv2d(3, 4, 1), "chroma": qnn.QuantConv2d(3, 2, 1, weight_bit_width=1)})
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        features = {name: stem(x if name == "luma" else x[..., ::2, ::2]) for name, stem in self.stem.items()}
        return self.head(torch.cat([part.mean((2, 3)) for part in features.values()], 1))


def test_features_by_field() -> None:
    model = ByField()
    assert count_macs(model, IMAGE) == {32: 4 * 3 * 64 + 2 * 3 * 16 + 6 * 2}
    assert feature_memory(model, IMAGE) == 4 * (4 * 64 + 2 * 16 + 4 + 2 + 2)  # both convolutions, pooling, the head


class Unruly(nn.Module):
    """Writes buffers, draws noise and behaves by mode."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.norm = nn.BatchNorm1d(5)
        self.dropout = nn.Dropout().eval()
        self.fails = False

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.calls = self.calls.clone()
        if self.fails:
            raise KeyError("planted")
        return self.norm(self.dropout(x)) + torch.randn(1)


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_left_as_it_was(fails: bool) -> None:
    model = Unruly()
    model.fails = fails
    buffer = model.calls
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    if fails:
        with pytest.raises(KeyError, match="planted"):
            profile_layers(model, X)
    else:
        profile_layers(model, X)
    assert torch.equal(torch.rand(3), expected)
    assert (model.training, model.norm.training, model.dropout.training) == (True, True, False)
    assert model.calls is buffer
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_any_grad_mode(mode: Callable[[], Any]) -> None:
    model = nn.Sequential(qnn.QuantConv2d(3, 4, 3, weight_bit_width=2), nn.Flatten(), nn.Linear(144, 2))
    with mode():
        assert count_macs(model, torch.rand(1, 3, 8, 8)) == {32: 36 * 4 * 27 + 288}
        assert count_macs(nn.LSTM(8, 6), torch.rand(2, 5, 8)) == {32: 10 * 24 * 14}
    assert all(parameter.grad is None for parameter in model.parameters())


def test_lazy_modules_are_refused_with_advice() -> None:
    with pytest.raises(ValueError, match="run one batch first"):
        count_macs(nn.LazyLinear(3), X)


def test_compiled_and_scripted_models() -> None:
    model = nn.Sequential(nn.Linear(8, 3), nn.ReLU())
    compiled = torch.compile(model, backend="eager")
    compiled(X)
    assert count_macs(compiled, X) == count_macs(model, X) == {32: 240}
    assert count_macs(torch.jit.trace(model, X), X) == {32: 240}


def test_counts_are_whole_numbers_of_a_counter() -> None:
    counts = count_macs(nn.Linear(8, 3), X)
    assert isinstance(counts, Counter)
    assert counts[1] == 0
    assert all(type(n) is int for n in counts.values())


def test_fused_recurrence_of_a_gpu_counts_as_on_the_processor() -> None:
    lstm = nn.LSTM(8, 6, num_layers=2, bidirectional=True, proj_size=3)
    weights = list(lstm.parameters())
    args = (X, weights, 5, None, torch.zeros(4, 5, 3), None, 2, 6, 3, 2, False, 0.0, False, True, [], None)
    macs = multiply_accumulates(torch.ops.aten._cudnn_rnn.default, args, {}, (torch.zeros(2, 5, 6),))
    assert {32: macs} == count_macs(lstm, X)


class InPlace(nn.Module):
    """Works on its input in place, and draws from Python's and NumPy's random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x.mul_(3 + 0 * random.random() + 0 * float(np.random.rand()))
        return self.linear(x)


def test_the_input_and_foreign_random_states_are_kept() -> None:
    x = torch.ones(2, 4)
    states = random.getstate(), np.random.get_state()[1].tolist()
    assert count_macs(InPlace(), x) == {32: 16}
    assert torch.equal(x, torch.ones(2, 4))
    assert states == (random.getstate(), np.random.get_state()[1].tolist())


def test_a_constant_that_forward_makes_costs_nothing() -> None:
    class Weighted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.einsum("ij,nj->ni", x.new_tensor([[1.0, 2.0], [3.0, 4.0]]), x)

    with torch.inference_mode():
        assert count_macs(Weighted(), torch.ones(1, 2)) == {32: 4}
