from functools import partial

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningDataModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lossy_lightning.codecs import JPEG, PCM, VQ
from lossy_lightning.core import CodeSpec, InputError, Stem
from lossy_lightning.data import Digits
from lossy_lightning.functional import pad_codes
from lossy_lightning.nn import MLP, Bits, CodebookSum, FrequencyNorm, LookupLinear, Scale
from lossy_lightning.tasks import ClassificationTask

STEM = Bits
BACKBONE = partial(MLP, hidden_features=(16,))


@pytest.fixture(scope="module")
def fitted_vq():
    data = Digits(VQ((2, 2), 16))
    return data.codec.fit([torch.stack([image for image, _ in data.signals("train")])])


@pytest.fixture
def digits(cache_dir, fitted_vq):
    return Digits(fitted_vq, cache_dir=cache_dir, batch_size=256)


def make_task(data, stem=STEM, backbone=BACKBONE, **kwargs):
    seed_everything(0, verbose=False)
    return ClassificationTask(data.spec, 10, stem, backbone, **kwargs)


def make_trainer(tmp_path, **kwargs):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    return Trainer(default_root_dir=tmp_path, **{"max_epochs": 1, **quiet, **kwargs})


def fast(**kwargs):
    return make_trainer(None, enable_checkpointing=False, **kwargs)


class Recorder(Stem):
    """Scales; keeps what it was adapted to."""

    def __init__(self, spec):
        super().__init__(spec)
        self.shape = spec.shape
        self.calls = []
        self.register_buffer("adapted", torch.zeros(()))

    def forward(self, code, grid_size=None):
        return code.float()

    def adapt(self, codecs, spec, statistics):
        assert spec == self.code_spec
        self.calls.append((*codecs, statistics))
        self.adapted += 1


# Fitting, and what is logged.


def test_it_learns_digits_and_logs_loss_and_accuracy(digits):
    stem, backbone = partial(LookupLinear, out_features=32), partial(MLP, hidden_features=(32,), input_norm=True)
    task = make_task(digits, stem, backbone, optimizer=partial(torch.optim.Adam, lr=1e-2))
    trainer = fast(max_epochs=8)
    trainer.fit(task, digits)
    assert set(trainer.callback_metrics) == {"train_loss", "train_acc", "val_loss", "val_acc"}
    (validated,) = trainer.validate(task, digits, verbose=False)
    (tested,) = trainer.test(task, digits, verbose=False)
    assert set(validated) == {"val_loss", "val_acc"}
    assert set(tested) == {"test_loss", "test_acc"}
    assert tested["test_acc"] > 0.75


def test_the_logged_figures_are_those_of_the_predictions(digits):
    task, trainer = make_task(digits), fast()
    (tested,) = trainer.test(task, digits, verbose=False)
    probabilities = torch.cat(trainer.predict(task, digits))
    targets = torch.cat([target for _, target in digits.test_dataloader()])
    assert probabilities.shape == (359, 10)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(359))
    assert tested["test_acc"] == pytest.approx((probabilities.argmax(1) == targets).float().mean().item())
    loss = -probabilities[torch.arange(359), targets].log().mean()
    assert tested["test_loss"] == pytest.approx(loss.item(), rel=1e-4)


def test_bf16_mixed_fits_on_the_cpu(digits):
    for stem in (STEM, Scale, partial(LookupLinear, out_features=8)):
        trainer = fast(precision="bf16-mixed")
        trainer.fit(make_task(digits, stem), digits)
        assert trainer.callback_metrics["train_loss"].isfinite()


def test_loaders_without_a_datamodule_will_do():
    code, target = torch.zeros(8, 1, 4, 4, dtype=torch.uint8), torch.arange(8)
    loader = DataLoader(TensorDataset(code, target), batch_size=8)
    task = ClassificationTask(CodeSpec.uniform((1, 4, 4), 0, 15, ordinal=False), 10, STEM, BACKBONE)
    trainer = fast()
    trainer.fit(task, loader, loader)
    assert trainer.test(task, loader, verbose=False)[0].keys() == {"test_loss", "test_acc"}


