import math
from functools import partial

import pytest
import torch
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer, seed_everything
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torchmetrics.image import MultiScaleStructuralSimilarityIndexMeasure
from vector_quantize_pytorch import VectorQuantize

from lossy_lightning.cli import main
from lossy_lightning.codecs import PCM, VQVAE, Factorized, Hyperprior
from lossy_lightning.codecs.learned import Compressed
from lossy_lightning.data import Digits
from lossy_lightning.nn import MLP, ConvDecoder, ConvEncoder, GDNDecoder, GDNEncoder
from lossy_lightning.tasks import JointTask, RateDistortionTask, VQVAETask
from lossy_lightning.tasks.rate_distortion import RateDistortion


def make_codec(kind=Factorized):
    seed_everything(0, verbose=False)
    return kind(GDNEncoder(4, [8], 1), GDNDecoder(4, [8], 1), dim=4, channels=1)


def trainer(**kwargs):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    return Trainer(**{"max_epochs": 1, "enable_checkpointing": False, **quiet, **kwargs})


@pytest.fixture
def digits(cache_dir):
    return Digits(PCM(), cache_dir=cache_dir)


@pytest.mark.parametrize("kind", [Factorized, partial(Hyperprior, hyper_dim=4)], ids=["factorized", "hyperprior"])
def test_it_learns_and_its_files_are_as_small_as_it_says(digits, kind):
    task = RateDistortionTask(digits.spec, make_codec(kind), 0.01, partial(torch.optim.Adam, lr=3e-3))
    fit = trainer(max_epochs=6)
    fit.fit(task, digits)
    names = ("loss", "bits_per_pixel", "psnr")
    assert set(fit.callback_metrics) == {f"{split}_{name}" for split in ("train", "val") for name in names}
    (before,) = trainer().test(RateDistortionTask(digits.spec, make_codec(kind)), digits, verbose=False)
    (tested,) = fit.test(task, digits, verbose=False)
    assert tested["test_psnr"] > before["test_psnr"] + 3
    images = torch.stack([image for image, _ in digits.signals("test")])
    codec = task.codec
    codes = codec.encode(images)
    spent = [8 * (len(codec.write(code, (1, 8, 8))) - 14 - 3 * 4 - 4) for code in codes]
    # A file is a whole number of 32-bit words, here of few values.
    assert sum(spent) / images.numel() == pytest.approx(tested["test_bits_per_pixel"], abs=0.51)
    mse = (codec.decode(codes, (1, 8, 8)).double() - images).square().flatten(1).mean(1)
    assert tested["test_psnr"] == pytest.approx(float((10 * torch.log10(255**2 / mse)).mean()), abs=0.1)


def test_a_greater_weight_buys_a_better_picture_with_more_bits(digits):
    figures = []
    for weight in (1e-4, 0.1):
        task = RateDistortionTask(digits.spec, make_codec(), weight, partial(torch.optim.Adam, lr=3e-3))
        fit = trainer(max_epochs=5)
        fit.fit(task, digits)
        figures.append(fit.test(task, digits, verbose=False)[0])
    poor, fine = figures
    assert fine["test_bits_per_pixel"] > poor["test_bits_per_pixel"]
    assert fine["test_psnr"] > poor["test_psnr"]


def test_the_loss_is_the_published_one(digits):
    codec = make_codec().eval()
    task = RateDistortionTask(digits.spec, codec, 0.02)
    image = digits.signals("test")[0][0][None]
    with torch.no_grad():
        reconstruction, bits = codec(image)
    mse = ((reconstruction + 1) / 2 - image / 255).square().mean()
    expected = bits[0] / 64 + 0.02 * 255**2 * mse
    task.log = lambda *args, **kwargs: None
    assert float(task.evaluate(image, "test")[0].detach()) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("kind", ["rate-distortion", "vqvae", "joint"])
def test_padding_is_neither_learned_nor_measured(kind):
    vq = VQVAE(ConvEncoder(4, [8]), VectorQuantize(4, 16), ConvDecoder(4, [8]))
    spec = PCM().spec((1, 8, 8))
    task = {
        "rate-distortion": lambda: RateDistortionTask(spec, make_codec()),
        "vqvae": lambda: VQVAETask(spec, vq),
        "joint": lambda: JointTask(spec, 10, vq, MLP),
    }[kind]()
    task.log = lambda *args, **kwargs: None
    batch = torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]), torch.tensor([[8, 8], [8, 8]])
    task.test_step(batch, 0)
    for step in (task.training_step, task.validation_step, task.test_step):
        with pytest.raises(MisconfigurationException, match="were padded"):
            step((*batch[:2], torch.tensor([[8, 8], [8, 7]])), 1)


