"""What TensorBoard gets of a codec: read back from its files, against the signals themselves."""

import io
import itertools
import warnings

import numpy as np
import pytest
import soundfile
import torch
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import IterableDataset, TensorDataset

from lossy_lightning.callbacks import ReconstructionMonitor
from lossy_lightning.callbacks._distortion import distortion, log_power
from lossy_lightning.codecs import JPEG, PCM, VQ
from lossy_lightning.core import Codec, CodeSpec
from lossy_lightning.data import AudioFolder, Digits, EncodedDataModule, JPEGFolder
from tests.callbacks.foreign import Foreign, loader
from tests.data.test_encoded import Recorder


class Coarse(Codec):
    """16-bit samples without their last 8 bits."""

    idempotent = True

    def __init__(self, keeps_phase=True):
        self.keeps_phase = keeps_phase

    def encode(self, signal):
        return (signal >> 8).to(torch.int8)

    def decode(self, code, shape=None):
        return code.to(torch.int16) << 8

    def spec(self, shape):
        return CodeSpec.uniform(shape, -128, 127, ordinal=True)


class Tones(EncodedDataModule):
    """Sounds of a rising tone, 1 000 samples a second."""

    signal_shape = (1, 2000)
    num_classes = 2
    sample_rate = 1000

    def signals(self, split):
        if split == "val":
            return None
        time = torch.arange(2000)
        tones = [(20_000 * torch.sin(time * (0.3 + 0.1 * i))).to(torch.int16)[None] for i in range(12)]
        return TensorDataset(torch.stack(tones), torch.arange(12) % 2)


class Pictures(EncodedDataModule):
    """Noise in colour, its class codecs of unlike quality."""

    signal_shape = (3, 16, 24)
    num_classes = 2

    def signals(self, split):
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (8, 3, 16, 24), generator=generator).to(torch.uint8)
        return None if split == "val" else TensorDataset(images, torch.arange(8) % 2)


def fit(data, folder, *, num_examples=3, module=None, **arguments):
    """Fit for one epoch; metrics, and what TensorBoard's files hold."""
    run = Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=TensorBoardLogger(folder, name="run"),
        callbacks=[ReconstructionMonitor(num_examples)],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        **arguments,
    )
    run.fit(module or Recorder(), data)
    events = EventAccumulator(run.logger.log_dir, {"images": 0, "audio": 0, "tensors": 0})
    events.Reload()
    metrics = {k: float(v) for k, v in run.callback_metrics.items() if k.startswith("reconstruction")}
    return metrics, events


def image(events, tag):
    (event,) = events.Images(tag)
    return np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))