# Optimizers and schedulers.


def test_adam_without_schedule_by_default(digits):
    task = make_task(digits)
    fast(fast_dev_run=True).fit(task, digits)
    assert type(task.optimizers().optimizer) is torch.optim.Adam
    assert task.lr_schedulers() is None


def test_the_schedule_steps_once_an_epoch(digits):
    task = make_task(
        digits,
        optimizer=partial(torch.optim.SGD, lr=0.1),
        lr_scheduler=partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.5),
    )
    fast(max_epochs=3).fit(task, digits)
    assert task.optimizers().optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 0.5**3)


def test_a_plateau_of_the_validation_loss_lowers_the_rate(digits):
    plateau = partial(torch.optim.lr_scheduler.ReduceLROnPlateau, patience=0, factor=0.1, threshold=1e9, mode="min")
    task = make_task(digits, optimizer=partial(torch.optim.SGD, lr=0.1), lr_scheduler=plateau)
    trainer = fast(max_epochs=3)
    trainer.fit(task, digits)
    assert trainer.lr_scheduler_configs[0].monitor == "val_loss"
    assert task.optimizers().optimizer.param_groups[0]["lr"] < 0.05


def test_lightnings_plateau_scheduler_names_its_monitor(digits):
    from lightning.pytorch.cli import ReduceLROnPlateau

    task = make_task(digits, lr_scheduler=partial(ReduceLROnPlateau, monitor="train_loss"))
    trainer = fast()
    trainer.fit(task, digits)
    assert trainer.lr_scheduler_configs[0].monitor == "train_loss"


# Checkpoints of a task built in Python.


def best(folder):
    return ModelCheckpoint(folder / "best", monitor="val_acc", mode="max", save_last=True)


@pytest.fixture
def fitted(digits, tmp_path):
    trainer = make_trainer(tmp_path, callbacks=[best(tmp_path)], max_epochs=2)
    task = make_task(digits)
    trainer.fit(task, digits)
    return trainer, task


def test_hyperparameters_hold_no_callable_and_load_weights_only(digits, fitted):
    trainer, task = fitted
    assert dict(task.hparams) == {
        "spec": digits.spec,
        "num_classes": 10,
        "lr_scheduler": None,
        "logit_scale": 1.0,
        "label_smoothing": 0.0,
    }
    checkpoint = torch.load(trainer.checkpoint_callback.best_model_path, weights_only=True)
    assert checkpoint["hyper_parameters"] == dict(task.hparams)
    assert type(checkpoint["hyper_parameters"]["spec"]) is CodeSpec


def test_the_best_checkpoint_is_tested(digits, fitted):
    trainer, task = fitted
    (want,) = trainer.test(task, digits, ckpt_path=trainer.checkpoint_callback.best_model_path, verbose=False)
    for parameter in task.parameters():
        nn.init.zeros_(parameter)
    (got,) = trainer.test(task, digits, ckpt_path="best", verbose=False)
    assert got == want


def test_a_checkpoint_loads_with_stem_and_backbone(digits, fitted):
    trainer, task = fitted
    path = trainer.checkpoint_callback.last_model_path
    loaded = ClassificationTask.load_from_checkpoint(path, stem=STEM, backbone=BACKBONE)
    assert loaded.spec == digits.spec
    code = digits.test_dataloader().dataset.source.codes[:20]
    assert torch.equal(loaded.eval()(code), task.eval()(code))


def test_a_checkpoint_does_not_load_with_another_backbone(fitted):
    path = fitted[0].checkpoint_callback.last_model_path
    with pytest.raises(InputError, match=r"does not hold .stem. and .backbone.; pass them again"):
        ClassificationTask.load_from_checkpoint(path)
    with pytest.raises(RuntimeError, match="size mismatch"):
        ClassificationTask.load_from_checkpoint(path, stem=STEM, backbone=partial(MLP, hidden_features=(17,)))


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_fitting_goes_on_from_a_checkpoint(digits, fitted, tmp_path):
    path = fitted[0].checkpoint_callback.last_model_path
    trainer = make_trainer(tmp_path, callbacks=[best(tmp_path)], max_epochs=3)
    trainer.fit(make_task(digits), digits, ckpt_path=path)
    assert trainer.current_epoch == 3
    assert trainer.global_step == 3 * len(digits.train_dataloader())


