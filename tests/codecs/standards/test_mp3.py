"""MP3 codes: what they hold, and that they decode as other decoders' sound."""

import io
import math

import numpy as np
import pytest
import soundfile
import torch

from lossy_lightning.codecs import MP3, PCM, Decoded
from lossy_lightning.core import FileInfo
from lossy_lightning.testing import check_codec

ALL = [(32, 16_000, 1), (8, 16_000, 1), (128, 44_100, 2), (320, 48_000, 2), (64, 24_000, 2), (24, 8_000, 1)]


def sound(channels=1, samples=9216, seed=0):
    """Tones that die away, noise, and a click, which makes short blocks."""
    generator = np.random.default_rng(seed)
    time = np.arange(samples) / 16_000
    tones = sum(np.sin(2 * math.pi * f * time) for f in (300, 1100, 2500)) * np.exp(-3 * time)
    signal = 3000 * tones + 300 * generator.standard_normal((channels, samples))
    signal[:, samples // 2 : samples // 2 + 90] *= 9
    return torch.from_numpy(signal.clip(-32_000, 32_000).astype(np.int16))


def saved(signal, sample_rate, bit_rate):
    """The file that libsndfile makes of a sound."""
    most, least = (320, 32) if sample_rate >= 32_000 else (160, 8) if sample_rate >= 16_000 else (64, 8)
    file = io.BytesIO()
    level = min((most - bit_rate) / (most - least), 0.99)
    samples = signal.numpy().T / 2.0**15
    soundfile.write(file, samples, sample_rate, format="MP3", compression_level=level, bitrate_mode="CONSTANT")
    return file.getvalue()


@pytest.mark.parametrize(("bit_rate", "sample_rate", "channels"), ALL)
def test_sound_is_that_of_another_decoder(bit_rate, sample_rate, channels):
    codec, signal = MP3(bit_rate, sample_rate, channels), sound(channels)
    data = saved(signal, sample_rate, bit_rate)
    code, shape = codec.read(data)
    assert torch.equal(code, codec.encode(signal))
    assert set(codec.spec((channels, None)).split(code)["block_type"].unique().tolist()) >= {0, 1, 2, 3}
    want, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    tagged = len(want) == signal.shape[1]  # libsndfile cuts off delay and padding if a tag tells them
    got = codec.decode(code, (channels, signal.shape[1])) if tagged else codec.decode(code)
    assert np.abs(got.numpy() - (want.T * 2**15).round()).max() <= 1
    assert shape == (channels, signal.shape[1] if tagged else code.shape[1] * 576 - 1152)


@pytest.mark.parametrize(("bit_rate", "sample_rate", "channels"), ALL)
def test_decoded_sound_lies_where_the_signal_does(bit_rate, sample_rate, channels):
    codec, signal = MP3(bit_rate, sample_rate, channels), sound(channels)
    decoded = codec.decode(codec.encode(signal), tuple(signal.shape)).double()
    assert (signal - decoded).square().mean() < 0.3 * signal.double().square().mean()
    late = (signal[:, :-20] - decoded[:, 20:]).square().mean()
    assert (signal - decoded).square().mean() < late


@pytest.mark.parametrize(("bit_rate", "sample_rate", "channels"), ALL)
@pytest.mark.parametrize("samples", [700, 9216])
def test_decoded_by_libsndfile_is_what_the_codec_decodes(bit_rate, sample_rate, channels, samples):
    codec = MP3(bit_rate, sample_rate, channels)
    signals = torch.stack([sound(channels, samples, seed) for seed in range(2)])
    signals[0] = signals[0].double().mul(9).clamp(-(2**15), 2**15 - 1).short()  # decoded samples overshoot
    decoded = Decoded(codec, PCM(16)).encode(signals)
    assert decoded.dtype == torch.int16
    assert (decoded.int() - codec.decode(codec.encode(signals), tuple(signals.shape[1:])).int()).abs().max() <= 1


@pytest.mark.parametrize("sample_rate", [16_000, 44_100])
@pytest.mark.parametrize("samples", [1, 575, 576, 577, 1152, 9000])
def test_grid_is_what_lame_writes(sample_rate, samples):
    codec = MP3(64, sample_rate)
    code = codec.encode(torch.zeros(1, samples, dtype=torch.int16))
    a_frame = 2 if sample_rate == 44_100 else 1
    assert tuple(code.shape[1:]) == codec.spec((1, samples)).grid
    assert code.shape[1] == a_frame * math.ceil((samples + 1152) / (576 * a_frame))


def test_fields_are_named_as_in_the_standard():
    mono, stereo = MP3(sample_rate=16_000).spec((1, 5760)), MP3(channels=2).spec((2, None))
    assert mono.shape == (623, 12)
    assert [(field.name, len(field.low)) for field in stereo.fields] == [
        ("levels", 1152),
        ("global_gain", 2),
        ("scale_factors", 78),
        ("subblock_gain", 6),
        ("block_type", 2),
        ("mixed", 2),
        ("scalefac_scale", 2),
        ("preflag", 2),
        ("mid_side", 1),
        ("intensity", 39),
        ("intensity_scale", 1),
    ]
    assert mono.dtype == stereo.dtype == torch.int16


@pytest.mark.parametrize("channels", [1, 2])
def test_dequantized_codes_of_any_bit_rate_decode_nearly_to_the_sound(channels):
    signal = sound(channels)
    for bit_rate in (64, 192):
        codec, common = MP3(bit_rate, 44_100, channels), MP3(128, 44_100, channels, dequantize=True)
        code, shape = common.read(saved(signal, 44_100, bit_rate))
        common.spec(shape).check(code)
        assert code.shape[0] == 578 * channels
        error = (common.decode(code, shape) - codec.decode(codec.encode(signal), shape)).double()
        assert error.square().mean().sqrt() < 2  # -84 dB
    assert common.steps()["levels"].tolist() == [1] * 576 * channels
    assert codec.steps() is None
    with pytest.raises(ValueError, match="dequantize=True"):
        common.write(code, shape)


def test_files_of_another_format_are_errors_of_their_own():
    codec = MP3(32, 16_000)
    signal = sound()
    good = saved(signal, 16_000, 32)
    files = [good, saved(signal, 24_000, 32), saved(sound(2), 16_000, 64), b"", good[100:7000] + b"\0" * 99]
    *infos, _ = codec.measure(files)
    grid = codec.spec((1, 9216)).grid
    assert infos[0] == FileInfo((1, 576 * grid[0] - 1152), grid)
    rows = torch.empty(5, *grid, 623, dtype=torch.int16).mT
    errors = codec.read_into(files, list(rows))
    assert errors[0] is None
    assert torch.equal(rows[0], codec.encode(signal))
    for error in (infos[1], errors[1]):
        assert "1 channels at 24000 Hz, this codec 1 at 16000 Hz" in str(error)
    assert "2 channels at 16000 Hz" in str(errors[2])
    assert all(isinstance(error, ValueError) for error in (*infos[1:], *errors[1:]))


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"sampling rates of \(8000, .*got sample_rate=96000"):
        MP3(sample_rate=96_000)
    with pytest.raises(ValueError, match=r"at 16000 Hz has \(8, .*got bit_rate=320"):
        MP3(320, sample_rate=16_000)
    with pytest.raises(ValueError, match="1 or 2 channels; got channels=6"):
        MP3(channels=6)
    codec = MP3()
    for signal in (torch.zeros(2, 99, dtype=torch.int16), torch.zeros(1, 99), torch.zeros(1, 0, dtype=torch.int16)):
        with pytest.raises(ValueError, match=r"takes sounds \(\.\.\., 1, samples\) of int16 samples at 44100 Hz"):
            codec.encode(signal)


@pytest.mark.parametrize(("bit_rate", "sample_rate", "channels"), [(32, 16_000, 1), (128, 44_100, 2)])
def test_contract(bit_rate, sample_rate, channels):
    signals = torch.stack([sound(channels, 5760, seed) for seed in range(2)])
    check_codec(MP3(bit_rate, sample_rate, channels), (channels, 5760), signals)
