"""What is measured of codecs, by distances and by a judge, in a function and in a test of any module."""

import warnings

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import IterableDataset, TensorDataset

from lossy_lightning.callbacks import JudgeMonitor, judge_codecs
from lossy_lightning.codecs import JPEG, PCM, VQ, Spectrogram, TransformCodec
from tests.callbacks.foreign import Foreign, loader

IMAGES = torch.randint(256, (3, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
SOUNDS = (1000 * torch.randn(2, 1, 2000, generator=torch.Generator().manual_seed(0))).to(torch.int16)


def means(signals):
    """A judge: scores are means of channels or quarters, features the whole signal."""
    flat = signals.double().flatten(1)
    return flat.unflatten(1, (4, -1)).mean(2), flat


def turned(signal):
    """A codec of one bit a sample that turns the signal upside down."""
    return 255 - signal, float(signal.numel())


def test_a_perfect_codec_agrees_and_a_bad_one_does_not():
    found = judge_codecs({"same": PCM(), "turned": turned}, IMAGES, means, top=2)
    assert found["same"]["bits_per_sample"].tolist() == [8, 8, 8]
    assert found["turned"]["bits_per_sample"].tolist() == [1, 1, 1]
    assert found["same"]["psnr"].isinf().all() or (found["same"]["psnr"] > 90).all()
    for name in ("top_1", "top_2", "cosine"):
        torch.testing.assert_close(found["same"][name], torch.ones(3))
    # the greatest quarter of the original is the least of what is turned
    assert found["turned"]["top_1"].tolist() == [0, 0, 0]
    assert found["turned"]["top_2"].tolist() == [0, 0, 0]
    first = IMAGES[0].double().flatten()
    cosine = first @ (255 - first) / first.norm() / (255 - first).norm()
    assert found["turned"]["cosine"][0] == pytest.approx(float(cosine), abs=1e-5)


def test_sounds_have_spectral_distance_and_scale_invariant_ratio():
    generator = torch.Generator().manual_seed(1)

    def noisy(sound):
        return sound + (100 * torch.randn(sound.shape, generator=generator)).to(torch.int16), 0.0

    found = judge_codecs({"noisy": noisy}, SOUNDS)["noisy"]
    assert {*found} == {"bits_per_sample", "log_spectral_distance", "si_sdr"}
    generator.manual_seed(1)
    clean = SOUNDS[0, 0].double().numpy()
    moved = noisy(SOUNDS[0])[0][0].double().numpy()
    clean, moved = clean - clean.mean(), moved - moved.mean()
    target = clean * (clean @ moved) / (clean @ clean)
    ratio = 10 * np.log10((target @ target) / ((moved - target) @ (moved - target)))
    assert found["si_sdr"][0] == pytest.approx(ratio, abs=1e-3)


def test_no_ratio_without_phase():
    codec = TransformCodec(Spectrogram(), VQ((2, 2), 4)).fit([SOUNDS])
    assert "si_sdr" not in judge_codecs({"vq": codec}, SOUNDS)["vq"]


def test_signals_come_from_a_data_set_of_pairs():
    pairs = TensorDataset(IMAGES, torch.arange(3))
    alone = judge_codecs({"jpeg": JPEG(50)}, IMAGES)["jpeg"]
    torch.testing.assert_close(judge_codecs({"jpeg": JPEG(50)}, pairs)["jpeg"], alone)


@pytest.mark.parametrize(
    ("codecs", "signals", "told"),
    [
        ({}, IMAGES, "got none"),
        ({"pcm": PCM()}, [], "got none"),
        ({"half": lambda signal: (signal[:, :8], 0.0)}, IMAGES, "crop, round and clip"),
    ],
)
def test_what_cannot_be_measured_is_told(codecs, signals, told):
    with pytest.raises(ValueError, match=told):
        judge_codecs(codecs, signals)


def test_monitor_logs_means_in_a_test_of_a_foreign_module(tmp_path):
    monitor = JudgeMonitor({"same": PCM(), "turned": turned}, means, TensorDataset(IMAGES), max_signals=2)
    logger = CSVLogger(tmp_path)
    trainer = Trainer(
        callbacks=[monitor], logger=logger, accelerator="cpu", enable_progress_bar=False, enable_checkpointing=False
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        trainer.test(Foreign(), loader(), verbose=False)
    assert trainer.callback_metrics["judged/same/cosine"] == pytest.approx(1)
    assert trainer.callback_metrics["judged/turned/top_1"] == 0
    assert len(monitor.found["turned"]["psnr"]) == 2
    (text,) = tmp_path.rglob("media/*.md")
    assert "| turned | 1.000 |" in text.read_text()
    assert [path.stem for path in tmp_path.rglob("media/judged/*.png")] == ["first-0"]


def test_sounds_are_shown_as_players_spectrograms_and_waveforms(tmp_path):
    codec = TransformCodec(Spectrogram(), VQ((4, 4), 4)).fit([SOUNDS])
    monitor = JudgeMonitor({"vq": codec}, signals=SOUNDS)
    trainer = Trainer(
        callbacks=[monitor], logger=CSVLogger(tmp_path), accelerator="cpu", enable_progress_bar=False,
        enable_checkpointing=False,
    )  # fmt: skip
    data = LightningDataModule()
    data.sample_rate, data.test_dataloader = 16_000, loader
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        trainer.test(Foreign(), datamodule=data, verbose=False)
    names = {path.name for path in tmp_path.rglob("media/judged/first/*")}
    assert names == {"spectrogram-0.png", "waveform-0.png", "original-0.wav", "vq-0.wav"}


class Stream(IterableDataset):
    """Signals one after another, which tell how many there are."""

    def __len__(self):
        return len(IMAGES)

    def __iter__(self):
        return iter(IMAGES)


@pytest.mark.parametrize("signals", [IMAGES, TensorDataset(IMAGES), Stream(), list(IMAGES)])
def test_signals_of_any_kind_are_measured_in_their_order(signals):
    found = judge_codecs({"turned": turned}, signals)["turned"]
    assert torch.equal(found["psnr"], judge_codecs({"turned": turned}, iter(IMAGES))["turned"]["psnr"])
    monitor = JudgeMonitor({"turned": turned}, signals=signals)
    trainer = Trainer(
        callbacks=[monitor], logger=False, accelerator="cpu", enable_progress_bar=False, enable_checkpointing=False
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        trainer.test(Foreign(), loader(), verbose=False)
    assert torch.equal(monitor.found["turned"]["psnr"], found["psnr"])


def test_monitor_without_signals_warns_once():
    trainer = Trainer(
        callbacks=[JudgeMonitor({"pcm": PCM()})], logger=False, accelerator="cpu", enable_progress_bar=False,
        enable_checkpointing=False,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        with pytest.warns(UserWarning, match="JudgeMonitor measures nothing"):
            trainer.test(Foreign(), loader(), verbose=False)


@pytest.mark.parametrize("codecs", [{}, {"pcm": 3}, {"pcm": PCM}])
def test_monitor_needs_codecs(codecs):
    with pytest.raises(ValueError, match="names one or more codecs"):
        JudgeMonitor(codecs)
