"""The study of what a number is worth: codecs of few numbers, what reads them, and the way from trials to tables."""

import json
import sys

import numpy as np
import pytest
import torch

from experiments.codecs import arms, networks, study, tables
from experiments.codecs.arms import LATENTS, PIXELS, Arm
from experiments.codecs.numbers import Resampled, TrainedAlong, lowest, resampling, strongest
from experiments.transform_codecs import study as transforms
from lossy_lightning.codecs import JPEG, PCM, VQ, DeadZone, Factorized, Hyperprior, TransformCodec, Wavelet
from lossy_lightning.nn import GDNDecoder, GDNEncoder, WaveletDecoder, WaveletEncoder
from tests.codecs.transform.images import smooth

IMAGES = smooth(64, 3, 32, 32)
LINEAR = Factorized(WaveletEncoder(12), WaveletDecoder(12, []), 12, exact=False)


def error(codec, images=IMAGES):
    return float((codec.decode(codec.encode(images)).float() - images).square().mean())


def numbers():
    return [Resampled("lanczos"), strongest(IMAGES), lowest(IMAGES, (6, 3, 3)), LINEAR]


@pytest.mark.parametrize("codec", numbers(), ids=lambda codec: type(codec).__name__)
def test_numbers_are_192_of_8_bits(codec):
    code = codec.encode(IMAGES)
    spec = codec.spec((3, 32, 32))
    spec.check(code[0])
    assert code[0].numel() == 192
    assert {*spec.bit_widths} == {8}
    image = 127.5 * networks.Restored(codec.decoder)(code) + 127.5
    assert (image.round().clamp(0, 255) - codec.decode(code)).abs().max() <= 1


def test_resamplers_and_blocks_are_what_they_are_called():
    down = resampling("box", 32, 8)
    assert (down @ IMAGES.float() @ down.T).allclose(torch.nn.functional.avg_pool2d(IMAGES.float(), 4), atol=1e-3)
    assert error(lowest(IMAGES, (64, 64, 64))) < 2
    assert error(strongest(IMAGES)) < min(error(lowest(IMAGES, counts)) for counts in ((4, 4, 4), (6, 3, 3)))


def test_pixels_take_the_bits_of_latents():
    other = strongest(IMAGES)
    pixels = arms.of_equal_bits("box", other, IMAGES)
    assert arms.bits(pixels, IMAGES) == pytest.approx(arms.bits(other, IMAGES), rel=0.02)
    assert pixels.step != 1


def learned(kind, **more):
    return kind(GDNEncoder(24, hidden=[8]), GDNDecoder(24, hidden=[8]), 24, exact=False, **more)


@pytest.mark.parametrize(
    ("codec", "fine", "shape"),
    [
        (PCM(), False, (3, 32, 32)),
        (JPEG(25, "4:4:4"), False, (3, 16, 16)),
        (TransformCodec(Wavelet(2), DeadZone(1.0)), False, (48, 8, 8)),
        (VQ((2, 2), 16).fit([IMAGES]), False, (12, 16, 16)),
        (learned(Factorized), False, (24, 8, 8)),
        (learned(Hyperprior, hyper_dim=8), False, (24, 8, 8)),
        (LINEAR, False, (12, 4, 4)),
        (LINEAR, True, (3, 32, 32)),
        (TrainedAlong(strongest(IMAGES)), True, (3, 32, 32)),
    ],
    ids=["pixels", "jpeg", "wavelet", "vq", "factorized", "hyperprior", "latents", "decoded", "trained"],
)
def test_networks_read_codes(codec, fine, shape):
    model = networks.network(codec, fine, 4)
    code = codec.encode(IMAGES[:2])
    assert model[0](code).shape[1:] == model[0].shape == shape
    assert model(code).shape == (2, 10)


def test_numbers_that_are_trained_start_as_components_and_learn():
    components = strongest(IMAGES)
    model = networks.network(TrainedAlong(components), True, 4).train()
    image = model[0](IMAGES)
    assert (image - components.decoder(components.encode(IMAGES).float())).abs().max() < 0.02
    image.square().sum().backward()
    directions = model[0].decoder
    assert all(each.grad.abs().sum() > 0 for each in (directions.analysis.weight, directions.expansion.weight))
    frozen = networks.network(components, True, 4)[0]
    assert not any(each.requires_grad for each in frozen.parameters())


