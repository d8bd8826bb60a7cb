"""The command line: ours and foreign classes, what a run leaves behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from lightning.pytorch import LightningModule
from lightning.pytorch.demos.boring_classes import BoringModel
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lossy_lightning.codecs import VQ
from lossy_lightning.core import CodeSpec
from lossy_lightning.report import read_runs
from lossy_lightning.tasks import ClassificationTask
from tests.cli.digits import BORING, TASK


def checkpoint(folder):
    (path,) = Path(folder).glob("lightning_logs/version_0/checkpoints/epoch=*.ckpt")
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


def test_hyperparameters_are_few_and_have_figures(run, tmp_path):
    run("fit", "--model.label_smoothing", "0.1")
    folder = tmp_path / "lightning_logs" / "version_0"
    told = yaml.safe_load((folder / "hparams.yaml").read_text())
    assert told.pop("training").startswith("SGD(lr=0.01), StepLR(step_size=1), 1 epochs, batches of 64")
    assert told == {
        "backbone": "MLP(hidden_features=[8])",
        "codec": "VQ(block=[2, 2], levels=8)",
        "data": "Digits",
        "seed": 0,
        "stem": "Bits",
        "task": "ClassificationTask(num_classes=10, label_smoothing=0.1)",
    }
    assert "hp_metric" not in scalars(tmp_path)


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
    table = (tmp_path / "lightning_logs" / "version_3" / "predictions.csv").read_text().splitlines()
    assert len(table) == 1 + 2 * 64
    assert table[0] == "example,class,0,1,2,3,4,5,6,7,8,9"
    assert [run.empty for run in read_runs([tmp_path / "lightning_logs" / "version_3"])] == [True]


def test_a_fit_goes_on(run, tmp_path):
    run("fit")
    run("fit", "--ckpt_path", str(checkpoint(tmp_path)), max_epochs=2)
    run("fit", max_epochs=2)
    lasts = [tmp_path / "lightning_logs" / f"version_{version}" / "checkpoints" / "last.ckpt" for version in (1, 2)]
    resumed, whole = (torch.load(last, weights_only=True) for last in lasts)
    assert resumed["epoch"] == 1
    assert "RandomStates" in resumed["callbacks"]
    for name, value in whole["state_dict"].items():
        assert torch.equal(value, resumed["state_dict"][name]), name


def part(name, **arguments):
    return {"class_path": f"lossy_lightning.{name}", "init_args": arguments}


HIDDEN = {"dim": 4, "hidden": [8], "channels": 1}
CODER = {
    "encoder": part("nn.GDNEncoder", **HIDDEN),
    "decoder": part("nn.GDNDecoder", **HIDDEN),
    "dim": 4,
    "channels": 1,
}
WITHOUT_CLASSES = {
    "rate-distortion": part(
        "tasks.RateDistortionTask",
        codec=part("codecs.Hyperprior", hyper_dim=4, **CODER),
    ),
    "vqvae": part(
        "tasks.VQVAETask",
        codec=part(
            "codecs.VQVAE",
            encoder=part("nn.ConvEncoder", **HIDDEN),
            quantizer={
                "class_path": "vector_quantize_pytorch.VectorQuantize",
                "init_args": {"dim": 4, "codebook_size": 16},
            },
            decoder=part("nn.ConvDecoder", **HIDDEN),
        ),
    ),
    "foreign": {"class_path": "foreign.Mean", "init_args": {"weight": 0.5}},
}
PCM = part("data.Digits", codec=part("codecs.PCM"))


class Mean(BoringModel):
    """A foreign model that keeps its hyperparameters."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.save_hyperparameters()

    def forward(self, batch):
        signal = batch[0] if isinstance(batch, (list, tuple)) else batch
        return super().forward(signal.flatten(1)[:, :32].float() / 255)


@pytest.mark.parametrize("model", WITHOUT_CLASSES.values(), ids=WITHOUT_CLASSES)
def test_a_checkpoint_of_a_model_without_classes_is_taken(run, tmp_path, monkeypatch, model):
    monkeypatch.setitem(sys.modules, "foreign", sys.modules[__name__])
    monkeypatch.setattr(Mean, "__module__", "foreign")
    run("fit", model=model, data=PCM)
    given = ["--ckpt_path", str(checkpoint(tmp_path))]
    for subcommand in ("test", "validate", "predict"):
        run(subcommand, *given, model=model, data=PCM)
    run("fit", *given, model=model, data=PCM, max_epochs=2)
    assert list((tmp_path / "lightning_logs" / "version_4" / "checkpoints").glob("epoch=1-step=6.ckpt"))


