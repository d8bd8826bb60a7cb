"""The monitor on tasks of ours and on a foreign module; what it logs, and what it leaves alone."""

import logging
from functools import partial

import numpy as np
import pytest
import soundfile
import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer, seed_everything
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from lossy_lightning.callbacks import GradientAttackMonitor
from lossy_lightning.cli import LossyCLI
from lossy_lightning.codecs import JPEG, MP3, PCM, VQ, Decoded
from lossy_lightning.core import CodeSpec, Field, FileCodec
from lossy_lightning.data import CodedFolder, Digits
from lossy_lightning.nn import MLP, Bits, LookupLinear, Scale, SequenceNet, SpectralBands
from lossy_lightning.tasks import ClassificationTask

FLOAT_MLP = partial(MLP, hidden_features=(32,), weight_bit_width=32, input_bit_width=32)


class Shapes(Dataset):
    """Images in [0, 1] with a bright half, left or right, as a dict: nothing of ours."""

    def __len__(self):
        return 96

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        image = torch.rand(3, 12, 12, generator=generator) * 0.6
        image[:, :, 6 * (index % 2) : 6 * (index % 2) + 6] += 0.2
        return {"image": image, "label": index % 2}


class Foreign(LightningModule):
    """Batch norm, dropout and buffers that a careless observer would change."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(800, 2)
        )
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("brightness", torch.zeros(()))
        self.frozen = nn.BatchNorm1d(2).eval()

    def forward(self, x):
        self.calls += 1
        torch.rand(())  # the order of random numbers shows in training
        return self.frozen(self.net(x))

    def on_validation_start(self):
        self.net[0].train()  # a mode that Lightning does not set back before the epoch's end

    def on_validation_epoch_end(self):
        self.modes = [module.training for module in self.modules()]

    def training_step(self, batch, batch_idx):
        return F.cross_entropy(self(batch["image"]), batch["label"])

    def validation_step(self, batch, batch_idx):
        self.brightness = batch["image"].mean()  # of inference mode in a test, so nobody may write to it
        self.log("val_acc", (self(batch["image"]).argmax(1) == batch["label"]).float().mean())

    test_step = validation_step

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=3e-3)


def _to_codes(batch):
    return (255 * batch["image"]).round().to(torch.uint8)


def _label(batch):
    return batch["label"]


def _on_codes(model, code):
    return model(code / 255)


def _foreign_monitor(**arguments):
    return GradientAttackMonitor(
        **{"steps": (2, 16), "low": 0, "high": 255, "queries": 5, "student_queries": 0, "iterations": 3} | arguments,
        input_fn=_to_codes,
        target_fn=_label,
        forward_fn=_on_codes,
    )


def _trainer(*callbacks, epochs=2, **arguments):
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        enable_model_summary=False,
        callbacks=list(callbacks),
        **quiet | arguments,
    )


def _loaders():
    return DataLoader(Shapes(), batch_size=24, shuffle=True), DataLoader(Shapes(), batch_size=24)


def _fit_foreign(*callbacks, **arguments):
    seed_everything(0)
    model = Foreign()
    trainer = _trainer(*callbacks, **arguments)
    trainer.fit(model, *_loaders())
    return model, trainer


def _fit_digits(codec, stem, monitor, backbone=FLOAT_MLP, epochs=3, **arguments):
    seed_everything(0)
    data = Digits(codec, cache_dir=arguments.pop("cache_dir"))
    task = ClassificationTask(data.spec, 10, stem, backbone, partial(torch.optim.Adam, lr=1e-2))
    trainer = _trainer(monitor, epochs=epochs, **arguments)
    trainer.fit(task, data)
    return {
        name.removeprefix("attack/"): value.item()
        for name, value in trainer.callback_metrics.items()
        if name.startswith("attack/")
    }


@pytest.mark.filterwarnings("ignore:.*in eval mode at the start of training")  # the module freezes a part of it
class TestForeignModule:
    def test_training_is_the_same_with_and_without(self):
        (plain, _), (watched, trainer) = _fit_foreign(), _fit_foreign(_foreign_monitor())
        assert "attack/acc_step16" in trainer.callback_metrics
        theirs = watched.state_dict()
        assert all(torch.equal(value, theirs[name]) for name, value in plain.state_dict().items())
        assert watched.modes == plain.modes
        assert any(plain.modes)

    def test_accuracies_fall_and_are_ordered(self):
        _, trainer = _fit_foreign(_foreign_monitor(iterations=10), epochs=5)
        got = {name: value.item() for name, value in trainer.callback_metrics.items()}
        assert got["attack/acc_clean"] > 0.9
        assert got["attack/acc_step16"] <= got["attack/acc_step2"] <= got["attack/acc_clean"]
        for step in (2, 16):
            assert got[f"attack/acc_strongest_step{step}"] <= got[f"attack/acc_step{step}"]
            assert got[f"attack/acc_naive_step{step}"] == got[f"attack/acc_step{step}"]
            assert 0 < got[f"attack/linf_code_step{step}"] <= step
            assert 0 < got[f"attack/l0_code_step{step}"] <= 3 * 12 * 12

    def test_without_codec_it_says_so_once(self, caplog):
        with caplog.at_level(logging.INFO):
            _, trainer = _fit_foreign(_foreign_monitor())
        assert sum("has no codec" in record.getMessage() for record in caplog.records) == 1
        assert not any("roundtrip" in name or "psnr" in name for name in trainer.callback_metrics)

    def test_every_n_epochs_and_test(self):
        _, trainer = _fit_foreign(_foreign_monitor(every_n_epochs=3))
        assert not any(name.startswith("attack/") for name in trainer.callback_metrics)
        trainer.test(trainer.model, _loaders()[1], verbose=False)
        assert "attack/acc_step2" in trainer.callback_metrics

    def test_mixed_precision(self):
        _, trainer = _fit_foreign(_foreign_monitor(codec=PCM()), precision="bf16-mixed", epochs=5)
        assert trainer.callback_metrics["attack/acc_step16"] <= trainer.callback_metrics["attack/acc_clean"]
        assert trainer.callback_metrics["attack/acc_clean"] > 0.8

    def test_pictures(self, tmp_path):
        logger = TensorBoardLogger(tmp_path, name="run")
        _fit_foreign(_foreign_monitor(codec=PCM()), logger=logger, epochs=1)
        logger.experiment.flush()
        events = EventAccumulator(logger.log_dir).Reload()
        assert "attack/acc_step2" in events.Tags()["scalars"]
        picture = events.Images("attack/pictures_step16")[0]
        scale = -(-176 // 12)
        assert picture.width == 3 * 12 * scale
        assert picture.height - 8 * 12 * scale in range(12, 30)  # their names

    def test_twin_is_used_and_left_as_found(self):
        twin = Foreign().train()
        before = {name: value.clone() for name, value in twin.state_dict().items()}
        _, trainer = _fit_foreign(_foreign_monitor(twin=twin))
        assert twin.training
        assert all(torch.equal(value, before[name]) for name, value in twin.state_dict().items())
        assert "attack/acc_strongest_step2" in trainer.callback_metrics

    def test_unfit_input_is_one_sentence_and_the_training_goes_on(self):
        def said(match, **arguments):
            with pytest.warns(UserWarning, match=f"leaves the attack out: .*{match}"):
                _, trainer = _fit_foreign(GradientAttackMonitor(steps=(1,), target_fn=_label, **arguments), epochs=1)
            assert "val_acc" in trainer.callback_metrics
            assert not any(name.startswith("attack/") for name in trainer.callback_metrics)

        ends = {"low": 0, "high": 255}
        said("pass an input_fn and a forward_fn", input_fn=lambda batch: batch["image"])
        said("cannot be run on integer codes", input_fn=_to_codes, **ends)
        said("does not know the range", input_fn=_to_codes, forward_fn=_on_codes)
        said("attacks classifiers", input_fn=_to_codes, forward_fn=lambda m, x: m(x / 255)[:, 0], **ends)

    @pytest.mark.slow
    def test_two_processes_log_the_mean_of_both(self):
        monitor = _foreign_monitor(queries=0)
        _, trainer = _fit_foreign(monitor, epochs=1, devices=2, strategy="ddp_spawn")
        assert 0 <= trainer.callback_metrics["attack/acc_step2"] <= 1


def test_unfit_arguments_are_one_sentence():
    with pytest.raises(ValueError, match="at least 1"):
        GradientAttackMonitor(steps=())
    with pytest.raises(ValueError, match=r"at least 1, and .*; got steps=4, "):
        GradientAttackMonitor(steps=4)
    with pytest.raises(ValueError, match="both low and high"):
        GradientAttackMonitor(low=0)


class TestTasks:
    def test_pixels(self, tmp_path):
        got = _fit_digits(
            PCM(), Scale, GradientAttackMonitor(steps=(4, 40), queries=5, every_n_epochs=3), cache_dir=tmp_path
        )
        assert got["acc_clean"] > 0.8
        assert got["acc_step40"] < 0.2
        assert got["acc_naive_step40"] == got["acc_step40"]
        for step in (4, 40):  # 8-bit pixels come back as they are
            assert got[f"acc_roundtrip_step{step}"] == got[f"acc_step{step}"]
            assert got[f"linf_signal_step{step}"] == got[f"linf_code_step{step}"] <= step
        mean_squared_error = 255**2 / 10 ** (got["psnr_step40"] / 10)
        assert mean_squared_error <= 40**2
        assert "ssim_step4" not in got  # 8x8 pixels are smaller than its window

    def test_a_stem_without_gradient_is_caught(self, tmp_path):
        monitor = GradientAttackMonitor(steps=(40,), queries=20, every_n_epochs=3)
        got = _fit_digits(PCM(), Bits, monitor, cache_dir=tmp_path)
        assert got["acc_naive_step40"] == got["acc_clean"] > 0.6
        assert got["acc_step40"] < 0.3
        assert got["masking_index_step40"] == pytest.approx(got["acc_naive_step40"] - got["acc_strongest_step40"])
        assert got["masking_index_step40"] > 0.4

    def test_codebook_indices(self, tmp_path):
        monitor = GradientAttackMonitor(steps=(1, 4), num_batches=2, every_n_epochs=3)
        stem = partial(LookupLinear, out_features=32)
        backbone = partial(MLP, hidden_features=(32,), input_norm=True)  # binary
        got = _fit_digits(VQ((2, 2), 16), stem, monitor, backbone, cache_dir=tmp_path)
        assert got["acc_step4"] < got["acc_step1"] < got["acc_clean"]
        assert got["acc_naive_step4"] == got["acc_clean"]
        assert 0 < got["l0_code_step4"] <= 4
        assert "linf_code_step4" not in got
        assert got["acc_roundtrip_step4"] == got["acc_step4"]  # each codeword codes itself
        assert got["l0_signal_step4"] <= 4 * 2 * 2

    def test_round_trip_through_a_codec_that_undoes_changes(self, tmp_path):
        """Pixels that went through a coarse codebook: the codec maps most small changes back."""
        monitor = GradientAttackMonitor(steps=(8,), queries=0, every_n_epochs=3)
        codec = Decoded(VQ((2, 2), 16))
        got = _fit_digits(codec, Scale, monitor, cache_dir=tmp_path)
        assert got["acc_step8"] < got["acc_clean"] - 0.1
        assert got["acc_roundtrip_step8"] > got["acc_step8"] + 0.05


class Mixed(LightningDataModule):
    """Codes of several fields, whose means and shapes both tell the class; some shapes are absent."""

    spec = CodeSpec(
        [
            Field("mean", (0,), (15,), ordinal=True, cells=(2,)),
            Field("shape", (0,), (7,), ordinal=False, absent=-1),
            Field("table", (1,), (9,), ordinal=True, constant=True),
        ],
        (4,),
    )  # fmt: skip

    def test_dataloader(self):
        generator = torch.Generator().manual_seed(0)
        target = torch.arange(32) % 2
        code = torch.randint(0, 6, (32, 4, 4), generator=generator, dtype=torch.int16)
        code[:, :3] += 2 * target.short().view(-1, 1, 1)
        code[::5, 2, 0] = -1
        code[:, 3] = 5
        return DataLoader(list(zip(code, target, strict=True)), batch_size=32)


class Two(LightningModule):
    """A foreign module that reads two fields by their names."""

    def forward(self, code):
        parts = Mixed.spec.split(code)
        shape = F.one_hot(parts["shape"].long().clamp(0), 8).float()[:, 0] @ torch.arange(8.0)
        score = parts["mean"].float().mean((1, 2)) + shape.mean(1) - 7
        return torch.stack([-score, score], 1)

    def test_step(self, batch, batch_idx):
        self.seen = batch[0]


class TestFields:
    def attacked(self, monitor):
        trainer = _trainer(monitor)
        trainer.test(Two(), Mixed(), verbose=False)
        return {name.removeprefix("attack/"): value.item() for name, value in trainer.callback_metrics.items()}

    def test_ordinal_fields_are_attacked_unless_others_are_named(self, caplog):
        with caplog.at_level(logging.INFO):
            got = self.attacked(GradientAttackMonitor(steps=(1, 5), queries=5, student_queries=0))
        assert got["acc_step5"] <= got["acc_step1"] <= got["acc_clean"]
        assert got["acc_step5"] < 0.2
        assert 0 < got["l0_code_step5"] <= 8  # the means
        said = [record.getMessage() for record in caplog.records if "attacks the fields" in record.getMessage()]
        assert said == ["GradientAttackMonitor attacks the fields ['mean']; ['shape', 'table'] stay, or pass fields=…"]

    def test_a_constant_field_and_both_kinds_at_once_are_refused(self):
        for fields, got in ((["table"], r"\['table'\]"), (["mean", "shape"], r"\['mean', 'shape'\]"), ([], r"\[\]")):
            with pytest.warns(UserWarning, match=rf"no constant ones; got fields={got} of a code with"):
                assert not self.attacked(GradientAttackMonitor(steps=(1,), fields=fields))
        with pytest.warns(UserWarning, match=r"fields \['mean', 'shape', 'table'\]; got 'luma'"):
            assert not self.attacked(GradientAttackMonitor(steps=(1,), fields=["luma"]))

    def test_a_code_outside_its_range_names_the_field(self, monkeypatch):
        monkeypatch.setattr(
            Mixed, "spec", CodeSpec([Mixed.spec.fields[0]._replace(high=(3,)), *Mixed.spec.fields[1:]], (4,))
        )
        with pytest.warns(UserWarning, match="field 'mean' ranges from 0 to 3; got 0 to 7"):
            assert not self.attacked(GradientAttackMonitor(steps=(1,)))


class Shaped(Two):
    """The same with a stem, through which categories can be replaced."""

    def __init__(self):
        super().__init__()
        self.stem = ShapeStem()

    def forward(self, code):
        features = self.stem(code)
        score = features["mean"].mean((1, 2)) + features["shape"].mean(1) - 7
        return torch.stack([-score, score], 1)


class ShapeStem(nn.Module):
    """Features by field."""

    def forward(self, code):
        parts = Mixed.spec.split(code)
        shape = F.one_hot(parts["shape"].long().clamp(0), 8).float()[:, 0] @ torch.arange(8.0)
        return {"mean": parts["mean"].float(), "shape": shape}


def test_categories_beside_ordinal_fields_are_attacked_by_name():
    trainer = _trainer(GradientAttackMonitor(steps=(4,), fields=["shape"]))
    trainer.test(Shaped(), Mixed(), verbose=False)
    got = trainer.callback_metrics
    assert got["attack/acc_step4"] < got["attack/acc_clean"]
    assert 0 < got["attack/l0_code_step4"] <= 4
    assert "attack/linf_code_step4" not in got


class _Text(FileCodec):
    """Pixels as decimal numbers in a file, so that greater pixels take more bytes."""

    idempotent = True

    def encode(self, signal):
        return signal.to(torch.int16)

    def decode(self, code, shape=None):
        return code.to(torch.uint8)

    def spec(self, shape):
        return CodeSpec.uniform(shape, 0, 255, ordinal=True)

    def read(self, data):
        values = np.array(data.split(b","), dtype=np.int16)
        return torch.from_numpy(values).view(1, 8, 8), (1, 8, 8)

    def write(self, code, shape):
        return ",".join(map(str, code.flatten().tolist())).encode()


def test_files_are_written_read_and_weighed(tmp_path):
    got = _fit_digits(_Text(), Scale, GradientAttackMonitor(steps=(20,), queries=0), cache_dir=tmp_path, epochs=1)
    assert got["acc_file_step20"] == got["acc_step20"]
    assert got["file_bytes_step20"] > 64 * 2
    assert got["file_bytes_change_step20"] > 0  # black pixels take one digit, changed ones two


def test_from_the_command_line(tmp_path, monkeypatch):
    """Arguments that are functions keep their defaults, and others are named by their path."""
    config = tmp_path / "attack.yaml"
    config.write_text(f"""
