"""Every example runs as it stands, only shorter."""

import importlib.util
import inspect
import os
import re
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lossy_lightning.cli import main

EXAMPLES = Path(__file__).parent.parent / "examples"
SHORT = [
    *("--trainer.max_epochs", "1"),
    *("--trainer.limit_train_batches", "3"),
    *("--trainer.limit_val_batches", "2"),
    *("--trainer.limit_test_batches", "2"),
    *("--trainer.log_every_n_steps", "1"),
    *("--trainer.accelerator", "cpu"),
    *("--trainer.enable_progress_bar", "false"),
]

SLOW = {
    *("speech_lyra_decoded_cnn.yaml", "speech_lyra_decoded_resnet.yaml", "speech_vq_binarynet.yaml"),
    *("imagenette_crops.yaml", "imagenette_deconvolution_rfa.yaml", "imagenette_late_concat.yaml"),
    *("imagenette_lc_rfa_thinner.yaml", "imagenette_resnet50.yaml", "imagenette_upsampling_rfa.yaml"),
    *("mnist_vqvae_bits.yaml", "mnist_vqvae_learned.yaml", "mnist_vqvae_similarity.yaml"),  # these encode all of MNIST
}


MACS = {
    "cifar10_resnet.yaml": {"macs/32bit": 12_133_976},
    "cifar10_space_to_depth.yaml": {"macs/32bit": 11_584_448},
    "cifar10_unfold.yaml": {"macs/32bit": 11_790_272},
    "cifar10_unfold_narrow.yaml": {"macs/32bit": 9_201_280},
    "cifar10_frequencies.yaml": {"macs/32bit": 11_930_112},
    "cifar10_planes_binary.yaml": {"macs/1bit": 5_492_736, "macs/32bit": 1_182_208},
    "imagenette_narrow_resnet50.yaml": {"macs/32bit": 76_769_792},
    "imagenette_narrow_late_concat.yaml": {"macs/32bit": 41_897_472},
    "imagenette_narrow_crops.yaml": {"macs/32bit": 21_376_512},
    "mnist_joint.yaml": {"macs/encoder/32bit": 62_720, "macs/backbone/1bit": 17_280, "macs/backbone/32bit": 0},
    "mnist_joint_codes.yaml": {"macs/1bit": 17_280, "macs/32bit": 0},
    "mnist_joint_wide_codes.yaml": {"macs/1bit": 226_560, "macs/32bit": 0},
    "mnist_joint_float_codes.yaml": {"macs/1bit": 0, "macs/32bit": 258_112},
    "mnist_joint_field.yaml": {"macs/encoder/32bit": 241_472, "macs/backbone/1bit": 17_280, "macs/backbone/32bit": 0},
    "mnist_joint_codes_warm.yaml": {"macs/1bit": 17_280, "macs/32bit": 0},
    "mnist_vqvae_bitwise.yaml": {"macs/encoder/32bit": 241_472},
    "mnist_vqvae_bitwise_codes.yaml": {"macs/1bit": 17_280, "macs/32bit": 0},
    "mnist_vqvae_similarity.yaml": {"macs/1bit": 17_280, "macs/32bit": 0},
    "mnist_vqvae_learned.yaml": {"macs/1bit": 17_280, "macs/32bit": 0},
}
"""Costs that stand beside accuracies in the documentation."""


def names(pattern):
    return sorted(path.name for path in EXAMPLES.glob(pattern))


def marked(names):
    return [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in names]


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    """A cache that the examples share: each codebook is fitted once."""
    return tmp_path_factory.mktemp("examples")


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    """A folder where the examples that others build on leave their checkpoints."""
    return tmp_path_factory.mktemp("workshop")


@pytest.fixture(scope="session")
def small_cifar10(tmp_path_factory):
    """Noise in the folders of CIFAR-10: the real images take long to encode."""
    root = tmp_path_factory.mktemp("data")
    for split, number in product(("train", "test"), range(10)):
        folder = root / "cifar10" / split / f"class{number}"
        folder.mkdir(parents=True)
        for i in range(20):
            noise = np.random.default_rng(i).integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(noise).save(folder / f"{i}.png")
    return root


