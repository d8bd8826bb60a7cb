from collections.abc import Callable
from typing import Any

import brevitas.nn as qnn
import pytest
import torch
import torch.nn.functional as F
from brevitas.quant import (
    Fp8e4m3ActPerTensorFloat,
    Fp8e4m3WeightPerChannelFloat,
    Int8AccumulatorAwareWeightQuant,
    Int8WeightPerChannelFloat,
    MXFloat8e4m3Act,
    MXFloat8e4m3Weight,
    MXInt8Act,
    MXInt8Weight,
    SignedBinaryWeightPerTensorConst,
    Uint8ActPerTensorFloat,
)
from brevitas.quant_tensor import IntQuantTensor
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from torch import Tensor, nn

from lossy_lightning.callbacks import BitWidthAudit

from .foreign import BinaryInput, BinaryWeight, Foreign, loader


def run(network: nn.Module | None = None, stage: str = "fit", audit: BitWidthAudit | None = None) -> Foreign:
    module = Foreign(network)
    trainer = Trainer(
        callbacks=[audit or BitWidthAudit()],
        logger=False,
        max_epochs=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )
    options: dict[str, Any] = {} if stage == "fit" else {"verbose": False}
    loaders = (loader(), loader()) if stage == "fit" else (loader(),)
    getattr(trainer, stage)(module, *loaders, **options)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())
    return module


class Ternary(nn.Module):
    """Says one bit, gives three values."""

    def __init__(self) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        one = torch.tensor(1.0)
        return x + (torch.sign(x * (x.abs() > 0.1)) - x).detach(), one, torch.tensor(0.0), one


class TernaryWeight(SignedBinaryWeightPerTensorConst):
    tensor_quant = Ternary


class LyingInput(BinaryInput):
    tensor_quant = Ternary


class ForgetsItsWeights(qnn.QuantLinear):
    def inner_forward_impl(self, x: Tensor, quant_weight: Tensor, quant_bias: Tensor | None) -> Tensor:
        return F.linear(x, self.weight)


class Rescales(qnn.QuantLinear):
    def inner_forward_impl(self, x: Any, quant_weight: Tensor, quant_bias: Tensor | None) -> Tensor:
        return F.linear(x.value * torch.linspace(0.5, 1, 8), quant_weight)


class Claims(nn.Module):
    """Hands real values on as one-bit ones."""

    def forward(self, x: Tensor) -> Any:
        return IntQuantTensor(x, torch.tensor(1.0), torch.tensor(0.0), torch.tensor(1.0), True, self.training)


def linear(kind: type[qnn.QuantLinear] = qnn.QuantLinear, weight: Any = BinaryWeight, inputs: Any = None) -> nn.Module:
    return qnn.__dict__.get(kind.__name__, kind)(8, 3, bias=False, weight_quant=weight, input_quant=inputs)


class ByField(nn.Module):
    """Features of two fields in a dict, each of which a layer of its own reads."""

    def __init__(self, second: nn.Module) -> None:
        super().__init__()
        identity = qnn.QuantIdentity(act_quant=BinaryInput, return_quant_tensor=True)
        self.stems = nn.ModuleDict({"luma": identity, "chroma": second})
        self.layers = nn.ModuleDict({name: linear() for name in self.stems})

    def forward(self, x: Tensor) -> Tensor:
        features = {name: stem(x) for name, stem in self.stems.items()}
        return self.layers["luma"](features["luma"]) + self.layers["chroma"](features["chroma"])


GOOD: list[Callable[[], nn.Module | None]] = [
    lambda: None,
    lambda: linear(weight=Int8WeightPerChannelFloat),
    lambda: nn.Sequential(qnn.QuantReLU(bit_width=3, return_quant_tensor=True), linear(weight=BinaryWeight)),
    lambda: nn.Sequential(qnn.QuantReLU(act_quant=Uint8ActPerTensorFloat), linear()),
    lambda: nn.Sequential(
        nn.Unflatten(1, (2, 4)),
        qnn.QuantConv1d(2, 3, 3, padding=1, bias=False, weight_quant=BinaryWeight, input_quant=BinaryInput),
        qnn.QuantConvTranspose1d(3, 3, 4, bias=False, weight_bit_width=4, input_quant=BinaryInput),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
    ),
    lambda: ByField(qnn.QuantReLU(bit_width=3, return_quant_tensor=True)),
    lambda: nn.Sequential(  # circular padding is a function of its own, and still one bit
        nn.Unflatten(1, (2, 4)),
        qnn.QuantConv1d(
            2, 3, 4, padding=3, padding_mode="circular", bias=False, weight_quant=BinaryWeight, input_quant=BinaryInput
        ),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
    ),
]