seed_everything: 0
model:
  class_path: lossy_lightning.tasks.ClassificationTask
  init_args: {{stem: lossy_lightning.nn.Scale, backbone: lossy_lightning.nn.MLP}}
data:
  class_path: lossy_lightning.data.Digits
  init_args: {{codec: lossy_lightning.codecs.PCM, cache_dir: {tmp_path}}}
trainer:
  max_epochs: 1
  limit_train_batches: 2
  accelerator: cpu
  logger: false
  enable_checkpointing: false
  enable_progress_bar: false
  callbacks:
    - class_path: lossy_lightning.callbacks.GradientAttackMonitor
      init_args:
        steps: [3]
        codec: lossy_lightning.codecs.PCM
        loss_fn: lossy_lightning.attacks.margin
""")
    monkeypatch.chdir(tmp_path)  # Lightning writes the configuration where it runs
    monkeypatch.setattr("sys.argv", ["lossy-lightning", "fit", "--config", str(config), "--test_after_fit", "false"])
    cli = LossyCLI()
    assert "attack/acc_roundtrip_step3" in cli.trainer.callback_metrics


def test_jpeg_coefficients(tmp_path):
    """The attack changes quantized coefficients; the file holds them exactly, decoding to 8 bits may not."""
    monitor = GradientAttackMonitor(steps=(2,), queries=0, every_n_epochs=3)
    got = _fit_digits(JPEG(quality=75), Scale, monitor, cache_dir=tmp_path)
    assert got["acc_file_step2"] == got["acc_step2"] <= got["acc_clean"]
    assert got["file_bytes_step2"] > 0
    assert got["file_bytes_change_step2"] > 0  # coefficients that were zero no longer are
    assert got["linf_code_step2"] <= 2 < got["linf_signal_step2"]


def test_mp3_levels(tmp_path):
    """The attack changes quantized levels of MP3 files; synthesis tells how that sounds, and files hold it exactly."""
    for i in range(16):
        path = tmp_path / "beeps" / ("test" if i % 4 == 3 else "train") / ("low" if i % 2 else "high") / f"{i}.mp3"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(i).standard_normal(4000) / 30
        tone = 0.1 * np.sin(np.arange(4000) * (0.3 if i % 2 else 0.5))
        soundfile.write(path, tone + noise, 16_000, compression_level=16 / 19, bitrate_mode="CONSTANT")
    (tmp_path / "beeps/test/high").mkdir()
    (tmp_path / "beeps/train/high/0.mp3").rename(tmp_path / "beeps/test/high/0.mp3")
    seed_everything(0)
    codec = MP3(32, 16_000)
    data = CodedFolder(codec, tmp_path / "beeps", crop=6 * 576, batch_size=4, val_fraction=0)
    stem = partial(SpectralBands, sample_rate=16_000, bands=32)
    backbone = partial(SequenceNet, channels=(8,), strides=(1,))
    task = ClassificationTask(data.spec, data.num_classes, stem=stem, backbone=backbone)
    monitor = GradientAttackMonitor(steps=(4,), fields=["levels"], queries=0, student_queries=0, draws=0)
    options = {"enable_progress_bar": False, "logger": False, "enable_checkpointing": False, "accelerator": "cpu"}
    trainer = Trainer(max_epochs=5, callbacks=[monitor], **options)
    trainer.fit(task, data)
    trainer.test(task, data, verbose=False)
    got = {name.removeprefix("attack/"): float(value) for name, value in trainer.callback_metrics.items()}
    assert got["acc_file_step4"] == got["acc_step4"] <= got["acc_clean"]
    assert got["file_bytes_step4"] > 500
    assert got["file_bytes_change_step4"] >= 0
    assert got["linf_code_step4"] <= 4 < got["linf_signal_step4"]
    assert -20 < got["snr_step4"] < 60
