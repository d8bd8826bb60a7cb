"""Runs of the command line on a few batches of digits."""

import sys

import pytest
import yaml

from lossy_lightning.cli import main
from tests.cli.digits import TASK

QUIET = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu", "max_epochs": 1}


@pytest.fixture
def arguments(tmp_path):
    """Arguments for a subcommand on the digits, or on another model and data, in a folder of their own."""

    def make(subcommand, *extra, model=TASK, data=None, **trainer):
        codec = {"class_path": "lossy_lightning.codecs.VQ", "init_args": {"block": [2, 2], "levels": 8}}
        digits = {"class_path": "lossy_lightning.data.Digits"}
        digits["init_args"] = {"codec": codec, "cache_dir": str(tmp_path / "cache")}
        limits = {"limit_train_batches": 3, "limit_val_batches": 2, "limit_test_batches": 2, "limit_predict_batches": 2}
        trainer = QUIET | limits | {"default_root_dir": str(tmp_path)} | trainer
        config = tmp_path / "config.yaml"
        config.write_text(yaml.safe_dump({"model": model, "data": data or digits, "trainer": trainer}))
        return [subcommand, "--config", str(config), *extra]

    return make


@pytest.fixture
def run(arguments):
    """Run `main` in this process."""
    return lambda *args, **changes: main(arguments(*args, **changes))


@pytest.fixture(autouse=True)
def _no_arguments(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["lossy-lightning"])  # Lightning warns of pytest's own
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")