# Stems that adapt.


def test_a_stem_adapts_once_to_codec_and_statistics(digits):
    task, trainer = make_task(digits, Recorder), fast(max_epochs=2)
    trainer.fit(task, digits)
    ((codec, statistics),) = task.stem.calls
    assert codec is digits.codec
    codes = torch.cat([code for code, _ in digits.train_dataloader()]).float()
    torch.testing.assert_close(statistics.mean, codes.mean((0, 2, 3)))
    torch.testing.assert_close(statistics.std, codes.std((0, 2, 3), correction=0))
    trainer.validate(task, digits, verbose=False)
    trainer.test(task, digits, verbose=False)
    assert len(task.stem.calls) == 1


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_a_checkpoint_brings_its_adapted_stem(digits, tmp_path):
    trainer = make_trainer(tmp_path)
    trainer.fit(make_task(digits, Recorder), digits)
    path = trainer.checkpoint_callback.best_model_path
    resumed = make_task(digits, Recorder)
    resumed.stem.adapted += 5  # what is adapted before the checkpoint is loaded is lost
    make_trainer(tmp_path, max_epochs=2).fit(resumed, digits, ckpt_path=path)
    assert resumed.stem.adapted == 1
    loaded = ClassificationTask.load_from_checkpoint(path, stem=Recorder, backbone=BACKBONE)
    fast().fit(loaded, digits)
    assert loaded.stem.calls == []
    assert loaded.stem.adapted == 1


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_fitting_again_does_not_adapt_again(digits, tmp_path):
    task, trainer = make_task(digits, Recorder), make_trainer(tmp_path)
    trainer.fit(task, digits)
    fast().fit(task, digits)
    assert len(task.stem.calls) == 1
    trainer.test(task, digits, ckpt_path="best", verbose=False)
    # Nor does a checkpoint tested before keep another task from being adapted.
    other = make_task(digits, Recorder)
    trainer.fit_loop.max_epochs = 2
    trainer.fit(other, digits)
    assert len(other.stem.calls) == 1


def fitted_to(digits, seed):
    codec = VQ((2, 2), 16, seed=seed)
    return codec.fit([torch.stack([image for image, _ in digits.signals("train")])])


WORDS = partial(CodebookSum, dim=4)


def test_the_codebook_is_that_of_the_training_examples(digits, cache_dir):
    first, second = (fitted_to(digits, seed) for seed in (0, 1))
    assert not torch.equal(first.codebooks(), second.codebooks())
    data = Digits(first, cache_dir=cache_dir, train_codecs=second, test_codecs=second)
    task = make_task(data, WORDS)
    fast(fast_dev_run=True).fit(task, data)
    assert torch.equal(task.stem.table.weight, second.codebooks()[0])


@pytest.mark.parametrize("test_codecs", ["the codec", "by class"])
def test_test_codes_of_another_codebook_are_refused(digits, cache_dir, test_codecs):
    first, second = (fitted_to(digits, seed) for seed in (0, 1))
    others = {} if test_codecs == "the codec" else {"test_codecs": {3: first}}
    data = Digits(first if not others else second, cache_dir=cache_dir, train_codecs=second, **others)
    with pytest.raises(
        MisconfigurationException, match=r"CodebookSum would misread test codes, .* not those of training: .* differ"
    ):
        fast(fast_dev_run=True).fit(make_task(data, WORDS), data)
    with pytest.raises(MisconfigurationException, match=r"Bits would misread test codes, .* stand for other words"):
        fast(fast_dev_run=True).fit(make_task(data, Bits), data)  # it looks nothing up, but has learned the indices


