"""The attack monitor on modules, outputs and targets of all kinds: it measures, or says what it leaves out and why."""

from functools import partial

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

from lossy_lightning.callbacks import GradientAttackMonitor


class Net(LightningModule):
    def __init__(self, outputs=3):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(36, outputs))
        self.table = None

    def forward(self, code):
        return self.net(self.prepare(code.float() / 255))

    def prepare(self, x):
        return x

    def training_step(self, batch, batch_idx):
        return self(batch[0]).float().square().mean()

    def validation_step(self, batch, batch_idx):
        self(batch[0])

    test_step = validation_step

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Contrast(Net):
    def prepare(self, x):
        return ((x - 0.5) * 4).clamp(-1, 1)


class Cached(Net):
    """A table made at first use, in inference mode during a test, as rotary embeddings do."""

    def prepare(self, x):
        if self.table is None:
            self.table = {"of": [torch.linspace(0.5, 1, 6).exp()]}
        return x * self.table["of"][0]


class Scaled(Net):
    """A tensor of weights kept from the first forward: differentiated twice, its graph would be gone."""

    def prepare(self, x):
        if self.table is None:
            self.table = self.net[1].weight.abs().mean() * 2
        return x * self.table


class Saturated(Net):
    def forward(self, code):
        return (1e6 * super().forward(code)).softmax(1)


class Checkpointed(Net):
    def forward(self, code):
        return checkpoint(self.net, code.float().requires_grad_() / 255, use_reentrant=True)


class Dict(Net):
    def forward(self, code):
        return {"logits": super().forward(code), "features": code}


class Pair(Net):
    def forward(self, code):
        return code, super().forward(code)


class Broken(Net):
    """No gradient: the code leaves torch."""

    def prepare(self, x):
        return x.detach()


CODE = torch.randint(0, 256, (16, 1, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def blank():
    code = CODE.clone()
    code[0] = 0
    return code


def attacked(model, code=CODE, target=None, **arguments):
    if target is None:
        with torch.no_grad():
            output = model(code)
            target = (
                output["logits"] if isinstance(output, dict) else output[-1] if isinstance(output, tuple) else output
            ).argmax(1)
        model.table = None
    monitor = GradientAttackMonitor(
        **{"steps": (60,), "low": 0, "high": 255, "queries": 0, "student_queries": 0} | arguments
    )
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    trainer = Trainer(logger=False, accelerator="cpu", callbacks=[monitor], **quiet)
    trainer.test(model, DataLoader(TensorDataset(code, target), len(code)), verbose=False)
    return {name.removeprefix("attack/"): value.item() for name, value in trainer.callback_metrics.items()}


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")  # torch, of checkpoints without gradient
@pytest.mark.parametrize("kind", [Net, Contrast, Cached, Scaled, Checkpointed, Dict])
def test_odd_modules_are_attacked(kind, blank):
    model = kind()
    got = attacked(model, blank)
    assert got["acc_clean"] == 1
    assert got["acc_step60"] == got["acc_naive_step60"] < 0.5
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_table_of_inference_mode_is_left_as_it_was():
    model = Cached()
    attacked(model)
    assert model.table["of"][0].is_inference()


def test_a_vanished_gradient_is_measured_and_not_refused():
    got = attacked(Saturated())
    assert got["acc_step60"] == got["acc_naive_step60"] == 1


def test_a_tuple_takes_an_output_fn():
    assert attacked(Pair(), output_fn=lambda output: output[1])["acc_step60"] < 0.5
    with pytest.warns(
        UserWarning, match=r"leaves the attack out: the model gives tuple and no tensor; pass an output_fn"
    ):
        assert attacked(Pair()) == {}


def test_soft_labels_and_columns_are_classes():
    hard = Net()(CODE).argmax(1)
    expected = attacked(Net())
    soft = 0.7 * F.one_hot(hard, 3) + 0.1
    for target in (soft, F.one_hot(hard, 3), hard.view(-1, 1), hard.float(), hard.to(torch.int32)):
        assert attacked(Net(), target=target.detach()) == expected


def _square(output, target):
    return (output - target).square().flatten(1).mean(1)


def _several(output, target):
    return F.binary_cross_entropy_with_logits(output, target.float(), reduction="none").mean(1)


@pytest.mark.parametrize(
    ("model", "target", "loss"),
    [
        (partial(Net, 1), torch.linspace(0, 1, 16).view(-1, 1), _square),
        (Net, torch.ones(16, 3), _square),
        (Net, torch.tensor([[1, 1, 0]] * 16), _several),
    ],
)
def test_what_is_no_classifier_needs_a_loss(model, target, loss):
    with pytest.warns(UserWarning, match="attacks classifiers, with .* for a regression or several labels, a loss_fn"):
        assert attacked(model(), target=target) == {}
    got = attacked(model(), target=target, loss_fn=loss)
    assert sorted(got) == ["loss_clean", "loss_step60"]
    assert got["loss_step60"] > 1.05 * got["loss_clean"]


def test_a_training_goes_on_without_an_attack_that_cannot_be():
    def fit(*callbacks):
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
        trainer = Trainer(max_epochs=2, logger=False, accelerator="cpu", callbacks=list(callbacks), **quiet)
        model = Broken()
        loader = DataLoader(TensorDataset(CODE, torch.arange(16) % 3), 16)
        trainer.fit(model, loader, loader)
        return model.net[1].weight, trainer.callback_metrics

    def unready(batch):
        raise KeyError("image")

    expected, _ = fit()
    with pytest.warns(UserWarning, match="leaves the attack out: 'image'") as said:
        weight, metrics = fit(GradientAttackMonitor(low=0, high=255, input_fn=unready))
    assert torch.equal(weight, expected)
    assert not metrics
    assert sum("leaves the attack out" in str(warning.message) for warning in said) == 1


def test_without_a_gradient_answers_are_asked_for(caplog):
    with caplog.at_level("INFO"):
        got = attacked(Broken(), queries=20, student_queries=400)
    assert sum("no gradient reaches the input" in record.getMessage() for record in caplog.records) == 1
    assert sum("a masking index is above 0.1" in record.getMessage() for record in caplog.records) == 1
    assert got["acc_step60"] == got["acc_naive_step60"] == 1
    assert got["acc_strongest_step60"] < 0.5
    assert got["masking_index_step60"] == pytest.approx(1 - got["acc_strongest_step60"])
    assert got["uphill_step60"] == 0


def test_the_loss_of_an_honest_network_rises_along_its_gradient():
    assert attacked(Net())["uphill_step60"] > 0.9
