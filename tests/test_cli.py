"""The command line: ours and foreign classes, what a run leaves behind, and what a user sees of a mistake."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.demos.boring_classes import BoringModel
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lossy_lightning.cli import main
from lossy_lightning.codecs import VQ
from lossy_lightning.core import CodeSpec, InputError
from lossy_lightning.tasks import ClassificationTask

BORING = "lightning.pytorch.demos.boring_classes"
TASK = {
    "class_path": "lossy_lightning.tasks.ClassificationTask",
    "init_args": {
        "stem": "lossy_lightning.nn.Bits",
        "backbone": {"class_path": "lossy_lightning.nn.MLP", "init_args": {"hidden_features": [8]}},
        "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.01}},
        "lr_scheduler": {"class_path": "torch.optim.lr_scheduler.StepLR", "init_args": {"step_size": 1}},
    },
}
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


def checkpoint(folder):
    (path,) = Path(folder).glob("lightning_logs/version_0/checkpoints/*.ckpt")
    return path


def scalars(folder, version=0):
    events = EventAccumulator(str(Path(folder, "lightning_logs", f"version_{version}")))
    events.Reload()
    return {name: events.Scalars(name)[-1].value for name in events.Tags()["scalars"]}


def test_fit_tests_into_the_same_run(run, tmp_path):
    run("fit", log_every_n_steps=1)
    logged = scalars(tmp_path)
    names = {f"{split}_{value}" for split in ("train", "val", "test") for value in ("loss", "acc")}
    assert names <= logged.keys()
    assert all(0 <= logged[name] <= 1 for name in names if name.endswith("acc"))
    assert [path.name for path in (tmp_path / "lightning_logs").iterdir()] == ["version_0"]


def test_the_test_can_be_turned_off(run, tmp_path):
    run("fit", "--test_after_fit", "false")
    assert "val_acc" in scalars(tmp_path)
    assert "test_acc" not in scalars(tmp_path)


def test_other_subcommands_take_a_checkpoint(run, tmp_path, monkeypatch):
    run("fit", limit_test_batches=1.0)
    path, expected = checkpoint(tmp_path), scalars(tmp_path)
    monkeypatch.setattr(VQ, "fit", lambda self, signals: pytest.fail("the codec is fitted again"))
    elsewhere = ["--data.cache_dir", str(tmp_path / "elsewhere"), "--ckpt_path", str(path)]
    run("test", *elsewhere, limit_test_batches=1.0)
    run("validate", *elsewhere)
    run("predict", *elsewhere)
    assert scalars(tmp_path, version=1)["test_acc"] == expected["test_acc"]
    assert scalars(tmp_path, version=1)["test_loss"] == pytest.approx(expected["test_loss"])
    assert "val_acc" in scalars(tmp_path, version=2)


def test_a_fit_goes_on(run, tmp_path):
    run("fit")
    run("fit", "--ckpt_path", str(checkpoint(tmp_path)), max_epochs=2)
    (path,) = (tmp_path / "lightning_logs" / "version_1" / "checkpoints").iterdir()
    assert path.name.startswith("epoch=1")


def test_checkpoints_are_reloaded_weights_only(run, tmp_path):
    run("fit")
    path = checkpoint(tmp_path)
    content = torch.load(path, weights_only=True)
    task = ClassificationTask.load_from_checkpoint(path)
    assert isinstance(task.optimizer(task.parameters()), torch.optim.SGD)
    assert task.spec == CodeSpec.uniform((1, 4, 4), 0, 7, ordinal=False)
    for name, value in task.state_dict().items():
        assert torch.equal(value, content["state_dict"][name]), name
    assert content["Digits"]["codecs"]["codec"]["state"]["codebook"].shape == (8, 4)


def test_spec_and_classes_come_from_the_data(run, tmp_path):
    run("fit", "--data.codec.levels", "5")
    task = ClassificationTask.load_from_checkpoint(checkpoint(tmp_path))
    assert task.spec == CodeSpec.uniform((1, 4, 4), 0, 4, ordinal=False)
    assert task(torch.zeros(2, 1, 4, 4, dtype=torch.uint8)).shape == (2, 10)


def test_stems_side_by_side_are_a_list(run, tmp_path):
    embed = {"class_path": "lossy_lightning.nn.Embed", "init_args": {"dim": 3, "fields": ["code"]}}
    stem = {"class_path": "lossy_lightning.nn.Concat", "init_args": {"stems": ["lossy_lightning.nn.Bits", embed]}}
    run("fit", model=TASK | {"init_args": TASK["init_args"] | {"stem": stem}})
    task = ClassificationTask.load_from_checkpoint(checkpoint(tmp_path), weights_only=True)
    assert task.stem.shape == (6, 4, 4)
    assert task.stem.stems[1].fields == ("code",)


# Foreign classes.


@pytest.mark.parametrize("subcommand", ["fit", "validate", "test", "predict"])
def test_a_foreign_model_and_foreign_data(run, subcommand):
    run(subcommand, model={"class_path": f"{BORING}.BoringModel"}, data={"class_path": f"{BORING}.BoringDataModule"})


class Flat(BoringModel):
    """A foreign model on our data, whose arguments have names of their own."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(width, 2)

    def step(self, batch):
        code, _ = batch
        return self.layer(code.flatten(1).float()).sum()

    def training_step(self, batch, batch_idx):
        return {"loss": self.step(batch)}

    def validation_step(self, batch, batch_idx):
        self.log("seen", self.step(batch))

    test_step = validation_step