@pytest.mark.parametrize("network", GOOD)
@pytest.mark.parametrize("stage", ["fit", "validate", "test"])
def test_true_layers_pass(network: Callable[[], nn.Module | None], stage: str) -> None:
    run(network(), stage)


BAD = {
    "ternary weights": (lambda: linear(weight=TernaryWeight), r"'network.0' declares 1 bits.*weight.*0\.0"),
    "ternary inputs": (lambda: linear(inputs=LyingInput), r"'network.0' declares 1 bits for its input.*0\.0"),
    "weights as they were": (lambda: linear(ForgetsItsWeights), "'network.0' declares 1 bits for its weight"),
    "inputs rescaled": (lambda: linear(Rescales, inputs=BinaryInput), "'network.0' declares 1 bits for its input"),
    "declared for one field": (lambda: ByField(Claims()), "'network.0.layers.chroma' declares 1 bits for its input"),
    "declared by the layer before": (lambda: nn.Sequential(Claims(), linear()), "'network.0.1' declares 1 bits"),
}


@pytest.mark.parametrize("fault", BAD)
@pytest.mark.parametrize("stage", ["fit", "validate", "test"])
def test_planted_faults_stop_the_run_with_name_and_values(fault: str, stage: str) -> None:
    network, message = BAD[fault]
    with pytest.raises(MisconfigurationException, match=message):
        run(nn.Sequential(network()), stage)


PRODUCTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "linear": F.linear,
    "@": lambda x, w: x @ w.T,
    "@ from the right": lambda x, w: (w @ x.T).T,
    "mm": lambda x, w: torch.mm(x, w.t()),
    "bmm": lambda x, w: torch.bmm(x[None], w.T[None])[0],
    "einsum": lambda x, w: torch.einsum("bi,oi->bo", x, w),
    "einsum, weights first": lambda x, w: torch.einsum("oi,bi->bo", w, x),
    "tensordot": lambda x, w: torch.tensordot(x, w, ([1], [1])),
    "inner": torch.inner,
    "addmm": lambda x, w: torch.addmm(torch.zeros(3), x, w.T),
    "addmm by name": lambda x, w: torch.addmm(torch.zeros(3), mat1=x, mat2=w.T),
    "addmm_": lambda x, w: torch.zeros(len(x), 3).addmm_(x, w.T),
    "baddbmm": lambda x, w: torch.baddbmm(torch.zeros(1, 1, 3), x[None], w.T[None])[0],
    "addbmm": lambda x, w: torch.addbmm(torch.zeros(1, 3), x[None], w.T[None]),
    "mv": lambda x, w: torch.stack([w.mv(row) for row in x]),
    "addmv": lambda x, w: torch.stack([torch.addmv(torch.zeros(3), w, row) for row in x]),
    "dot": lambda x, w: torch.stack([torch.stack([torch.dot(row, v) for v in w]) for row in x]),
    "multi_dot": lambda x, w: torch.linalg.multi_dot([x, w.T, torch.eye(3)]),
    "convolution": lambda x, w: F.conv1d(x[..., None], w[..., None])[..., 0],
    "attention": lambda x, w: F.scaled_dot_product_attention(x[None], w[None], w[None])[0][:, :3],
    "bilinear": lambda x, w: F.bilinear(x, torch.ones(len(x), 1), w[..., None]),
}


@pytest.mark.parametrize("way", PRODUCTS)
def test_products_are_seen_whichever_function_makes_them(way: str) -> None:
    class Multiplies(qnn.QuantLinear):
        honest = True

        def forward(self, x: Any) -> Tensor:
            weight = self.quant_weight().value if self.honest else self.weight
            return PRODUCTS[way](self.input_quant(x).value, weight)

    layer = Multiplies(8, 3, bias=False, weight_quant=BinaryWeight, input_quant=BinaryInput)
    run(nn.Sequential(layer), "test")
    layer.honest = False
    with pytest.raises(MisconfigurationException, match=r"'network\.0' declares 1 bits for its weight"):
        run(nn.Sequential(layer), "test")


