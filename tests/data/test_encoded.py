"""Datamodules: which codes come out, when they are made, and what a checkpoint carries."""

import pickle

import numpy as np
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule, Trainer
from torch import nn
from torch.utils.data import TensorDataset

from lossy_lightning.augmentation import BitFlip
from lossy_lightning.codecs import PCM, VQ, Decoded
from lossy_lightning.core import Codec, CodeSpec, Stem
from lossy_lightning.data import Digits, EncodedDataModule
from lossy_lightning.nn import MLP, Bits
from lossy_lightning.tasks import ClassificationTask


class Xor(Codec):
    """Pixels with some of their bits flipped; counts the signals that it encodes."""

    idempotent = True

    def __init__(self, mask=0, on_device=True):
        self.mask = mask
        self.on_device = on_device
        self.seen = 0

    def encode(self, signal):
        self.seen += signal[..., 0, 0, 0].numel()
        return signal ^ self.mask

    def decode(self, code, shape=None):
        return code ^ self.mask

    def spec(self, shape):
        return CodeSpec.uniform(shape, 0, 255, ordinal=True)


class Mean(Stem):
    """One feature; remembers what it was adapted to."""

    def __init__(self, spec):
        super().__init__(spec)
        self.shape = (1,)
        self.adapted = []

    def forward(self, code, grid_size=None):
        return code.float().flatten(1).mean(1, keepdim=True) / 255

    def adapt(self, codecs, spec, statistics):
        self.adapted.append((*codecs, statistics))