def test_training_codes_of_several_codebooks_are_refused(digits, cache_dir):
    data = Digits(fitted_to(digits, 0), cache_dir=cache_dir, train_codecs={7: fitted_to(digits, 1)})
    with pytest.raises(MisconfigurationException, match=r"^CodebookSum looks up .* of VQ\(.* differ; use one codec"):
        fast(fast_dev_run=True).fit(make_task(data, WORDS), data)


def test_a_fitted_task_is_tested_on_codes_that_it_reads_only(digits, cache_dir):
    first, second = (Digits(fitted_to(digits, seed), cache_dir=cache_dir) for seed in (0, 1))
    task, trainer = make_task(first, WORDS), fast(limit_train_batches=1, limit_val_batches=1, limit_test_batches=1)
    trainer.fit(task, first)
    trainer.test(task, first, verbose=False)
    for evaluate in (trainer.test, trainer.validate, trainer.predict):
        with pytest.raises(MisconfigurationException, match="would misread test codes"):
            evaluate(task, second)


@pytest.mark.parametrize(("stem", "reads"), [(Scale, True), (FrequencyNorm, False)])
def test_levels_are_tested_at_another_quality_if_no_step_matters(cache_dir, stem, reads):
    data = Digits(JPEG(75), cache_dir=cache_dir, test_codecs=JPEG(25))
    task, trainer = make_task(data, stem), fast(limit_train_batches=1, limit_val_batches=1)
    if reads:
        trainer.fit(task, data)
        assert trainer.test(task, data, verbose=False)[0]["test_loss"] > 0
    else:
        with pytest.raises(MisconfigurationException, match=r"FrequencyNorm would misread .* field 'luma' .* differ"):
            trainer.fit(task, data)


def test_any_module_with_a_shape_is_a_stem(digits):
    class Plain(nn.Module):
        def __init__(self, spec):
            super().__init__()
            self.shape = spec.shape

        def forward(self, code):
            return code.float()

    fast(fast_dev_run=True).fit(make_task(digits, Plain), digits)


# What does not fit.


def test_another_datamodule_than_built_for_is_refused(digits, cache_dir):
    task = make_task(digits)
    with pytest.raises(MisconfigurationException, match=r"codes of .*4, 4.*gives .*8, 8.*; build the task with spec="):
        fast().fit(task, Digits(PCM(), cache_dir=cache_dir))


def test_a_datamodule_without_spec_is_left_alone():
    class Foreign(LightningDataModule):
        def train_dataloader(self):
            return DataLoader(TensorDataset(torch.zeros(4, 1, 4, 4).byte(), torch.zeros(4).long()), batch_size=4)

        def val_dataloader(self):
            return self.train_dataloader()

    task = ClassificationTask(CodeSpec.uniform((1, 4, 4), 0, 15, ordinal=False), 10, STEM, BACKBONE)
    fast(fast_dev_run=True).fit(task, Foreign())


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (torch.zeros(2, 1, 4, 4), "integer dtype; got torch.float32: encode the signal"),
        (torch.zeros(2, 1, 5, 4).byte(), r"\(\.\.\., 1, 4, 4\) are expected here; got \(2, 1, 5, 4\)"),
        (torch.zeros(2, 4).byte(), r"are expected here; got \(2, 4\)"),
    ],
    ids=["float", "size", "axes"],
)
def test_other_codes_than_of_the_spec_are_refused(digits, code, message):
    with pytest.raises(ValueError, match=message):
        make_task(digits)(code)


# Codes of different size.


class MaskedMean(nn.Module):
    """Looks at the cells of each code's own grid only."""

    def __init__(self, shape, num_classes):
        super().__init__()
        self.linear = nn.Linear(shape[0], num_classes)
        self.seen = []

    def forward(self, features, grid_size):
        self.seen.append(grid_size)
        rows, columns = (torch.arange(size) for size in features.shape[2:])
        mask = (rows[:, None] < grid_size[:, 0, None, None]) & (columns < grid_size[:, 1, None, None])
        total = (features * mask[:, None]).sum((2, 3))
        return self.linear(total / grid_size.prod(1, keepdim=True))


VARIES = CodeSpec.uniform((2, None, None), 0, 255, ordinal=True)


