import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.loggers import CSVLogger

from lossy_lightning.callbacks import Provenance

from .foreign import Foreign, loader


def trainer(folder: Path, **options: Any) -> Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu", "max_epochs": 1}
    settings = {"logger": CSVLogger(folder, name="run", version=0), "enable_checkpointing": False}
    return Trainer(callbacks=[Provenance()], **{**quiet, **settings, **options})


def written(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run" / "0" / "environment.json").read_text())


@pytest.fixture(autouse=True)
def _version_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CSVLogger, "log_dir", property(lambda self: os.path.join(self.root_dir, str(self.version))))


def test_a_run_says_how_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/lossy-lightning", "fit", "--config", "my file.yaml"])
    seed_everything(7, verbose=False)
    seen = {}

    class Watching(Foreign):
        def on_train_start(self) -> None:
            seen.update(written(tmp_path))

    trainer(tmp_path).fit(Watching(), loader(), loader())
    assert (seen["state"], "ended" in seen) == ("running", False)
    content = written(tmp_path)
    assert content["state"] == "finished"
    assert content["command"] == "lossy-lightning fit --config 'my file.yaml'"
    assert content["seed"] == 7
    assert content["versions"]["torch"] == torch.__version__.split("+")[0]
    assert content["hardware"]["threads"] == torch.get_num_threads()
    assert (content["process"], content["devices"]) == (os.getpid(), "1 x CPU")
    assert content["started"] <= content["ended"]


def test_as_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/lossy_lightning/__main__.py", "fit"])
    trainer(tmp_path).fit(Foreign(), loader(), loader())
    assert written(tmp_path)["command"] == "python -m lossy_lightning fit"


@pytest.mark.parametrize(
    ("error", "state"), [(ZeroDivisionError("ouch"), "failed"), (KeyboardInterrupt(), "interrupted")]
)
def test_a_run_that_ends_early_says_so(tmp_path: Path, error: BaseException, state: str) -> None:
    class Failing(Foreign):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            raise error

    with pytest.raises((ZeroDivisionError, SystemExit, KeyboardInterrupt)):
        trainer(tmp_path).fit(Failing(), loader(), loader())
    content = written(tmp_path)
    assert content["state"] == state
    assert content["error"].startswith(type(error).__name__)


@pytest.mark.parametrize("options", [{"logger": False}, {"fast_dev_run": True}])
def test_nothing_is_written_where_nothing_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    trainer(tmp_path, **options).fit(Foreign(), loader(), loader())
    assert not list(tmp_path.rglob("environment.json"))