@pytest.fixture(scope="session")
def small_imagenette(tmp_path_factory):
    """Noise as JPEG files of 224x224: networks of this size take long to train."""
    root = tmp_path_factory.mktemp("imagenette224")
    for split, number, i in product(("train", "val"), range(2), range(4)):
        folder = root / split / f"class{number}"
        folder.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(i).integers(0, 256, (224, 224, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{i}.jpg", quality=75)
    return root


@pytest.fixture(scope="session")
def small_speech(tmp_path_factory):
    """Some clips of each word, and the models of Lyra: all clips take long to encode."""
    real, root = Path(os.environ.get("LOSSY_DATA", "none")), tmp_path_factory.mktemp("speech")
    for word in real.glob("SpeechCommands/speech_commands_v0.02/*"):
        folder = root / word.relative_to(real)
        folder.mkdir(parents=True)
        for file in sorted(word.glob("*.wav"))[:12]:
            (folder / file.name).symlink_to(file)
    (root / "lyra_v2").symlink_to(real.absolute() / "lyra_v2")
    return root


@pytest.fixture(autouse=True)
def _command_line(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["lossy-lightning"])  # Lightning warns of pytest's own


def test_there_are_examples():
    assert {"digits_vq_bnn.yaml", "mnist_baseline.yaml"} <= set(names("*.yaml"))
    assert "own_trainer.py" in names("*.py")


@pytest.mark.parametrize("name", marked(names("*.yaml")))
def test_yaml(name, tmp_path, shared_cache, small_cifar10, small_imagenette, small_speech, workshop, monkeypatch):
    if name.startswith("mnist") and not Path(os.environ.get("LOSSY_DATA", "none"), "MNIST").is_dir():
        pytest.skip("needs $LOSSY_DATA, the folder of MNIST/")
    if name.startswith("speech"):
        if not ((small_speech / "SpeechCommands").is_dir() and (small_speech / "lyra_v2").is_dir()):
            pytest.skip("needs $LOSSY_DATA, the folder of SpeechCommands/ and lyra_v2/")
        monkeypatch.setenv("LOSSY_DATA", str(small_speech))
    elif name.startswith("cifar10"):
        monkeypatch.setenv("LOSSY_DATA", str(small_cifar10))
    elif "LOSSY_DATA" in os.environ:
        monkeypatch.setenv("LOSSY_DATA", str(Path(os.environ["LOSSY_DATA"]).absolute()))
    monkeypatch.chdir(workshop)
    smaller = ["--data.root", str(small_imagenette), "--data.batch_size", "2", "--data.val_fraction", "0.25"]
    run_example(name, tmp_path, shared_cache, smaller if name.startswith("imagenette") else ())
    (run,) = (tmp_path / Path(name).stem).iterdir()
    events = EventAccumulator(str(run))
    events.Reload()
    scalars = set(events.Tags()["scalars"])
    figure = "psnr" if "VQVAETask" in (EXAMPLES / name).read_text() else "acc"
    assert {f"{split}_{kind}" for split in ("train", "val", "test") for kind in ("loss", figure)} <= scalars
    if "ComplexityMonitor" in (EXAMPLES / name).read_text():
        assert any(scalar.startswith("macs/") for scalar in scalars)
    for scalar, figure in MACS.get(name, {}).items():
        assert events.Scalars(scalar)[0].value == figure


def run_example(name, folder, cache_dir, arguments=()):
    """Run an example, after those that it builds on where these have not run yet."""
    for earlier, checkpoint in re.findall(r"runs/(\w+)/(\w+\.ckpt)", (EXAMPLES / name).read_text()):
        if not Path("runs", earlier, checkpoint).exists():
            run_example(f"{earlier}.yaml", folder / "earlier", cache_dir)
    folders = ["--data.cache_dir", str(cache_dir), "--trainer.logger.init_args.save_dir", str(folder)]
    main(["fit", "--config", str(EXAMPLES / name), *SHORT, *folders, *arguments])


def test_trained_on_crops_and_tested_whole(tmp_path, monkeypatch):
    """Images of different size, in batches of one and padded ones: what they lose on average is the same."""
    monkeypatch.chdir(tmp_path)
    for split, number, i in product(("train", "val"), range(2), range(3)):
        folder = tmp_path / "photos" / split / f"class{number}"
        folder.mkdir(parents=True, exist_ok=True)
        size = [(64, 64, 3), (99, 70, 3), (66, 130, 3)][i]
        noise = np.random.default_rng(i).integers(0, 256, size, dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{i}.jpg", quality=75)
    example = ["--config", str(EXAMPLES / "imagenette_crops.yaml"), "--data.root", "photos", "--data.batch_size", "2"]
    for name, narrow in (("luma", "[4, 8]"), ("joint", "[4, 8]"), ("chroma", "[4, 8]"), ("widths", "[4, 4, 4, 4]")):
        example += [f"--model.init_args.backbone.init_args.{name}", narrow]
    main(["fit", *example, *SHORT, "--data.crop", "64", "--data.val_fraction", "0.34", "--test_after_fit", "false"])
    (checkpoint,) = tmp_path.glob("runs/imagenette_crops/version_0/checkpoints/*.ckpt")
    losses = []
    for version, batch_size in ((1, "1"), (2, "6")):
        whole = ["--data.crop", "null", "--data.batch_size", batch_size, "--ckpt_path", str(checkpoint)]
        main(["test", *example, "--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false", *whole])
        events = EventAccumulator(str(tmp_path / "runs" / "imagenette_crops" / f"version_{version}"))
        events.Reload()
        losses.append(events.Scalars("test_loss")[0].value)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.parametrize("name", names("*.py"))
def test_script(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOSSY_DATA", str(tmp_path))
    spec = importlib.util.spec_from_file_location(Path(name).stem, EXAMPLES / name)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    monkeypatch.syspath_prepend(EXAMPLES)  # a spawned process imports the script too
    spec.loader.exec_module(module)
    assert [*inspect.signature(module.main).parameters][-1] == "max_epochs"
    module.main(max_epochs=1)
    assert list(tmp_path.glob("lightning_logs/version_0/checkpoints/*.ckpt"))