def sized_codes():
    grids = [(2, 3), (4, 1), (3, 3), (1, 5)]
    return [torch.randint(0, 256, (2, *grid), dtype=torch.uint8) for grid in grids]


def test_padding_never_changes_the_logits():
    task = ClassificationTask(VARIES, 10, Scale, MaskedMean).eval()
    codes = sized_codes()
    batch, grid_size = pad_codes(codes)
    alone = torch.cat([task(code[None], torch.tensor([code.shape[1:]])) for code in codes])
    torch.testing.assert_close(task(batch, grid_size), alone)
    noise = torch.nn.functional.pad(batch, (0, 2, 0, 3), value=99)
    torch.testing.assert_close(task(noise, grid_size), alone)


def test_grid_sizes_reach_the_backbone_in_every_stage():
    batch, grid_size = pad_codes(sized_codes())
    loader = DataLoader(TensorDataset(batch, torch.arange(4), grid_size), batch_size=4)
    task = ClassificationTask(VARIES, 10, Scale, MaskedMean)
    trainer = fast(num_sanity_val_steps=0)
    trainer.fit(task, loader, loader)
    trainer.test(task, loader, verbose=False)
    (probabilities,) = trainer.predict(task, loader)
    torch.testing.assert_close(probabilities, task.eval()(batch, grid_size).softmax(1))
    assert len(task.backbone.seen) == 5
    assert all(torch.equal(seen, grid_size) for seen in task.backbone.seen)


def test_a_backbone_that_cannot_ignore_padding_is_told_to_crop():
    class Pool(nn.Module):
        def __init__(self, shape, num_classes):
            super().__init__()
            self.linear = nn.Linear(shape[0], num_classes)

        def forward(self, features):
            return self.linear(features.mean((2, 3)))

    task = ClassificationTask(VARIES, 10, Scale, Pool)
    batch, grid_size = pad_codes(sized_codes())
    with pytest.raises(MisconfigurationException, match=r"Pool.forward takes no grid_size; crop the codes to one size"):
        task(batch, grid_size)
    assert task(batch).shape == (4, 10)


@pytest.mark.parametrize("name", ["stem", "backbone"])
def test_a_part_that_is_made_already_is_told_from_its_class(name):
    spec = CodeSpec.uniform((1, 4, 4), 0, 15, ordinal=False)
    made = {"stem": Bits(spec), "backbone": MLP((64,), 10)}[name]
    kind = type(made).__name__
    with pytest.raises(ValueError, match=rf"{name} is made later.*got {kind}\(.*already: pass {kind}, or functools"):
        ClassificationTask(spec, 10, **({"stem": STEM, "backbone": BACKBONE} | {name: made}))


def test_a_stem_without_shape_is_told(digits):
    with pytest.raises(ValueError, match=r"has a shape, .*; Identity has none: set self.shape in it"):
        make_task(digits, stem=lambda spec: nn.Identity())


def test_more_classes_in_the_data_than_in_the_task(digits):
    task = ClassificationTask(digits.spec, 5, STEM, BACKBONE)
    with pytest.raises(MisconfigurationException, match="built for 5 classes, but the datamodule has 10; build"):
        fast().fit(task, digits)


def test_a_fully_connected_backbone_says_crop_at_once():
    with pytest.raises(ValueError, match=r"an MLP reads features of one fixed shape; .*: crop signals to one size"):
        ClassificationTask(VARIES, 10, Scale, MLP)


def test_logits_are_scaled_and_so_is_their_loss(digits):
    task, plain = (make_task(digits, logit_scale=scale) for scale in (3.0, 1.0))
    task.load_state_dict(plain.state_dict())
    batch = next(iter(digits.val_dataloader()))
    task.eval(), plain.eval()
    torch.testing.assert_close(task(batch[0]), 3 * plain(batch[0]))
    expected = torch.nn.functional.cross_entropy(3 * plain(batch[0]), batch[1])
    torch.testing.assert_close(task.evaluate(batch, "val")[1], expected)
    with pytest.raises(ValueError, match="logit_scale is a number of at least 0, but not 0; got 0"):
        make_task(digits, logit_scale=0)