def test_inputs_are_seen_too() -> None:
    class Real(qnn.QuantLinear):
        def forward(self, x: Any) -> Tensor:
            return torch.einsum("oi,bi->bo", self.quant_weight().value, x)

    with pytest.raises(MisconfigurationException, match=r"'network\.0' declares 1 bits for its input"):
        run(nn.Sequential(Real(8, 3, bias=False, weight_quant=BinaryWeight, input_quant=BinaryInput)), "test")


KINDS: dict[str, Callable[[], nn.Module]] = {
    "groups": lambda: qnn.QuantLinear(64, 3, weight_quant=MXInt8Weight, input_quant=MXInt8Act, bias=False),
    "floats": lambda: qnn.QuantLinear(
        64, 3, weight_quant=Fp8e4m3WeightPerChannelFloat, input_quant=Fp8e4m3ActPerTensorFloat, bias=False
    ),
    "groups of floats": lambda: qnn.QuantLinear(
        64, 3, weight_quant=MXFloat8e4m3Weight, input_quant=MXFloat8e4m3Act, bias=False
    ),
    "aware of its accumulator": lambda: nn.Sequential(
        qnn.QuantIdentity(return_quant_tensor=True),
        qnn.QuantLinear(64, 3, weight_quant=Int8AccumulatorAwareWeightQuant, bias=False),
    ),
    "by channel, transposed": lambda: nn.Sequential(ByChannel(64, 3, bias=False, weight_bit_width=2)),
    "recurrent": lambda: nn.Sequential(nn.Unflatten(1, (8, 8)), qnn.QuantRNN(8, 3, batch_first=True), First()),
}


class First(nn.Module):
    def forward(self, x: Any) -> Tensor:
        return x[0][:, -1]


class ByChannel(qnn.QuantLinear):
    def forward(self, x: Any) -> Tensor:
        return torch.einsum("bi,io->bo", x, self.quant_weight().value.T.contiguous())


@pytest.mark.parametrize("kind", KINDS)
def test_true_layers_of_odd_kinds_pass(kind: str) -> None:
    torch.manual_seed(0)
    run(nn.Sequential(nn.Linear(8, 64), KINDS[kind]()))


def test_what_cannot_be_checked_is_said_once() -> None:
    class Strange(nn.Module):
        """Gives a scale that does not fit its values."""

        def forward(self, x: Tensor) -> Any:
            return IntQuantTensor(x.sign(), torch.ones(7), torch.tensor(0.0), torch.tensor(4.0), True, self.training)

    with pytest.warns(UserWarning, match=r"does not check what layer 'network.1' multiplies by linear: RuntimeError"):
        run(nn.Sequential(Strange(), linear(Reads)), "test", audit=BitWidthAudit(1))


class Reads(qnn.QuantLinear):
    def inner_forward_impl(self, x: Any, quant_weight: Tensor, quant_bias: Tensor | None) -> Tensor:
        return F.linear(x, quant_weight)


class FaultyLater(nn.Module):
    """Real values claimed as bits from the third call on."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Any:
        self.calls += 1
        value = x if self.calls > 2 else x.sign() + (x - x)
        return IntQuantTensor(value, torch.tensor(1.0), torch.tensor(0.0), torch.tensor(1.0), True, self.training)


def test_batches_between_are_not_audited() -> None:
    run(nn.Sequential(FaultyLater(), linear()), "test", audit=BitWidthAudit(every_n_batches=4))
    with pytest.raises(MisconfigurationException, match=r"network\.1"):
        run(nn.Sequential(FaultyLater(), linear()), "test", audit=BitWidthAudit(every_n_batches=2))


def test_no_hook_stays_after_a_stop() -> None:
    module = Foreign(nn.Sequential(linear(weight=TernaryWeight)))
    trainer = Trainer(callbacks=[BitWidthAudit()], logger=False, enable_progress_bar=False, accelerator="cpu")
    with pytest.raises(MisconfigurationException):
        trainer.test(module, loader(), verbose=False)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())
    assert module(torch.rand(2, 8)).shape == (2, 3)


def test_every_n_batches_is_positive() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        BitWidthAudit(every_n_batches=0)
