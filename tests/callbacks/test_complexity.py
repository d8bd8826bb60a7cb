import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchmetrics
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lossy_lightning.callbacks import BitWidthAudit, ComplexityMonitor

from .foreign import Foreign, ForeignDict, loader

EXPECTED = {
    "macs/1bit": 48,
    "macs/32bit": 128,
    "lookups/rows": 0,
    "lookups/additions": 0,
    "parameters/1bit": 176,
    "parameters/32bit": 32,
    "memory/weights_bytes": 22 + 128,
    "memory/weights_float32_bytes": 4 * 208,
    "memory/features_bytes": -(-(16 * 32 + 16 * 32 + 3) // 8),
}


def trainer(*callbacks: Any, **options: Any) -> Trainer:
    settings = {"logger": False, "max_epochs": 2, "enable_checkpointing": False, "accelerator": "cpu"}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    return Trainer(callbacks=list(callbacks), **{**settings, **quiet, **options})


def measured(run: Trainer) -> dict[str, float]:
    return {name: value.item() for name, value in run.callback_metrics.items()}


def test_fit_validate_and_test_log_the_same_per_example(capsys: pytest.CaptureFixture[str]) -> None:
    run, module = trainer(ComplexityMonitor()), Foreign()
    run.fit(module, loader(), loader())
    assert measured(run) == EXPECTED
    printed = capsys.readouterr().out
    assert printed.count("Complexity of one example") == 1
    assert "network.3" in printed
    run.validate(module, loader(), verbose=False)
    assert measured(run) == EXPECTED
    run.test(module, [loader(), loader()], verbose=False)
    assert measured(run) == EXPECTED
    assert "Complexity" not in capsys.readouterr().out


def test_a_table_of_many_layers_is_folded_and_written_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deep = nn.Sequential(*(nn.Sequential(*(nn.Linear(8, 8) for _ in range(10))) for _ in range(3)))
    logger = TensorBoardLogger(tmp_path)
    run = trainer(ComplexityMonitor(), logger=logger)
    run.fit(Foreign(deep), loader(), loader())
    printed = capsys.readouterr().out
    assert "Complexity of one example, 30 layers by the modules that hold them" in printed
    rows = [line for line in printed.splitlines() if line.startswith("| network.")]
    assert [[cell.strip() for cell in row.split("|")[1:6]] for row in rows] == [
        [f"network.{i}", "10 layers", "1x8", "0", "640"] for i in range(3)
    ]
    events = EventAccumulator(logger.log_dir, {"tensors": 0}).Reload()
    (text,) = events.Tensors("complexity/text_summary")
    assert text.tensor_proto.string_val[0].decode().count("    | network.") == 30


def test_parts_are_logged_beside_the_whole() -> None:
    run = trainer(ComplexityMonitor(parts=("network.0", "network.3")))
    run.fit(Foreign(), loader(), loader())
    figures = measured(run)
    assert EXPECTED.items() <= figures.items()
    for figure in ("macs/1bit", "macs/32bit", "parameters/1bit", "parameters/32bit"):
        parts = [figures[figure.replace("/", f"/{part}/")] for part in ("0", "3")]
        assert sum(parts) <= EXPECTED[figure]
        assert max(parts) > 0 or "32bit" in figure or EXPECTED[figure] == 0
    assert len(figures) == 3 * len(EXPECTED)


def test_parts_that_are_not_there_are_told() -> None:
    with pytest.raises(MisconfigurationException, match=r"has no part 'networ' to count; the layers are .*network"):
        trainer(ComplexityMonitor(parts=("networ",))).fit(Foreign(), loader(), loader())
    with pytest.raises(ValueError, match=r"by the last word of its name, each once"):
        ComplexityMonitor(parts=("a.encoder", "b.encoder"))


def test_dict_batches() -> None:
    run = trainer(ComplexityMonitor(input_fn=lambda batch: batch))
    run.fit(ForeignDict(), loader(as_dict=True), loader(as_dict=True))
    assert measured(run) == EXPECTED


def test_several_arguments() -> None:
    class Two(Foreign):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.network(x) + y[:, None]

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return self(*batch).mean()

        def validation_step(self, batch: Any, batch_idx: int) -> None: ...

    run = trainer(ComplexityMonitor(input_fn=tuple))
    run.fit(Two(), loader(), loader())
    assert measured(run)["macs/1bit"] == 48


def test_large_counts_are_exact() -> None:
    class Wide(Foreign):
        def __init__(self) -> None:
            super().__init__(nn.Sequential(nn.Linear(8, 2_100_001), nn.AdaptiveAvgPool1d(3)))

    run = trainer(ComplexityMonitor(), limit_test_batches=1)
    run.test(Wide(), loader(), verbose=False)
    assert measured(run)["macs/32bit"] == 8 * 2_100_001  # odd part above 2**24
    assert measured(run)["memory/weights_bytes"] == 4 * 9 * 2_100_001


def test_tensorboard_has_scalars_and_the_table(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path)
    trainer(ComplexityMonitor(), logger=logger, log_every_n_steps=1).fit(Foreign(), loader(), loader())
    events = EventAccumulator(logger.log_dir)
    events.Reload()
    tags = events.Tags()
    assert set(EXPECTED) <= set(tags["scalars"])
    assert events.Scalars("macs/1bit")[0].value == 48
    (text,) = events.Tensors("complexity/text_summary")
    assert b"| network.0 | QuantLinear" in text.tensor_proto.string_val[0]


def weights_after_training(*callbacks: Any, precision: str = "32-true") -> dict[str, Tensor]:
    seed_everything(5, verbose=False)
    module = Foreign()
    run = trainer(*callbacks, precision=precision)
    run.fit(module, loader(shuffle=True), loader())
    return module.state_dict()


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_training_is_the_same_with_and_without(precision: Any) -> None:
    plain = weights_after_training(precision=precision)
    watched = weights_after_training(ComplexityMonitor(), BitWidthAudit(every_n_batches=1), precision=precision)
    assert plain.keys() == watched.keys()
    assert all(torch.equal(plain[name], watched[name]) for name in plain)


def test_mixed_precision_is_as_wide_as_it_computes() -> None:
    run = trainer(ComplexityMonitor(), precision="bf16-mixed")
    run.fit(Foreign(), loader(), loader())
    assert {name: n for name, n in measured(run).items() if name.startswith("macs")} == {
        "macs/1bit": 48,
        "macs/16bit": 128,
        "macs/32bit": 0,
    }


class NoForward(Foreign):
    forward = LightningModule.forward

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.network(batch[0]).mean()

    def validation_step(self, batch: Any, batch_idx: int) -> None: ...


class Stubborn(Foreign):
    """Holds an iterator that nothing can put back."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(8, 3))
        self.draws = [iter(range(100))]


@pytest.mark.parametrize(
    ("module", "options", "message"),
    [
        (NoForward, {}, "NoForward.forward on what its input_fn made of a batch of type list"),
        (Foreign, {"input_fn": tuple}, "takes 2 positional arguments but 3 were given"),
        (Foreign, {"input_fn": lambda batch: batch["x"]}, "list indices must be integers"),
        (Stubborn, {}, r"Stubborn\.draws\.0 is an iterator"),
    ],
)
def test_what_cannot_be_measured_is_said_once_and_the_run_goes_on(module: Any, options: Any, message: str) -> None:
    run = trainer(ComplexityMonitor(**options), max_epochs=3)
    with pytest.warns(UserWarning, match=f"measures nothing: .*{message}") as said:
        run.fit(module(), loader(), loader())
    assert sum("measures nothing" in str(one.message) for one in said) == 1
    assert run.state.finished
    assert not any(name.startswith("macs") for name in run.callback_metrics)


@dataclass
class Batch:
    x: Tensor
    names: tuple[str, ...] = ()


class AnyInput(Foreign):
    """Takes whatever a batch is."""

    def __init__(self, network: nn.Module | None = None) -> None:
        super().__init__(nn.Linear(8, 3) if network is None else network)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self(batch).square().mean()

    def validation_step(self, batch: Any, batch_idx: int) -> None: ...


class Keywords(AnyInput):
    def forward(self, **inputs: Tensor) -> Tensor:  # type: ignore[override]
        return self.network(inputs["x"])

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self(**batch).mean()


class Named(Keywords):
    def forward(self, x: Tensor | None = None, mask: Tensor | None = None) -> Tensor:  # type: ignore[override]
        assert isinstance(x, Tensor)
        return self.network(x)


class Fields(AnyInput):
    def forward(self, batch: Batch) -> Tensor:  # type: ignore[override]
        return self.network(batch.x)


class Images(AnyInput):
    """A detector: a list of images, each of its own size."""

    def forward(self, images: list[Tensor]) -> Tensor:  # type: ignore[override]
        return torch.stack([self.network(image).mean() for image in images])


class Recurrent(AnyInput):
    def forward(self, x: Any) -> Tensor:
        return self.network(x)[0][0]


def images(channels: int, *sizes: int) -> list[Tensor]:
    return [torch.rand(channels, size, size) for size in sizes]


def by_rows(items: list[Tensor]) -> Any:
    return nn.utils.rnn.pack_sequence(items, enforce_sorted=False)


# module, its data set, how a batch is made of it, MACs of an example in batches of 2 and of 6
INPUTS: dict[str, tuple[Any, Any, Any, tuple[float, float]]] = {
    "keywords": (Keywords, [{"x": x} for x in torch.rand(12, 8)], None, (24, 24)),
    "names": (Named, [{"x": x} for x in torch.rand(12, 8)], None, (24, 24)),
    "dataclass": (Fields, torch.rand(12, 8), lambda items: Batch(torch.stack(items)), (24, 24)),
    "grey images": (lambda: Images(nn.Conv2d(1, 2, 3)), images(1, *[8] * 12), list, (648, 648)),
    "images": (lambda: Images(nn.Conv2d(3, 2, 3)), images(3, *[8] * 12), list, (1944, 1944)),
    "images of different size": (
        lambda: Images(nn.Conv2d(1, 2, 3)),
        images(1, *[3, 4, 5, 6, 7, 8] * 2),
        list,
        ((18 + 72) / 2, 18 * (1 + 4 + 9 + 16 + 25 + 36) / 6),
    ),
    "packed sequences": (
        lambda: Recurrent(nn.RNN(8, 3)),
        [torch.rand(1 + n % 3, 8) for n in range(12)],
        by_rows,
        (33 * 1.5, 33 * 2),
    ),
    "time first": (
        lambda: Recurrent(nn.RNN(8, 3)),
        torch.rand(12, 5, 8),
        lambda items: torch.stack(items, 1),
        (33 * 5, 33 * 5),
    ),
}


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("batch_size", [2, 6])
def test_batches_of_any_kind_are_measured_per_example(kind: str, batch_size: int) -> None:
    module, data, collate, macs = INPUTS[kind]
    run = trainer(ComplexityMonitor(input_fn=lambda batch: batch), max_epochs=1)
    run.fit(module(), *[DataLoader(data, batch_size, collate_fn=collate) for _ in range(2)])
    assert measured(run)["macs/32bit"] == macs[batch_size == 6]


class Stateful(Foreign):
    """Holds what forward changes, draws and logs: of all kinds that a training depends on."""

    def __init__(self) -> None:
        super().__init__(nn.Sequential(nn.Linear(8, 3), nn.BatchNorm1d(3), nn.Dropout()))
        self.table = nn.Embedding(4, 8, max_norm=0.5)
        self.accuracy = torchmetrics.MeanMetric()
        self.calls = 0
        self.hidden: list[Tensor] = [torch.zeros(3)]
        self.noise = torch.Generator().manual_seed(1)
        self.order = iter(range(100))
        self.register_buffer("adjacency", torch.eye(8).to_sparse())
        self.features = features = []
        self.network.register_forward_hook(lambda module, inputs, output: features.append(len(features)))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1 + next(self.order)
        self.accuracy.update(x.mean())
        x = (self.adjacency @ x.T).T + torch.randn(8, generator=self.noise) + self.table(torch.tensor([self.calls % 4]))
        self.adjacency.mul_(1.01)
        y = self.network(x) + 0.1 * self.hidden[-1] + np.random.rand() + random.random()
        self.hidden.append(y.mean(0).detach())
        self.log("seen", float(self.calls))
        return y


def trained(*callbacks: Any) -> tuple[Any, ...]:
    seed_everything(5, verbose=False)
    module, run = Stateful(), trainer(*callbacks)
    run.fit(module, loader(shuffle=True), loader())
    state = {name: value.to_dense().tolist() for name, value in module.state_dict().items()}
    hidden = [one.tolist() for one in module.hidden]
    seen = float(run.callback_metrics["seen"])
    return state, hidden, module.features, module.calls, float(module.accuracy.compute()), seen, next(module.order)


def test_state_of_every_kind_is_the_same_with_and_without() -> None:
    draws = ComplexityMonitor(input_fn=lambda batch: torch.randn(2, 8) + np.random.rand() + batch[0].mul_(2)[:2])
    assert trained() == trained(draws)


TWO_PROCESSES = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
from foreign import Foreign, loader
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger
from lossy_lightning.callbacks import BitWidthAudit, ComplexityMonitor
if __name__ == "__main__":
    run = Trainer(
        callbacks=[ComplexityMonitor(), BitWidthAudit()],
        logger=CSVLogger(sys.argv[2], version=0),
        accelerator="cpu",
        devices=2,
        strategy="ddp_fork",
        max_epochs=1,
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    run.fit(Foreign(), loader(), loader())
    print("MACS", run.callback_metrics["macs/1bit"].item())
"""


def test_two_processes_log_once(tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(TWO_PROCESSES)
    folder = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), str(folder), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=180,
        cwd=folder.parent.parent,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Complexity of one example") == 1
    assert "MACS 48.0" in done.stdout
    header, *lines = (tmp_path / "lightning_logs/version_0/metrics.csv").read_text().splitlines()
    assert [line.split(",")[header.split(",").index("macs/32bit")] for line in lines] == ["128.0"]