def test_labels_are_smoothed_in_training_only(digits):
    task = make_task(digits, label_smoothing=0.2).eval()
    batch = next(iter(digits.val_dataloader()))
    surprise = -task(batch[0]).log_softmax(1)
    right = surprise.gather(1, batch[1][:, None]).mean()
    torch.testing.assert_close(task.evaluate(batch, "train")[1], 0.8 * right + 0.2 * surprise.mean())
    torch.testing.assert_close(task.evaluate(batch, "val")[1], right)
    torch.testing.assert_close(task.evaluate(batch, "test")[1], right)
    for share in (-0.1, 1.0):
        with pytest.raises(ValueError, match=f"label_smoothing is a number from 0 to 1, but not 1; got {share}"):
            make_task(digits, label_smoothing=share)


@pytest.mark.parametrize("stage", ["validate", "test"])
def test_a_fit_may_follow_a_look_at_the_untrained_network(digits, stage):
    task = make_task(digits)
    getattr(fast(), stage)(task, digits, verbose=False)
    trainer = fast(limit_train_batches=1, limit_val_batches=1)
    trainer.fit(task, digits)
    assert {"train_loss", "val_loss"} <= set(trainer.callback_metrics)


SMALL = CodeSpec.uniform((1, 4, 4), 0, 15, ordinal=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stem": "Bits"}, "stem is a class or a function that makes a module; got 'Bits'"),
        ({"backbone": None}, "backbone is a class or a function that makes a module; got None"),
        ({"backbone": lambda shape, num_classes: None}, "backbone makes a torch.nn.Module; .* made None"),
        ({"num_classes": "10"}, "num_classes is a whole number of at least 2; got '10'"),
        ({"optimizer": 1e-3}, "optimizer is what makes one, such as torch.optim.Adam, .*; got 0.001"),
        ({"optimizer": "Adam"}, "optimizer is what makes one, .*; got 'Adam'"),
        ({"lr_scheduler": 0.1}, "lr_scheduler is what makes one, .*; got 0.1"),
        ({"logit_scale": "3"}, "logit_scale is a number of at least 0, but not 0; got '3'"),
    ],
)
def test_arguments_of_another_kind(arguments, message):
    arguments = {"num_classes": 10, "stem": Bits, "backbone": partial(MLP, hidden_features=())} | arguments
    with pytest.raises(InputError, match=message):
        ClassificationTask(SMALL, **arguments)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (torch.zeros(2, 3), r"one class an example, \(N,\) of whole numbers; got targets torch.float32 \(2, 3\)"),
        (torch.zeros(2, 4, 4, dtype=torch.long), r"got targets torch.int64 \(2, 4, 4\)"),
        (["a", "b"], "got targets list"),
        (torch.tensor([0, 3]), "classes are 0 to 2, as num_classes says; Target 3"),
    ],
)
def test_targets_of_another_kind(target, message):
    task = ClassificationTask(SMALL, 3, Bits, partial(MLP, hidden_features=()))
    with pytest.raises(InputError, match=message):
        task.training_step((torch.zeros(2, *SMALL.shape, dtype=torch.uint8), target), 0)


def test_a_backbone_of_other_classes():
    task = ClassificationTask(SMALL, 3, Bits, lambda shape, num_classes: nn.Flatten())
    batch = torch.zeros(2, *SMALL.shape, dtype=torch.uint8), torch.zeros(2, dtype=torch.long)
    with pytest.raises(InputError, match=r"makes logits \(N, 3\), one for each class; Flatten made \(2, 64\)"):
        task.training_step(batch, 0)


def test_an_optimizer_that_refuses_its_arguments():
    task = ClassificationTask(SMALL, 3, Bits, MLP, optimizer=partial(torch.optim.SGD, lr=-1))
    with pytest.raises(InputError, match="optimizer or lr_scheduler refuse their arguments: Invalid learning rate: -1"):
        task.configure_optimizers()
