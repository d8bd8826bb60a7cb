import copy
import math
from functools import partial

import pytest
import torch
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader, TensorDataset
from vector_quantize_pytorch import FSQ, LFQ, ResidualVQ, VectorQuantize

from lossy_lightning.cli import main
from lossy_lightning.codecs import PCM, VQ, VQVAE
from lossy_lightning.codecs.learned._signals import to_unit
from lossy_lightning.core import CodeSpec
from lossy_lightning.data import Digits
from lossy_lightning.functional import perplexity
from lossy_lightning.nn import BlockDecoder, BlockEncoder, ConvDecoder, ConvEncoder
from lossy_lightning.tasks import VQVAETask
from lossy_lightning.tasks.reconstruction import Reconstruction

FIGURES = ("loss", "mse", "psnr", "perplexity", "bits_per_sample", "entropy_per_sample")


def lfq():
    """All LFQs share one default activation, so what sets the mode of one sets that of another."""
    return LFQ(dim=4, straight_through_activation=torch.nn.Identity())


def make_codec(quantizer=None, block=(2, 2)):
    seed_everything(0, verbose=False)
    quantizer = quantizer or VectorQuantize(4, 16, decay=0.9, threshold_ema_dead_code=1, kmeans_init=True)
    return VQVAE(BlockEncoder(block, 4, (32,)), quantizer, BlockDecoder(block, 4, (32,)))


def trainer(**kwargs):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    return Trainer(**{"max_epochs": 1, "enable_checkpointing": False, **quiet, **kwargs})


@pytest.fixture
def digits(cache_dir):
    return Digits(PCM(), cache_dir=cache_dir)


# What is logged.


def test_it_learns_to_reconstruct_digits_and_logs_the_figures(digits):
    task = VQVAETask(digits.spec, make_codec(), optimizer=partial(torch.optim.Adam, lr=3e-3))
    fit = trainer(max_epochs=10)
    before = task.codec.codebooks().clone()
    fit.fit(task, digits)
    assert set(fit.callback_metrics) == {f"{split}_{name}" for split in ("train", "val") for name in FIGURES}
    assert not torch.equal(task.codec.codebooks(), before)
    (tested,) = fit.test(task, digits, verbose=False)
    assert set(tested) == {f"test_{name}" for name in FIGURES}
    assert tested["test_psnr"] > 15.5  # 16 words of `VQ` reach 16.0 dB, seeds of this one 15.9 to 16.9
    assert tested["test_perplexity"] > 8


def test_the_figures_are_those_of_the_stored_codes(digits):
    task = VQVAETask(digits.spec, make_codec())
    fit = trainer()
    fit.fit(task, digits)
    (tested,) = fit.test(task, digits, verbose=False)
    signal = torch.stack([signal for signal, _ in digits.signals("test")])
    code = task.codec.encode(signal)
    counts = code.flatten().long().bincount(minlength=16)
    assert tested["test_perplexity"] == pytest.approx(float(perplexity(counts)), rel=1e-4)
    assert tested["test_bits_per_sample"] == pytest.approx(4 / 4)
    assert tested["test_entropy_per_sample"] == pytest.approx(math.log2(perplexity(counts)) / 4, rel=1e-4)
    with torch.no_grad():
        mse = (task(signal) - to_unit(signal)).square().mean()
    assert tested["test_mse"] == pytest.approx(float(mse), rel=1e-4)
    assert tested["test_psnr"] == pytest.approx(10 * math.log10(4 / float(mse)), rel=1e-4)
    decoded = task.codec.decode(code, (1, 8, 8)).double()
    rounded = (decoded - signal.double()).square().mean() / 255**2 * 4
    assert 0.9 * float(mse) < float(rounded) < float(mse)  # clipped, which helps, and rounded


def test_figures_of_a_golden_case():
    measure = Reconstruction((4, 2))
    signal = torch.zeros(2, 1, 4)
    indices = torch.tensor([[[0, 1], [0, 0]], [[2, 3], [1, -1]]])
    measure.update(signal[:1], signal[:1] + 0.1, indices[:1])
    measure.update(signal[1:], signal[1:] + 0.1, indices[1:])
    figures = {name: float(value) for name, value in measure.compute().items()}
    uneven = -(2 / 3 * math.log2(2 / 3) + 1 / 3 * math.log2(1 / 3))
    assert figures == pytest.approx(
        {
            "mse": 0.01,
            "psnr": 10 * math.log10(400),
            "perplexity": (4 + 2**uneven) / 2,
            "bits_per_sample": (2 + 1) / 2,
            "entropy_per_sample": (2 + uneven) / 2,
        },
        rel=1e-5,
    )


@pytest.mark.parametrize(
    "quantizer",
    [ResidualVQ(dim=4, num_quantizers=2, codebook_size=8, quantize_dropout=True), FSQ([4, 4, 4, 4]), lfq()],
    ids=["residual", "fsq", "lfq"],
)
def test_every_quantizer_trains(digits, quantizer):
    task = VQVAETask(digits.spec, make_codec(quantizer), optimizer=partial(torch.optim.Adam, lr=3e-3))
    fit = trainer(max_epochs=2)
    fit.validate(copy.deepcopy(task), digits, verbose=False)
    before = fit.callback_metrics["val_mse"]
    fit.fit(task, digits)
    assert fit.callback_metrics["val_mse"] < before / 2