def test_decoders_count_in_the_budget(monkeypatch):
    monkeypatch.setattr(networks, "BUDGET", 0.3)
    heavy = Factorized(WaveletEncoder(12), WaveletDecoder(12), 12, exact=False)
    with pytest.raises(ValueError, match="leaves nothing"):
        networks.fitted(heavy, True)
    unit = networks.fitted(LINEAR, True)
    assert networks.macs(LINEAR, True, unit) <= 3e5 < networks.macs(LINEAR, True, unit + 1)


def test_all_codecs_are_there(monkeypatch):
    assert len(arms.CODECS) == 1 + 2 * 9
    assert {Arm(name, False) for name in arms.CODECS} == {*arms.PARTS["codecs"]}
    monkeypatch.setattr(transforms, "nearest", lambda codecs, *_: next(iter(codecs)))
    others = {*arms.THRESHOLDS, *arms.FITTED, *arms.TRAINED}
    assert {name for name in arms.CODECS if name not in others} <= transforms.rows(IMAGES).keys()


@pytest.fixture
def told(tmp_path, tiny_data, monkeypatch):
    """Arguments of a short study in a folder of few images."""
    for split, count in (("train", 80), ("test", 20)):
        (tmp_path / "images").mkdir(exist_ok=True)
        images = smooth(count, 3, 32, 32).numpy()
        np.savez(tmp_path / "images" / f"{split}.npz", images=images, labels=np.arange(count) % 10)
    monkeypatch.setenv("LOSSY_DATA", str(tiny_data))
    monkeypatch.setattr(study, "fitted", lambda *_: 2)
    monkeypatch.setattr(study, "EPOCHS_OF_TRIALS", 1)
    monkeypatch.setattr(study, "RECIPES", tmp_path / "recipes.json")
    monkeypatch.setitem(arms.NUMBERS, PIXELS, ("box",))
    monkeypatch.setitem(arms.NUMBERS, LATENTS, ("[]",))
    short = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=1", "--trainer.limit_val_batches=1"]
    names = [PIXELS, arms.EQUAL_BITS, LATENTS, "thresholds, 1"]
    return ["study", "--epochs", "1", "--seeds", "0", "--names", *names, "--folder", str(tmp_path), *short]


def test_from_trials_to_tables(told, tmp_path, monkeypatch, capsys):
    def main(*more):
        monkeypatch.setattr(sys, "argv", [*told, *more])
        study.main()
        return capsys.readouterr().out

    with pytest.raises(SystemExit, match="--trials and --choose"):
        main()
    main("--trials")
    main("--choose")
    recipes = json.loads((tmp_path / "recipes.json").read_text())
    assert {len(each) for each in recipes["trials"].values()} == {2}
    first = main()
    assert first.count(f"| {arms.EQUAL_BITS} |") == 2
    assert "| thresholds, 1 |" in first
    monkeypatch.setattr(study, "run", lambda *_: pytest.fail("run again"))
    page = tmp_path / "page.md"
    page.write_text("".join(f"<!-- table codecs-{name} -->\n<!-- end of table -->\n" for name in ("numbers", "all")))
    main("--finished", "--update", str(page), "--draw", str(tmp_path / "all.svg"))
    assert page.read_text().count("| thresholds, 1 |") == 1
    assert (tmp_path / "all.svg").exists()


def test_what_is_said_of_linear_analysis():
    def runs(*shares):
        each = [np.arange(100) < share for share in shares]
        return [{"examples": 100, "right": np.packbits(right).tobytes().hex()} for right in each]

    found = {Arm(PIXELS, True): runs(50, 51), Arm(LATENTS, True): runs(55, 56)}
    assert tables.verdict(found) == "On 32x32, linear analysis is 3 points above pixels."
    found[Arm(LATENTS, True)] = runs(52, 53)
    assert "not 3 points" in tables.verdict(found)