def test_a_checkpoint_of_other_networks_is_refused(run, tmp_path):
    run("fit", model=WITHOUT_CLASSES["rate-distortion"], data=PCM, limit_train_batches=1)
    given = ["--ckpt_path", str(checkpoint(tmp_path))]
    factorized = part("tasks.RateDistortionTask", codec=part("codecs.Factorized", **CODER))
    for model, told in (
        (factorized, "whose model.codec is Hyperprior, but the configuration's is Factorized; give the configuration"),
        (TASK, "whose model is RateDistortionTask, but the configuration's is ClassificationTask; give"),
    ):
        with pytest.raises(SystemExit, match=rf"^lossy-lightning: ckpt_path is .*, {told}.*[^\n]$"):
            run("fit", *given, model=model, data=PCM)


def steadily(figures):
    """A validation accuracy that takes given values, one an epoch."""

    def log(self, name, value, **arguments):
        value = torch.tensor(figures[self.current_epoch]) if name == "val_acc" else value
        LightningModule.log(self, name, value, **{"on_epoch": True} | arguments)

    return log


@pytest.mark.parametrize(("tested", "epoch"), [((), 1), (("best",), 1), (("true",), 1), (("last",), 3)])
def test_the_best_epoch_by_validation_is_tested_and_named(run, tmp_path, monkeypatch, capsys, tested, epoch):
    monkeypatch.setattr(ClassificationTask, "log", steadily([0.1, 0.7, 0.3, 0.7]))
    said = [f"--test_after_fit={one}" for one in tested]
    run("fit", *said, max_epochs=4, log_every_n_steps=1)
    logged = scalars(tmp_path)
    assert logged["tested_epoch"] == epoch
    folder = tmp_path / "lightning_logs" / "version_0" / "checkpoints"
    names = sorted(path.name for path in folder.iterdir())
    assert names == (["epoch=3-step=12.ckpt"] if "last" in tested else ["epoch=1-step=6.ckpt", "last.ckpt"])
    run("test", "--ckpt_path", str(folder / names[0]), *said)
    again = scalars(tmp_path, version=1)
    assert again["tested_epoch"] == epoch
    assert again["test_loss"] == pytest.approx(logged["test_loss"])
    if "last" not in tested:
        assert torch.load(folder / "last.ckpt", weights_only=True)["epoch"] == 3


def test_a_checkpoint_callback_of_the_configuration_is_the_only_one(run, tmp_path):
    keeper = "lightning.pytorch.callbacks.ModelCheckpoint"
    run("fit", callbacks=[{"class_path": keeper, "init_args": {"dirpath": str(tmp_path / "own"), "filename": "mine"}}])
    assert [path.name for path in tmp_path.rglob("*.ckpt")] == ["mine.ckpt"]


def test_without_a_validation_split_the_last_epoch_is_tested(run, tmp_path):
    run("fit", "--data.val_fraction", "0", max_epochs=2, log_every_n_steps=1)
    assert scalars(tmp_path)["tested_epoch"] == 1
    assert [path.name for path in tmp_path.rglob("*.ckpt")] == ["epoch=1-step=6.ckpt"]


def test_checkpoints_can_be_turned_off(run, tmp_path):
    run("fit", enable_checkpointing=False)
    assert not list(tmp_path.rglob("*.ckpt"))
    assert scalars(tmp_path)["tested_epoch"] == 0


@pytest.mark.parametrize("stage", ["test", "validate", "predict"])
def test_a_network_that_nobody_trained_is_told(run, tmp_path, stage):
    with pytest.warns(UserWarning, match="no checkpoint was given, and nothing trained ClassificationTask: it is "):
        run(stage)
    if stage == "test":
        assert scalars(tmp_path)["tested_epoch"] == -1


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


def test_classes_of_the_package_need_no_path(run, tmp_path):
    backbone = {"class_path": "MLP", "init_args": {"hidden_features": [8]}}
    augmentation = {"class_path": "BitFlip", "init_args": {"probability": 0.1, "bit_width": 8}}
    digits = {"codec": "PCM", "augmentation": augmentation, "cache_dir": str(tmp_path / "cache")}
    run(
        "fit",
        *("--trainer.callbacks", "ComplexityMonitor"),
        model={"class_path": "ClassificationTask", "init_args": {"stem": "Bits", "backbone": backbone}},
        data={"class_path": "Digits", "init_args": digits},
    )
    task = ClassificationTask.load_from_checkpoint(checkpoint(tmp_path), weights_only=True)
    assert type(task.backbone).__name__ == "MLP"
    config = (tmp_path / "lightning_logs" / "version_0" / "config.yaml").read_text()
    assert "class_path: lossy_lightning.nn.MLP" in config


@pytest.mark.filterwarnings("ignore:no checkpoint was given, and nothing trained ClassificationTask")
@pytest.mark.parametrize("logger", [True, False])
def test_a_configuration_may_run_twice(run, tmp_path, logger):
    for _ in range(2):
        run("validate", logger=logger, enable_checkpointing=False)
    given = (tmp_path / "config.yaml").read_text()
    assert "seed_everything" not in given  # the user's own file is as it was
    assert len(list(tmp_path.glob("lightning_logs/*/config.yaml"))) == (2 if logger else 0)


# Foreign classes.


@pytest.mark.filterwarnings("ignore:no checkpoint was given, and nothing trained BoringModel")
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