def test_figures_are_means_over_examples():
    torch.manual_seed(0)
    signal = torch.rand(3, 3, 176, 180) * 2 - 1
    found = (signal + torch.tensor([0.01, 0.1, 0.3]).view(-1, 1, 1, 1) * torch.randn_like(signal)).clamp(-1, 1)
    measure = RateDistortion()
    measure.update(signal[:1], Compressed(found[:1], torch.tensor([176.0])))
    measure.update(signal[1:], Compressed(found[1:], torch.tensor([176.0, 352.0])))
    figures = {name: float(value) for name, value in measure.compute().items()}
    assert figures["bits_per_pixel"] == pytest.approx(4 / 3 / 180)
    psnr = [10 * math.log10(4 / float(each)) for each in (signal - found).square().flatten(1).mean(1)]
    assert figures["psnr"] == pytest.approx(sum(psnr) / 3, rel=1e-5)
    oracle = MultiScaleStructuralSimilarityIndexMeasure(data_range=2.0)
    assert figures["ms_ssim"] == pytest.approx(float(oracle(found + 1, signal + 1)), rel=1e-4)
    small = RateDistortion()
    small.update(signal[..., :175, :], Compressed(found[..., :175, :], torch.ones(3)))
    assert set(small.compute()) == {"bits_per_pixel", "psnr"}
    sound = RateDistortion()
    sound.update(torch.zeros(2, 3, 8), Compressed(torch.ones(2, 3, 8), torch.tensor([48.0, 96.0])))
    assert float(sound.compute()["bits_per_sample"]) == 3


@pytest.mark.filterwarnings("ignore:LightningCLI.s args parameter:UserWarning")
def test_the_command_line_trains_a_codec_that_its_checkpoint_gives_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    coder = {"dim": 4, "hidden": [8], "channels": 1}
    config = {
        "seed_everything": 0,
        "model": {
            "class_path": "RateDistortionTask",
            "init_args": {
                "codec": {
                    "class_path": "lossy_lightning.codecs.Hyperprior",
                    "init_args": {
                        "encoder": {"class_path": "lossy_lightning.nn.GDNEncoder", "init_args": coder},
                        "decoder": {"class_path": "lossy_lightning.nn.GDNDecoder", "init_args": coder},
                        "dim": 4,
                        "hyper_dim": 4,
                        "channels": 1,
                    },
                }
            },
        },
        "data": {"class_path": "Digits", "init_args": {"codec": "lossy_lightning.codecs.PCM"}},
        "trainer": {
            "max_epochs": 1,
            "accelerator": "cpu",
            "enable_progress_bar": False,
            "logger": {
                "class_path": "lightning.pytorch.loggers.TensorBoardLogger",
                "init_args": {"save_dir": "runs", "name": None, "version": ""},
            },
            "callbacks": [
                {
                    "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
                    "init_args": {"dirpath": "runs", "filename": "codec"},
                }
            ],
        },
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    main(["fit", "--config", "config.yaml"])
    codec = Hyperprior.from_checkpoint("runs/codec.ckpt")
    tables = codec.hyper_tables.clone()
    codec.update_tables()
    assert torch.equal(tables, codec.hyper_tables)  # made of what was learned, when the checkpoint was written
    code = codec.encode(torch.full((1, 8, 8), 100, dtype=torch.uint8))
    assert torch.equal(codec.read(codec.write(code, (1, 8, 8)))[0], code)
    events = EventAccumulator("runs", size_guidance={"images": 0}).Reload()
    (picture,) = events.Images("reconstruction")  # none of the check before training
    assert picture.step > 0
    with pytest.raises(ValueError, match=r"is no Factorized but Hyperprior; take Hyperprior.from_checkpoint$"):
        Factorized.from_checkpoint("runs/codec.ckpt")


def test_mistakes(digits):
    with pytest.raises(ValueError, match="the codec to train is a NonlinearTransform"):
        RateDistortionTask(digits.spec, VQVAE)
    with pytest.raises(ValueError, match="reconstruction_weight is a number of at least 0"):
        RateDistortionTask(digits.spec, make_codec(), reconstruction_weight=-1)
    with pytest.raises(ValueError, match=r"give the datamodule the codec PCM\(bit_width=8\)"):
        RateDistortionTask(make_codec().spec((1, 8, 8)), make_codec())
    with pytest.raises(MisconfigurationException, match="this task was built for samples of"):
        trainer().fit(RateDistortionTask(PCM().spec((1, 9, 8)), make_codec()), digits)