def test_sounds_train_too():
    sound = (torch.randn(32, 1, 64).cumsum(-1) * 3000).clamp(-32768, 32767).to(torch.int16)
    loader = DataLoader(TensorDataset(sound, torch.zeros(32)), batch_size=8)
    encoder, decoder = ConvEncoder(4, (8, 8), dimensions=1), ConvDecoder(4, (8, 8), dimensions=1)
    task = VQVAETask(PCM(16).spec((1, 64)), VQVAE(encoder, lfq(), decoder))
    fit = trainer()
    fit.fit(task, loader, loader)
    assert fit.callback_metrics["val_bits_per_sample"] == 1


def test_pictures_stand_in_tensorboard(digits, tmp_path):
    logger = TensorBoardLogger(tmp_path)
    trainer(logger=logger).fit(VQVAETask(digits.spec, make_codec()), digits)
    events = EventAccumulator(logger.log_dir)
    events.Reload()
    picture = events.Images("reconstruction")[-1]
    assert (picture.width, picture.height) == (8 * 8, 2 * 8)


# What does not fit.


@pytest.mark.parametrize(
    "spec", [VQ((2, 2), 16).spec((1, 8, 8)), PCM(16).spec((1, 64)), CodeSpec.uniform((1, 8, 8), 0, 15, ordinal=True)]
)
def test_other_codes_than_samples_are_refused(spec):
    with pytest.raises(ValueError, match=r"on samples as they are; .*: give the datamodule .* PCM\(bit_width=8\)"):
        VQVAETask(spec, make_codec())


def test_another_codec_is_refused(digits):
    with pytest.raises(ValueError, match=r"the codec to train is a VQVAE; got PCM\(bit_width=8\)"):
        VQVAETask(digits.spec, PCM())


def test_another_datamodule_is_refused(digits):
    task = VQVAETask(PCM().spec((1, 28, 28)), make_codec())
    with pytest.raises(MisconfigurationException, match=r"build the task with spec=datamodule\.spec"):
        trainer().fit(task, digits)


# From the checkpoint to data.


def init(class_path, **arguments):
    return {"class_path": class_path, "init_args": arguments}


CODEC = init(
    "lossy_lightning.codecs.VQVAE",
    encoder=init("lossy_lightning.nn.BlockEncoder", block=[2, 2], dim=4, hidden=[8]),
    quantizer=init("vector_quantize_pytorch.VectorQuantize", dim=4, codebook_size=16),
    decoder=init("lossy_lightning.nn.BlockDecoder", block=[2, 2], dim=4, hidden=[8]),
)
PIXELS = init("lossy_lightning.codecs.PCM")
TASKS = {
    "vqvae": init("lossy_lightning.tasks.VQVAETask", codec=CODEC),
    "joint": init("lossy_lightning.tasks.JointTask", codec=CODEC, backbone="lossy_lightning.nn.MLP"),
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["lossy-lightning"])
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")

    def run(name, model, codec):
        data = init("lossy_lightning.data.Digits", codec=codec, cache_dir=str(tmp_path / "cache"))
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu", "max_epochs": 1}
        config = tmp_path / f"{name}.yaml"
        trainer = quiet | {"default_root_dir": str(tmp_path / name)}
        config.write_text(yaml.safe_dump({"model": model, "data": data, "trainer": trainer}))
        main(["fit", "--config", str(config)])
        (path,) = (tmp_path / name).glob("lightning_logs/version_0/checkpoints/epoch=*.ckpt")
        return path

    return run


@pytest.mark.parametrize("name", TASKS)
def test_a_checkpoint_of_the_command_line_is_a_codec_of_any_datamodule(run, name, cache_dir):
    path = run(name, TASKS[name], PIXELS)
    codec = VQVAE.from_checkpoint(path)
    state = torch.load(path, weights_only=True)["state_dict"]
    assert any(torch.equal(codec.encoder[0].weight, value) for value in state.values())
    stored = init("lossy_lightning.codecs.VQVAE.from_checkpoint", path=str(path))
    classifier = init("lossy_lightning.tasks.ClassificationTask", stem="lossy_lightning.nn.Bits")
    classifier["init_args"]["backbone"] = "lossy_lightning.nn.MLP"
    run("codes", classifier, stored)
    data = Digits(codec, cache_dir=cache_dir)
    code, _ = next(iter(data.test_dataloader()))
    signals = torch.stack([signal for signal, _ in data.signals("test")][: len(code)])
    assert torch.equal(code, codec.encode(signals))
    relabeled = init("lossy_lightning.codecs.Relabeled", codec=stored, labels="lossy_lightning.codecs.SimilarityLabels")
    run("relabeled", classifier, relabeled)


def test_a_task_made_in_python_brings_its_codec_back(digits, tmp_path):
    fit = trainer(enable_checkpointing=True, default_root_dir=tmp_path)
    task = VQVAETask(digits.spec, make_codec())
    fit.fit(task, digits)
    path = fit.checkpoint_callback.best_model_path
    torch.load(path, weights_only=True)
    loaded = VQVAETask.load_from_checkpoint(path, codec=make_codec())
    signal = torch.stack([signal for signal, _ in digits.signals("test")])
    assert torch.equal(loaded.codec.encode(signal), task.codec.encode(signal))
    with pytest.raises(ValueError, match=r"for one made in Python, load_from_checkpoint\(path, codec=…\)"):
        VQVAE.from_checkpoint(path)


def test_the_cache_tells_two_trained_codecs_apart(cache_dir):
    codec = make_codec(lfq())
    other = copy.deepcopy(codec)
    torch.nn.init.normal_(other.encoder[0].weight)
    first, second = (next(iter(Digits(c, cache_dir=cache_dir).test_dataloader()))[0] for c in (codec, other))
    assert not torch.equal(first, second)