def beside(picture, height, width):
    """Pictures ``(height, width, 3)`` side by side below their captions, at their own size."""
    scale = -(-176 // width)
    body = picture[-height * scale :][::scale, ::scale]
    assert (picture[: -height * scale] == 0).any()  # black letters
    return np.split(body, body.shape[1] // width, axis=1)


def text(events):
    (event,) = events.Tensors("reconstruction/text_summary")
    return event.tensor_proto.string_val[0].decode()


def test_sounds_are_players_and_pictures(tmp_path):
    data = Tones(Coarse(), tmp_path, val_fraction=0)
    metrics, events = fit(data, tmp_path)
    signals = [data.signals("train")[i][0] for i in (0, 6, 11)]  # evenly spaced
    measures = []
    for number, signal in enumerate(signals):
        decoded = signal >> 8 << 8
        measures.append(distortion(signal[None], decoded[None]))
        for name, want in (("original", signal), ("decoded", decoded)):
            (event,) = events.Audio(f"reconstruction/{number}/{name}")
            heard, rate = soundfile.read(io.BytesIO(event.encoded_audio_string), dtype="int16")
            assert rate == 1000
            assert np.abs(heard - want[0].numpy().astype(int)).max() <= 1
    for name in ("snr", "log_spectral_distance"):
        want = np.mean([measure[name] for measure in measures])
        assert metrics[f"reconstruction/{name}"] == pytest.approx(want, rel=1e-4)
    assert metrics["reconstruction/bits_per_sample"] == 8
    assert metrics["reconstruction/kbits_per_second"] == 8
    (scalar,) = events.Scalars("reconstruction/snr")
    assert scalar.value == pytest.approx(metrics["reconstruction/snr"])
    assert len(text(events).splitlines()) == 2 + 3


def test_the_picture_of_a_tone_has_its_line_at_its_frequency(tmp_path):
    _, events = fit(Tones(PCM(16), tmp_path, val_fraction=0), tmp_path)
    for number, step in enumerate((0.3, 0.9, 1.4)):
        picture = image(events, f"reconstruction/{number}/spectrogram")[..., 0]
        above, below = np.split(picture, 2)
        scale = picture.shape[1] // log_power(torch.zeros(2000), 512, 128)[0].shape[1]
        original, decoded = (part[-257 * scale :][::scale, ::scale] for part in (above, below))
        assert np.array_equal(original, decoded)
        row = 256 - original.astype(float).mean(1).argmax()  # low frequencies at the bottom
        assert abs(row - step / (2 * np.pi) * 512) <= 1


def test_codecs_that_do_not_keep_the_phase_have_no_snr(tmp_path):
    metrics, events = fit(Tones(Coarse(keeps_phase=False), tmp_path), tmp_path)
    assert "reconstruction/snr" not in metrics
    assert "reconstruction/log_spectral_distance" in metrics
    assert text(events).count("phase not kept") == 3


def test_images_are_pictures_original_on_the_left(tmp_path):
    data = Pictures(JPEG(30), tmp_path, train_codecs={1: JPEG(95)})
    metrics, events = fit(data, tmp_path, num_examples=2)
    ratios, sizes = [], []
    for number, (index, codec) in enumerate(((0, JPEG(30)), (7, JPEG(95)))):
        signal = data.signals("train")[index][0]
        code = codec.encode(signal)
        decoded = codec.decode(code, (3, 16, 24))
        picture = image(events, f"reconstruction/{number}")
        left, right = beside(picture, 16, 24)
        assert np.array_equal(left, signal.movedim(0, -1))
        assert np.array_equal(right, decoded.movedim(0, -1))
        ratios.append(10 * np.log10(255**2 / float((decoded.double() - signal.double()).square().mean())))
        sizes.append(8 * len(codec.write(code, (3, 16, 24))) / signal.numel())
    assert metrics["reconstruction/psnr"] == pytest.approx(np.mean(ratios), rel=1e-4)
    assert metrics["reconstruction/file_bits_per_sample"] == pytest.approx(np.mean(sizes), rel=1e-5)
    assert "reconstruction/kbits_per_second" not in metrics


def test_grey_images_and_a_codec_without_loss(tmp_path):
    metrics, events = fit(Digits(PCM(), tmp_path), tmp_path, num_examples=1)
    picture = image(events, "reconstruction/0")
    left, right = beside(picture, 8, 8)
    assert np.array_equal(left, right)
    assert metrics == {"reconstruction/bits_per_sample": 8, "reconstruction/psnr": np.inf}


def test_files_that_hold_codes_have_no_originals(tmp_path):
    for split in ("train", "test"):
        for name in ("a", "b"):
            path = tmp_path / "images" / split / name / "1.jpg"
            path.parent.mkdir(parents=True)
            noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(noise).save(path, quality=75)
    data = JPEGFolder(JPEG(75), tmp_path / "images", crop=32, val_fraction=0)
    metrics, events = fit(data, tmp_path)
    assert len(beside(image(events, "reconstruction/0"), 32, 32)) == 1
    assert set(metrics) == {"reconstruction/bits_per_sample", "reconstruction/file_bits_per_sample"}


class Streamed(LightningDataModule):
    """Somebody's codes in a stream, which has no index and no length."""

    codec, spec = PCM(), PCM().spec((1, 8, 8))

    def signals(self, split):
        return None

    def codes(self, split):
        class Stream(IterableDataset):
            def __iter__(self):
                return ((torch.full((1, 8, 8), i, dtype=torch.uint8), i % 2) for i in itertools.count())

        return Stream()

    def codec_for(self, split, target):
        return self.codec

    def train_dataloader(self):
        return loader()

    val_dataloader = train_dataloader


def test_the_first_examples_of_a_stream_are_shown(tmp_path):
    metrics, events = fit(Streamed(), tmp_path, module=Foreign())
    assert [int(beside(image(events, f"reconstruction/{i}"), 8, 8)[0].max()) for i in range(3)] == [0, 1, 2]
    assert metrics == {"reconstruction/bits_per_sample": 8}


def test_sounds_of_mixed_lengths_and_stereo(tmp_path):
    for i in range(8):
        path = tmp_path / "sounds" / "ab"[i % 2] / f"{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.random.default_rng(i).normal(0, 0.1, (900 + 100 * i, 2)), 8000)
    data = AudioFolder(PCM(16), tmp_path / "sounds", 8000, mono=False)
    metrics, events = fit(data, tmp_path)
    assert metrics["reconstruction/bits_per_sample"] == 16
    assert metrics["reconstruction/kbits_per_second"] == pytest.approx(256)
    lengths = [events.Audio(f"reconstruction/{i}/decoded")[0].length_frames for i in range(3)]
    assert lengths == [data.signals("train")[i][0].shape[1] for i in (0, 2, len(data.signals("train")) - 1)]


def test_random_numbers_stay(tmp_path):
    class Drawing(Recorder):
        def training_step(self, batch):
            self.drawn = torch.rand(3)
            return super().training_step(batch)

    drawn = []
    for num_examples in (1, 5):
        torch.manual_seed(4)
        module = Drawing()
        data = Tones(VQ((8,), 16), tmp_path, val_fraction=0, transform=torch.clone)
        data.prepare_data()
        torch.manual_seed(4)
        fit(data, tmp_path, num_examples=num_examples, module=module)
        drawn.append(module.drawn)
    assert torch.equal(*drawn)


def test_any_other_datamodule_is_one_warning(tmp_path):
    monitor = ReconstructionMonitor()
    run = Trainer(
        accelerator="cpu", max_epochs=1, logger=False, callbacks=[monitor], enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, default_root_dir=tmp_path,
    )  # fmt: skip
    with pytest.warns(UserWarning, match="ReconstructionMonitor shows nothing: it needs a datamodule .* got loaders"):
        run.fit(Foreign(), loader(shuffle=True), loader())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monitor.on_train_start(run, Foreign())
    assert not [name for name in run.callback_metrics if name.startswith("reconstruction")]


def test_no_examples():
    with pytest.raises(ValueError, match="num_examples is at least 1; got 0"):
        ReconstructionMonitor(0)