class Recorder(LightningModule):
    """A foreign module that keeps the batches it gets."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.batches = {"train": [], "val": [], "test": [], "predict": []}

    def training_step(self, batch):
        self.batches["train"].append(batch)
        return self.weight.sum()

    def validation_step(self, batch):
        self.batches["val"].append(batch)

    def test_step(self, batch):
        self.batches["test"].append(batch)

    def predict_step(self, batch):
        self.batches["predict"].append(batch)
        return batch

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

    def codes(self, split):
        return torch.cat([code for code, *_ in self.batches[split]])

    def targets(self, split):
        return torch.cat([target for _, target in self.batches[split]])


@pytest.fixture
def trainer(tmp_path):
    def make(max_epochs=1, **arguments):
        quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary"), False)
        return Trainer(
            accelerator="cpu", max_epochs=max_epochs, default_root_dir=tmp_path / "runs", **(quiet | arguments)
        )

    return make


def task(data, stem=Mean):
    return ClassificationTask(data.spec, 3, stem=stem, backbone=lambda shape, classes: nn.Linear(shape[0], classes))


def pixels(data, split):
    """Signals of a split, in order."""
    return torch.stack([signal for signal, _ in data._examples(data.signals, split)])


def sorted_rows(codes):
    return sorted(codes.flatten(1).tolist())


# What comes out.


def test_batches_of_every_stage(noise, trainer):
    data, module = noise(Xor(7), batch_size=8), Recorder()
    trainer(num_sanity_val_steps=0).fit(module, data)
    trainer().test(module, data)
    trainer().predict(module, data)
    for split in ("val", "test"):
        assert torch.equal(module.codes(split), pixels(data, split) ^ 7)
    assert sorted_rows(module.codes("train")) == sorted_rows(pixels(data, "train") ^ 7)
    assert torch.equal(module.codes("predict"), module.codes("test"))
    assert module.codes("train").dtype == torch.uint8
    assert [len(code) for code, _ in module.batches["train"]] == [8, 8, 8, 8, 4]


def test_training_is_shuffled_anew_each_epoch(noise, trainer):
    data, module = noise(PCM()), Recorder()
    trainer(max_epochs=2, num_sanity_val_steps=0).fit(module, data)
    first, second = (code for code, _ in module.batches["train"])
    assert sorted_rows(first) == sorted_rows(second)
    assert not torch.equal(first, second)


def test_seed_and_fraction_choose_the_validation_examples(noise):
    def val(**arguments):
        data = noise(PCM(), **arguments)
        data.prepare_data()
        return sorted_rows(data._dataset("val").codes)

    assert len(val(val_fraction=0.25)) == 10
    assert val(seed=1) == val(seed=1) != val(seed=2)


def test_own_validation_examples(noise, monkeypatch):
    monkeypatch.setattr(noise, "totals", {"train": 40, "val": 6, "test": 11})
    data = noise(PCM())
    data.prepare_data()
    assert [len(data._dataset(split)) for split in ("train", "val", "test")] == [40, 6, 11]


def test_no_validation_split(noise, trainer):
    data, module = noise(PCM(), val_fraction=0), Recorder()
    trainer().fit(module, data)
    assert len(module.codes("train")) == 40
    assert not module.batches["val"]


def test_statistics_equal_torchs_and_reach_the_stem(noise, trainer):
    data = noise(Xor(3))
    module = task(data)
    trainer().fit(module, data)
    ((codec, (mean, std)),) = module.stem.adapted
    expected = (pixels(data, "train") ^ 3).double()
    assert codec is data.codec
    torch.testing.assert_close(mean, expected.mean().float().view(1))
    torch.testing.assert_close(std, expected.std(correction=0).float().view(1))


def test_statistics_with_a_transform_are_those_of_the_signals(noise):
    data = noise(Xor(3), transform=torch.zeros_like)
    expected = (pixels(data, "train") ^ 3).double()
    torch.testing.assert_close(data.statistics.mean, expected.mean().float().view(1))
    torch.testing.assert_close(data.statistics.std, expected.std(correction=0).float().view(1))


# When codes are made.


def test_each_split_is_encoded_once(noise, trainer):
    codec = Xor()
    for _ in range(2):
        trainer(max_epochs=2).fit(Recorder(), noise(codec))
    assert codec.seen == 40
    for _ in range(2):
        trainer().test(Recorder(), noise(codec))
    assert codec.seen == 40 + 11


@pytest.mark.parametrize("change", [{"mask": 1}, {"seed": 1}, {"val_fraction": 0.2}])
def test_anything_else_is_encoded_anew(noise, change):
    def prepare(mask=0, **arguments):
        codec = Xor(mask)
        noise(codec, **arguments).prepare_data()
        return codec.seen

    assert prepare() == 51
    assert prepare() == 0
    assert prepare(**change) == (51 if "mask" in change else 40)


def test_workers_share_the_codes(noise, trainer):
    codec = Xor(7)
    data, module = noise(codec, num_workers=2, batch_size=8), Recorder()
    trainer().fit(module, data)
    assert sorted_rows(module.codes("train")) == sorted_rows(pixels(data, "train") ^ 7)
    assert codec.seen == 40


def test_a_transform_is_encoded_on_the_device_in_training_only(noise, trainer):
    codec = Xor(7)
    data, module = noise(codec, transform=lambda signal: signal // 2, batch_size=8), Recorder()
    trainer(max_epochs=2).fit(module, data)
    trainer().test(module, data)
    assert sorted_rows(module.codes("train")) == sorted_rows((pixels(data, "train") // 2 ^ 7).repeat(2, 1, 1, 1))
    assert torch.equal(module.codes("test"), pixels(data, "test") ^ 7)
    assert sorted_rows(module.codes("val")[:4]) == sorted_rows(pixels(data, "val") ^ 7)
    assert codec.seen == 2 * 36 + 4 + 11  # val and test are cached
    assert not list(data.cache_dir.glob("*-train-*"))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_transform_for_a_codec_of_the_host_is_encoded_by_the_loader(noise, trainer, num_workers):
    codec = Xor(7, on_device=False)
    data = noise(codec, transform=_half, num_workers=num_workers)
    module = Recorder()
    data.prepare_data()
    before = codec.seen
    trainer(num_sanity_val_steps=0).fit(module, data)
    assert sorted_rows(module.codes("train")) == sorted_rows(pixels(data, "train") // 2 ^ 7)
    assert codec.seen - before == (36 if num_workers == 0 else 0)


def test_transformed_examples_can_be_sent_to_a_spawned_worker(noise, trainer):
    data = noise(Decoded(VQ((2, 2), 8)), transform=torch.zeros_like)
    data.codec.on_device = False
    trainer().fit(Recorder(), data)
    dataset = data._dataset("train")
    assert torch.equal(pickle.loads(pickle.dumps(dataset))[5][0], dataset[5][0])


def _half(signal):
    return signal // 2


def test_augmentation_is_for_training_codes_only(noise, trainer):
    class Zero(nn.Module):
        def forward(self, code):
            return torch.zeros_like(code)

    data, module = noise(Xor(7), augmentation=Zero()), Recorder()
    trainer().fit(module, data)
    trainer().test(module, data)
    assert not module.codes("train").any()
    assert torch.equal(module.codes("test"), pixels(data, "test") ^ 7)
    assert torch.equal(module.codes("val")[-4:], pixels(data, "val") ^ 7)


@pytest.mark.parametrize("transform", [None, nn.Identity()], ids=["cached", "made anew"])
def test_an_augmentation_that_leaves_the_range_of_the_codes_is_told_before_training(noise, trainer, transform):
    data, module = noise(VQ((2, 2), 4), augmentation=BitFlip(0.5, bit_width=3), transform=transform), Recorder()
    with pytest.raises(MisconfigurationException, match=r"BitFlip.*bit_width=3.* ranges from 0 to 3; got [0-3] to 7"):
        trainer().fit(module, data)
    assert not module.batches["train"]


def test_making_a_loader_leaves_the_augmentation_as_it_is(noise):
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.moves = 0
            self.register_buffer("calls", torch.zeros(1))

        def _apply(self, *arguments):
            self.moves += 1
            return super()._apply(*arguments)

        def forward(self, code):
            self.calls += 1
            return code

    augmentation = Counting()
    noise(Xor(3), augmentation=augmentation).train_dataloader()
    assert (augmentation.moves, augmentation.calls) == (0, 0)


def test_trying_an_augmentation_draws_no_random_number(noise):
    data = noise(Xor(3), augmentation=BitFlip(0.5, bit_width=8))
    data.setup("fit")
    state = torch.get_rng_state()
    data.train_dataloader()
    assert torch.equal(torch.get_rng_state(), state)


# Class codecs.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"codec": PCM}, r"codec must be a Codec, such as PCM\(\) or .*; got <class"),
        ({"codec": PCM(), "train_codecs": [PCM()]}, r"train_codecs must be a Codec, .*; got \[PCM\(bit_width=8\)\]"),
        ({"codec": PCM(), "test_codecs": {1: "PCM"}}, r"test_codecs\[1\] must be a Codec, .*; got 'PCM'"),
        ({"codec": PCM(), "augmentation": BitFlip}, "augmentation must be a module, .*; got <class"),
    ],
)
def test_what_is_no_codec_or_augmentation_is_refused(noise, arguments, message):
    with pytest.raises(ValueError, match=message):
        noise(**arguments)


def _masks(data, split):
    data.prepare_data()
    dataset = data._dataset(split)
    return {
        label: {int(code[0, 0, 0] ^ signal[0, 0, 0])}
        for code, label, signal in zip(dataset.codes, dataset.targets.tolist(), pixels(data, split), strict=True)
    }


def test_a_codec_for_all_training_or_test_examples(noise):
    data = noise(Xor(1), train_codecs=Xor(2), test_codecs=Xor(4))
    masks = {split: set().union(*_masks(data, split).values()) for split in ("train", "val", "test")}
    assert masks == {"train": {2}, "val": {2}, "test": {4}}


def test_a_codec_for_some_classes(noise):
    data = noise(Xor(1), train_codecs={0: Xor(2)}, test_codecs={1: Xor(4), 2: Xor(8)})
    assert _masks(data, "train") == {0: {2}, 1: {1}, 2: {1}}
    assert _masks(data, "val").items() <= {0: {2}, 1: {1}, 2: {1}}.items()
    assert _masks(data, "test") == {0: {1}, 1: {4}, 2: {8}}


def test_a_codec_for_some_classes_of_transformed_signals(noise, trainer):
    data, module = noise(Xor(1), train_codecs={0: Xor(2)}, transform=torch.zeros_like), Recorder()
    trainer().fit(module, data)
    codes = module.codes("train")[:, 0, 0, 0].tolist()
    assert codes == [2 if label == 0 else 1 for label in module.targets("train").tolist()]


class Ranged(Xor):
    """Any range."""

    def __init__(self, low=0, high=255, ordinal=True):
        super().__init__()
        self.low, self.high, self.ordinal = low, high, ordinal

    def spec(self, shape):
        return CodeSpec.uniform(shape, self.low, self.high, ordinal=self.ordinal)


def test_the_spec_is_the_union(noise):
    data = noise(Ranged(0, 255), train_codecs={0: Ranged(-1, 255)}, test_codecs=Ranged(0, 400))
    assert data.spec == CodeSpec.uniform((1, 8, 8), -1, 400, ordinal=True)


@pytest.mark.parametrize(
    ("codec", "other", "message"),
    [
        (PCM(), VQ((1, 1), 256), "must agree in fields"),
        (VQ((2, 2), 16), VQ((4, 4), 16), "must agree in fields"),
        (VQ((2, 2), 16), VQ((2, 2), 8), "categories must be of one size"),
    ],
)
def test_codecs_that_do_not_fit_together(noise, codec, other, message):
    with pytest.raises(ValueError, match=message):
        noise(codec, test_codecs=other).prepare_data()


# Codes instead of signals.


class Ready(EncodedDataModule):
    signal_shape = (1, 2)
    num_classes = 3
    greatest = 255

    def codes(self, split):
        total = {"train": 20, "test": 5}.get(split)
        if total is None:
            return None
        codes = torch.full((total, 1, 2), self.greatest)
        codes[:, 0, 0] = torch.arange(total)
        return TensorDataset(codes, torch.arange(total) % 3)


def test_ready_codes_are_passed_on(tmp_path, trainer):
    codec = Xor()
    data, module = Ready(codec, root=tmp_path, val_fraction=0.2), Recorder()
    trainer().fit(module, data)
    trainer().test(module, data)
    assert len(module.codes("train")) == 16
    assert module.codes("test")[:, 0, 0].tolist() == list(range(5))
    assert codec.seen == 0
    assert not (tmp_path / "lossy_lightning").exists()
    codes = torch.stack([code for code, _ in data._dataset("train")]).double()
    torch.testing.assert_close(data.statistics.mean, codes.mean().float().view(1))


def test_ready_codes_are_checked_before_training(tmp_path, trainer):
    data = type("Wrong", (Ready,), {"greatest": 300})(PCM(), root=tmp_path)
    with pytest.raises(ValueError, match="channel 0 of field 'code' ranges from 0 to 255; got"):
        trainer().fit(Recorder(), data)


# Checkpoints.


@pytest.fixture
def checkpoint(noise, trainer, tmp_path):
    """A checkpoint of a run with a fitted codebook, and that codebook."""
    data = noise(VQ((2, 2), 8), batch_size=8)
    run = trainer()
    run.fit(task(data), data)
    run.save_checkpoint(tmp_path / "run.ckpt")
    return tmp_path / "run.ckpt", data.codec.codebook.clone()


def _no_fit(self, signals):
    pytest.fail("the codec is fitted again")


def _other_codec(kind):
    codec = VQ((2, 2), 8)
    if kind == "fitted":
        codec.fit([torch.randint(0, 256, (50, 1, 8, 8), dtype=torch.uint8)])
    return codec


@pytest.mark.parametrize("kind", ["not fitted", "fitted"])
@pytest.mark.parametrize("stage", ["test", "validate", "predict"])
def test_a_checkpoint_brings_its_codebook(noise, trainer, checkpoint, tmp_path, monkeypatch, kind, stage):
    path, codebook = checkpoint
    data = noise(_other_codec(kind), cache_dir=tmp_path / "elsewhere")
    monkeypatch.setattr(VQ, "fit", _no_fit)
    module = Recorder()
    module.strict_loading = False
    getattr(trainer(), stage)(module, data, ckpt_path=path)
    assert torch.equal(data.codec.codebook, codebook)
    split = {"test": "test", "validate": "val", "predict": "test"}[stage]
    got = module.codes({"test": "test", "validate": "val", "predict": "predict"}[stage])
    distances = (_blocks(pixels(data, split)).unsqueeze(-2) - codebook).square().sum(-1)
    chosen = distances.gather(-1, got.squeeze(1).long().unsqueeze(-1)).squeeze(-1)
    assert torch.equal(chosen, distances.min(-1).values)  # each block has the nearest word of *that* codebook


def _blocks(images):
    """2x2 blocks of ``(N, 1, 8, 8)`` images: ``(N, 4, 4, 4)``."""
    return images.float().view(-1, 4, 2, 4, 2).permute(0, 1, 3, 2, 4).flatten(-2)


def test_a_fit_goes_on_from_a_checkpoint(noise, trainer, checkpoint, tmp_path):
    path, codebook = checkpoint
    data = noise(_other_codec("fitted"), cache_dir=tmp_path / "elsewhere")
    assert not torch.equal(data.codec.codebook, codebook)
    run, module = trainer(max_epochs=3), task(data)
    run.fit(module, data, ckpt_path=path)
    assert run.current_epoch == 3
    assert torch.equal(data.codec.codebook, codebook)
    assert torch.equal(data._dataset("train").codes, data.codec.encode(pixels(data, "train")))


def test_a_stem_adapts_after_another_run_loaded_a_checkpoint(noise, trainer, checkpoint):
    path, _ = checkpoint
    data, run = noise(VQ((2, 2), 8)), trainer()
    run.test(task(data), data, ckpt_path=path)
    module = task(data)
    run.fit(module, data)
    assert len(module.stem.adapted) == 1


def test_nested_codecs_are_in_the_checkpoint(noise, trainer, tmp_path, monkeypatch):
    def make(cache):
        return noise(Decoded(VQ((2, 2), 8)), train_codecs={1: Decoded(VQ((2, 2), 4))}, cache_dir=tmp_path / cache)

    data, run = make("a"), trainer()
    run.fit(task(data), data)
    run.save_checkpoint(tmp_path / "run.ckpt")
    monkeypatch.setattr(VQ, "fit", _no_fit)
    fresh = make("b")
    trainer().test(task(fresh), fresh, ckpt_path=tmp_path / "run.ckpt")
    assert torch.equal(fresh.codec.codec.codebook, data.codec.codec.codebook)
    assert torch.equal(fresh.codecs.of("train", 1).codec.codebook, data.codecs.of("train", 1).codec.codebook)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"codec": VQ((2, 2), 4)}, r"trained on codes of codec = VQ\(.*levels=8.*, but this datamodule has .*levels=4"),
        ({"codec": VQ((4, 4), 8)}, r"trained on codes of codec = VQ\(block=\(2, 2\).*has VQ\(block=\(4, 4\)"),
        ({"codec": PCM()}, r"trained on codes of codec = VQ\(.*has .*PCM\(bit_width=8\)"),
    ],
)
def test_another_codec_than_the_checkpoints_is_an_error(noise, trainer, checkpoint, arguments, message):
    module = Recorder()
    module.strict_loading = False
    with pytest.raises(MisconfigurationException, match=message):
        trainer().test(module, noise(**arguments), ckpt_path=checkpoint[0])


def test_the_codebook_is_fitted_once_to_the_training_signals(noise, trainer, monkeypatch):
    fits: list[torch.Tensor] = []
    fit = VQ.fit

    def counted(self, signals):
        signals = list(signals)
        fits.append(torch.cat(signals))
        return fit(self, signals)

    monkeypatch.setattr(VQ, "fit", counted)
    first, second = noise(VQ((2, 2), 8)), noise(VQ((2, 2), 8))
    trainer().fit(Recorder(), first)
    trainer().fit(Recorder(), second)
    assert len(fits) == 1
    assert torch.equal(fits[0], pixels(first, "train"))
    assert first.codec.fingerprint() == second.codec.fingerprint()


# Missing pieces.


@pytest.mark.parametrize(
    "arguments",
    [{"val_fraction": 1.0}, {"val_fraction": -0.1}, {"batch_size": 0}, {"batch_size": "8"}, {"num_workers": -1}],
)
def test_numbers_out_of_range(noise, arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=name):
        noise(PCM(), **arguments).train_dataloader()


@pytest.mark.parametrize(
    ("missing", "stage"), [("train", "train_dataloader"), ("test", "test_dataloader"), ("test", "predict_dataloader")]
)
def test_a_missing_split_is_one_sentence(noise, monkeypatch, missing, stage):
    monkeypatch.delitem(noise.totals, missing)
    with pytest.raises(MisconfigurationException, match=rf"^Noise has no {missing} split; return one from signals"):
        getattr(noise(PCM()), stage)()


def test_no_signals_to_fit_to(noise, monkeypatch):
    monkeypatch.delitem(noise.totals, "train")
    with pytest.raises(MisconfigurationException, match=r"codec = VQ\(.*\) is not fitted, and there are no train sig"):
        noise(VQ((2, 2), 8)).test_dataloader()


def test_no_signal_shape(tmp_path):
    with pytest.raises(MisconfigurationException, match=r"Shapeless .*signal_shape"):
        _ = type("Shapeless", (EncodedDataModule,), {})(PCM(), root=tmp_path).spec


def test_a_codec_class_in_place_of_a_codec(noise):
    with pytest.raises((TypeError, ValueError), match="codec"):
        noise(PCM).prepare_data()


def test_another_spec_than_the_tasks(noise, trainer):
    other = noise(VQ((2, 2), 8))
    with pytest.raises(MisconfigurationException, match=r"build the task with spec=datamodule.spec"):
        trainer().fit(task(other), noise(PCM()))


def test_signals_that_the_codec_does_not_take(noise):
    with pytest.raises(ValueError, match=r"PCM with 16 bits takes signals of torch.int16; got torch.uint8"):
        noise(PCM(16)).prepare_data()


class OtherDigits(Digits):
    """The same data under another name."""


def test_a_checkpoint_of_other_data_is_not_used_with_another_codebook(tmp_path, trainer):
    data = Digits(VQ((2, 2), 16), cache_dir=tmp_path / "cache")
    task = ClassificationTask(data.spec, 10, stem=Bits, backbone=MLP)
    fitted = trainer()
    fitted.fit(task, data)
    path = tmp_path / "other.ckpt"
    fitted.save_checkpoint(path)
    other = OtherDigits(VQ((2, 2), 16, seed=7), cache_dir=tmp_path / "cache")
    with pytest.raises(MisconfigurationException, match=r"trained on codes of codec = VQ\(.*seed=0.*has VQ\(.*seed=7"):
        trainer().test(task, other, ckpt_path=path)


def test_another_codec_is_named_before_the_shapes_of_weights(tmp_path, trainer):
    data = Digits(VQ((2, 2), 16), cache_dir=tmp_path / "cache")
    task = ClassificationTask(data.spec, 10, stem=Bits, backbone=MLP)
    fitted = trainer()
    fitted.fit(task, data)
    path = tmp_path / "other.ckpt"
    fitted.save_checkpoint(path)
    coarse = Digits(VQ((4, 4), 16), cache_dir=tmp_path / "cache")
    task = ClassificationTask(coarse.spec, 10, stem=Bits, backbone=MLP)
    with pytest.raises(MisconfigurationException, match=r"codec = VQ\(.*2, 2.*this datamodule has VQ\(.*4, 4"):
        trainer().test(task, coarse, ckpt_path=path)


def test_nested_targets_of_numpy(noise, tmp_path):
    box = {"box": np.ones((2, 4)), "id": np.int32(3)}
    dataset = _encoded_with_targets(tmp_path, [box] * 4)
    assert dataset[0][1]["id"] == 3
    assert torch.equal(dataset[0][1]["box"], torch.ones(2, 4, dtype=torch.float64))


def test_targets_that_no_file_can_hold(tmp_path):
    with pytest.raises(ValueError, match="targets are numbers, texts, tensors or arrays"):
        _encoded_with_targets(tmp_path, [object()] * 4)


def test_signals_that_are_no_tensors(tmp_path):
    data = type("Arrays", (Digits,), {"signals": lambda self, split: [(np.zeros((1, 8, 8)), 0)] * 20})
    with pytest.raises(ValueError, match=r"got \(ndarray, int\): turn images to uint8 by"):
        data(PCM(), cache_dir=tmp_path).setup("test")


def _encoded_with_targets(folder, targets):
    class Targets(EncodedDataModule):
        signal_shape = (1, 8, 8)

        def signals(self, split):
            return [(torch.zeros(1, 8, 8, dtype=torch.uint8), target) for target in targets]

    data = Targets(PCM(), cache_dir=folder)
    data.setup("test")
    return data.test_dataloader().dataset


def test_codecs_for_classes_that_there_are_not(tmp_path):
    data = Digits(PCM(), cache_dir=tmp_path, train_codecs={10: Decoded(PCM())})
    with pytest.raises(MisconfigurationException, match=r"train_codecs names the classes \[10\]; .* 0 to 9"):
        data.setup("fit")


def test_codecs_of_classes_whose_number_is_not_stated(tmp_path):
    class Uncounted(EncodedDataModule):
        signal_shape = (1, 8, 8)

        def signals(self, split):
            return [(torch.zeros(1, 8, 8, dtype=torch.uint8), label) for label in (0, 1)]

    data = Uncounted(PCM(), cache_dir=tmp_path, test_codecs={1: Decoded(PCM())})
    data.setup("test")
    assert len(data.test_dataloader().dataset) == 2


# Sounds, and augmentations that want to know the codec.


class Filling(nn.Module):
    """Remembers what it was adapted to, and when it was called."""

    def __init__(self):
        super().__init__()
        self.adapted = []

    def adapt(self, codecs, spec, statistics):
        self.adapted.append(([codec.fingerprint() for codec in codecs], spec, statistics))

    def forward(self, code):
        assert self.adapted
        return code


def test_augmentations_are_adapted_before_training_also_within_others(noise, trainer):
    inner = Filling()
    data = noise(Xor(3), augmentation=nn.Sequential(inner, nn.Identity()))
    trainer().fit(Recorder(), data)
    ((codecs, spec, statistics),) = inner.adapted
    assert codecs == [data.codec.fingerprint()]
    assert spec == data.spec
    assert torch.equal(statistics.mean, data.statistics.mean)


def test_augmentations_are_adapted_to_the_codec_of_training_examples(noise, trainer):
    inner = Filling()
    trainer().fit(Recorder(), noise(Xor(3), train_codecs=Xor(5), augmentation=inner))
    assert inner.adapted[0][0] == [Xor(5).fingerprint()]


def test_augmentations_are_adapted_to_the_codec_of_a_checkpoint(noise, trainer, checkpoint, tmp_path):
    path, codebook = checkpoint
    inner = Filling()
    data = noise(_other_codec("fitted"), cache_dir=tmp_path / "elsewhere", augmentation=inner)
    own = data.codec.fingerprint()
    trainer(max_epochs=2).fit(task(data), data, ckpt_path=path)
    assert torch.equal(data.codec.codebook, codebook)
    assert [codecs for codecs, *_ in inner.adapted] == [[data.codec.fingerprint()]] != [[own]]


def test_the_codec_of_an_example(noise):
    data = noise(Xor(1), train_codecs={0: Xor(2)}, test_codecs=Xor(4))
    masks = [
        data.codec_for(split, label).mask
        for split, label in (("train", 0), ("train", torch.tensor(0)), ("val", 1), ("test", 0))
    ]
    assert masks == [2, 2, 1, 4]


def test_a_datamodule_of_another_rate_than_its_codecs(noise, monkeypatch):
    codec = Xor()
    codec.sample_rate = 24_000
    assert noise(codec).spec.shape == (1, 8, 8)  # the data state none
    monkeypatch.setattr(noise, "sample_rate", 16_000)
    with pytest.raises(MisconfigurationException, match="expects sounds of 24000 Hz, but Noise has 16000 Hz"):
        noise(codec).prepare_data()


class Fetching(Xor):
    """A codec that needs something from elsewhere before it encodes."""

    def __init__(self, mask=0):
        super().__init__(mask)
        self.fetched = 0

    def prepare(self):
        self.fetched += 1

    def encode(self, signal):
        assert self.fetched == 1
        return super().encode(signal)


def test_codecs_fetch_what_they_need_in_prepare_data_only(cache_dir):
    first, other, view = Fetching(), Fetching(1), Fetching(2)
    data = Digits(first, cache_dir=cache_dir, test_codecs=Decoded(other, view))
    data.prepare_data()
    assert (first.fetched, other.fetched, view.fetched) == (1, 1, 1)
    data.setup("fit")
    data.setup("test")
    assert (first.fetched, other.fetched, view.fetched) == (1, 1, 1)
