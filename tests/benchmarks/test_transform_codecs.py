"""The study of transform codecs, shorter and on made-up images."""

import sys

import numpy as np
import pytest
import torch

from benchmarks.accuracy import transform_rates
from experiments.transform_codecs import speech, study, tables
from lossy_lightning.codecs import JPEG, MDCT, PCM, BandShapes, DeadZone, TransformCodec, Wavelet
from lossy_lightning.functional import quality_tables
from tests.codecs.transform.images import smooth


@pytest.fixture
def folder(tmp_path):
    """A cache of a few images, as the scripts keep it."""
    for split, count in (("train", 256), ("test", 64)):
        labels = np.arange(count) % 10
        np.savez(tmp_path / f"{split}.npz", images=smooth(count, 3, 32, 32).numpy(), labels=labels)
    return tmp_path


def test_networks_keep_to_the_budget():
    from lossy_lightning.profiling import count_macs

    for channels, side in ((3, 32), (192, 4)):
        width = study.within_budget(channels, side)
        code = torch.zeros(1, channels, side, side)
        macs = sum(count_macs(study.network(channels, side, width).eval(), code).values())
        assert 0.9 * study.BUDGET < macs <= study.BUDGET


def test_smaller_pixels_have_the_signals_size_again():
    codec = study.Smaller(4)
    images = smooth(2, 3, 32, 32)
    assert codec.encode(images).shape == (2, 3, 8, 8)
    assert codec.decode(codec.encode(images), (3, 32, 32)).shape == images.shape
    assert codec.spec((3, 32, 32)).num_bits == 3 * 64 * 8


def test_the_study_runs_and_what_is_there_is_not_run_again(folder, monkeypatch, capsys):
    codecs = {"pixels": PCM(), "wavelet": TransformCodec(Wavelet(2), DeadZone(1.0))}
    monkeypatch.setattr(study, "rows", lambda images: codecs)
    monkeypatch.setattr(sys, "argv", ["study", "--epochs", "1", "--seeds", "0", "--folder", str(folder)])
    study.main()
    first = capsys.readouterr().out
    assert first.count("| wavelet |") == 1
    monkeypatch.setattr(study, "run", lambda *_: pytest.fail("run again"))
    study.main()
    assert capsys.readouterr().out.split("\n")[:3] == first.split("\n")[:3]


def test_learned_tables_are_those_of_files(folder):
    found = tables.learn(10, 1, 0, folder)["tables"]
    assert torch.tensor(found).shape == (2, 8, 8)
    assert found != quality_tables(10).tolist()
    codec = JPEG(10, "4:4:4", quantization_tables=found)
    images = smooth(8, 3, 32, 32)
    size = tables.file_size(codec, images)
    other = tables.of_size(size, images)
    assert abs(tables.file_size(other, images) - size) < 0.1 * size


def test_rates_of_batches_and_single_images_agree():
    images, codec = smooth(3, 3, 16, 16), TransformCodec(Wavelet(1), DeadZone(1.0))
    one, many = transform_rates.point(codec, [images]), transform_rates.point(codec, list(images))
    assert one.bits == pytest.approx(many.bits)
    assert one.psnr == pytest.approx(many.psnr)
    assert transform_rates.point(PCM(), [images]).psnr == float("inf")


def noise(*shape):
    return (3000 * torch.randn(shape, generator=torch.Generator().manual_seed(0))).to(torch.int16)


def test_codes_of_speech_are_compared(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(speech, "BUDGET", 150_000)
    monkeypatch.setattr(speech, "clips", lambda: noise(32, 1, 16_000))
    monkeypatch.setattr(speech, "split", lambda name, fold: (noise(32, 1, 16_000), torch.arange(32) % 8))
    few = ["speech", "--epochs", "1", "--folds", "0", "--rows", "log-mel", "MDCT, PVQ", "--folder", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", few)
    speech.main()
    told = capsys.readouterr().out
    assert "| log-mel |" in told
    assert "| MDCT, PVQ |" in told


def test_even_steps_take_the_bits_that_they_are_given():
    lines = MDCT(64)(noise(1, 8000))
    decoded = transform_rates.uniform(lines, 2.0 * lines.numel())
    step = decoded[decoded > 0].min()
    quantizer = DeadZone(float(step), 0.5)
    assert transform_rates.sound_bits(quantizer, quantizer.encode(lines)) / lines.numel() == pytest.approx(2, abs=0.05)


def test_bands_take_what_all_take():
    lines = MDCT(256)(noise(1, 8000))
    quantizer = BandShapes(256, 16_000)
    code = quantizer.encode(lines)
    assert float(quantizer.band_bits(code).sum()) / 256 == pytest.approx(quantizer.rate(code))
    assert len(transform_rates.band_rows(lines)) == 1 + len(quantizer.shapes)
