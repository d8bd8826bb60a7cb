import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

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


def test_module_without_forward_gets_advice() -> None:
    class NoForward(LightningModule):
        def test_step(self, batch: Any, batch_idx: int) -> None: ...

    with pytest.raises(MisconfigurationException, match="input_fn"):
        trainer(ComplexityMonitor()).test(NoForward(), loader(), verbose=False)
    with pytest.raises(MisconfigurationException, match="input_fn"):
        trainer(ComplexityMonitor(input_fn=tuple)).test(Foreign(), loader(), verbose=False)


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