def test_a_foreign_model_on_our_data(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "foreign", sys.modules[__name__])
    monkeypatch.setattr(Flat, "__module__", "foreign")
    run("fit", model={"class_path": "foreign.Flat", "init_args": {"width": 16}})
    assert "seen" in scalars(tmp_path)


@pytest.mark.parametrize("missing", ["model", "data"])
def test_where_there_is_no_test_fit_alone_runs(run, monkeypatch, missing):
    import lightning.pytorch.demos.boring_classes as boring
    from lightning.pytorch import LightningDataModule, LightningModule

    owner, name, base = {
        "model": (boring.BoringModel, "test_step", LightningModule),
        "data": (boring.BoringDataModule, "test_dataloader", LightningDataModule),
    }[missing]
    monkeypatch.setattr(owner, name, getattr(base, name))
    run("fit", model={"class_path": f"{BORING}.BoringModel"}, data={"class_path": f"{BORING}.BoringDataModule"})


# Mistakes.


def init_args(class_path, **arguments):
    return {"class_path": class_path, "init_args": arguments}


PIXELS = init_args("lossy_lightning.codecs.PCM")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ["--data.codec.levels", "0"],
            "VQ needs a block of at least one sample, such as (4, 4), and 2 to 65536 levels; got block=(2, 2)",
        ),
        (
            ["--data.codec", "lossy_lightning.codecs.JPEG", "--data.codec.quality", "0"],
            "a JPEG quality is a whole number from 1 to 100; got 0",
        ),
        (["--data.batch_size", "0"], "val_fraction is in [0, 1) and batch_size at least 1; got val_fraction=0.1"),
        (
            ["--data.codec.levels", "65536", "--model.stem", "lossy_lightning.nn.OneHot"],
            "OneHot of this code would have 65536 one-hot channels, more than 65535; use Scale or Bits instead",
        ),
        (
            ["--data", f"{BORING}.BoringDataModule"],
            "a task needs the CodeSpec of its codes and the number of classes; got spec=None, num_classes=None: take",
        ),
    ],
)
def test_a_mistake_is_one_sentence(run, changes, message):
    with pytest.raises(SystemExit) as caught:
        run("fit", *changes)
    assert caught.value.code.startswith(f"lossy-lightning: {message}")
    assert "\n" not in caught.value.code


def test_missing_data_are_one_sentence(run, tmp_path, monkeypatch):
    from torchvision.datasets import MNIST

    def download(self):
        raise RuntimeError("Error downloading train-images.gz:\nTried here\nTried there")

    monkeypatch.setattr(MNIST, "download", download)
    data = init_args("lossy_lightning.data.MNIST", root=str(tmp_path / "none"), codec=PIXELS)
    with pytest.raises(SystemExit, match=rf": the MNIST/raw files are not in {tmp_path}/none, and cannot be .*[^\n]$"):
        run("fit", data=data)


def test_a_mistake_told_has_its_traceback_where_it_is_asked_for(run, monkeypatch):
    monkeypatch.setenv("JSONARGPARSE_DEBUG", "true")
    with pytest.raises(ValueError, match=r"^VQ needs a block") as caught:
        run("fit", "--data.codec.levels", "0")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None  # not the parser's page


class Broken(Flat):
    """A foreign model with a bug."""

    def forward(self, code):
        raise ValueError("a bug of the user's")

    def step(self, batch):
        return self(batch[0])


@pytest.mark.parametrize("callbacks", [[], [init_args("lossy_lightning.callbacks.ComplexityMonitor")]])
def test_bugs_keep_their_traceback(run, monkeypatch, callbacks):
    monkeypatch.setitem(sys.modules, "foreign", sys.modules[__name__])
    monkeypatch.setattr(Broken, "__module__", "foreign")
    with pytest.raises((ValueError, MisconfigurationException), match="a bug of the user's"):
        run("fit", model={"class_path": "foreign.Broken"}, num_sanity_val_steps=0, callbacks=callbacks)


class Picky(VQ):
    """A user's codec, which refuses its arguments as it likes."""

    def __init__(self, own: bool = False) -> None:
        super().__init__((2, 2), 8)
        raise InputError("own is True; got False") if own else ValueError("a bug of the user's")


@pytest.mark.parametrize("own", [False, True])
def test_a_codec_of_a_user_is_one_sentence_if_it_says_so(run, monkeypatch, own):
    monkeypatch.setitem(sys.modules, "foreign", sys.modules[__name__])
    monkeypatch.setattr(Picky, "__module__", "foreign")
    expected = (SystemExit, "^lossy-lightning: own is True; got False$") if own else (ValueError, "a bug of the user's")
    with pytest.raises(expected[0], match=expected[1]):
        run("fit", data=init_args("lossy_lightning.data.Digits", codec=init_args("foreign.Picky", own=own)))


def test_wrong_wiring_of_lightning_is_one_sentence(run):
    with pytest.raises(SystemExit, match=r"^lossy-lightning: .*CUDA.*[^\n]$"):
        run("fit", accelerator="cuda")


# Processes.


@pytest.mark.parametrize("command", ["module", pytest.param("script", marks=pytest.mark.slow)])
def test_commands_run(arguments, tmp_path, command):
    script = Path(sys.executable).parent / "lossy-lightning"
    if command == "script" and not script.exists():
        pytest.skip("the package is not installed, so there is no console script")
    program = [str(script)] if command == "script" else [sys.executable, "-m", "lossy_lightning"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*program, *arguments("fit")], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "test_acc" in scalars(tmp_path)
    assert "does not have many workers" not in done.stderr
