"""Reading sound files; the oracles are the standard library's `wave`, NumPy and SciPy."""

import shutil
import wave

import numpy as np
import pytest
import scipy.signal
import soundfile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lossy_lightning.data import BadFiles
from lossy_lightning.data.audio import (
    SoundFiles,
    SoundFormat,
    num_channels,
    read_sound,
)
from lossy_lightning.data.bad_files import BadFileLog

WHOLE = SoundFormat(16_000)
OVERSHOOTING = ["baby_cry/2-107351-B.ogg", "dog_bark/3-144028-A.ogg", "fire_crackling/5-186924-A.ogg"]


def noise(*shape):
    return np.random.default_rng(0).integers(-32768, 32768, shape, dtype=np.int16)


def save(path, samples, rate=16_000, **options):
    soundfile.write(path, samples, rate, **options)
    return path


@pytest.mark.parametrize("ending", ["wav", "flac", "aiff"])
def test_16_bit_samples_are_kept(tmp_path, ending):
    samples = noise(2000)
    got = read_sound(save(tmp_path / f"a.{ending}", samples), WHOLE)
    assert got.dtype == torch.int16
    assert np.array_equal(got.numpy(), samples[None])


def test_wave_reads_the_same(data_root):
    folder = data_root / "SpeechCommands/speech_commands_v0.02/yes"
    if not folder.is_dir():
        pytest.skip("needs $LOSSY_DATA/SpeechCommands")
    for path in sorted(folder.glob("*.wav"))[:20]:
        with wave.open(str(path)) as file:
            want = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        assert np.array_equal(read_sound(path, WHOLE)[0].numpy(), want)


def test_float_files_are_scaled_rounded_and_clipped(tmp_path):
    values = np.array([0.0, 0.5, -0.25, 1.0, -1.0, 1.7, -3.0, 0.4999 / 32768, 0.7 / 32768], np.float32)
    got = read_sound(save(tmp_path / "a.wav", values, subtype="FLOAT"), WHOLE)
    assert got.tolist() == [[0, 16384, -8192, 32767, -32768, 32767, -32768, 0, 1]]


@pytest.mark.parametrize("name", OVERSHOOTING)
def test_overshooting_files_are_clipped(data_root, name):
    path = data_root / "esc10" / name
    if not path.is_file():
        pytest.skip("needs $LOSSY_DATA/esc10")
    exact, rate = soundfile.read(path, dtype="float64")
    wrapped, _ = soundfile.read(path, dtype="int16")
    over = np.abs(exact * 32768) >= 32768.5
    assert over.any()  # else this file tests nothing
    got = read_sound(path, SoundFormat(rate))[0].numpy()
    assert np.array_equal(got[over], np.where(exact[over] > 0, 32767, -32768))
    assert np.abs(got[~over] - (exact[~over] * 32768).clip(-32768, 32767)).max() <= 0.51
    assert (np.sign(wrapped[over]) != np.sign(got[over])).any()  # what reading int16 would have given


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_an_error(tmp_path, value):
    path = save(tmp_path / "a.wav", np.array([0, value, 0], np.float32), subtype="FLOAT")
    with pytest.raises(ValueError, match=r"a.wav cannot be read: it has samples that are NaN or infinite"):
        read_sound(path, WHOLE)


def test_files_without_samples_and_files_that_are_none(tmp_path):
    with pytest.raises(ValueError, match=r"silent.wav cannot be read: it has no samples"):
        read_sound(save(tmp_path / "silent.wav", np.zeros(0, np.int16)), WHOLE)
    (tmp_path / "empty.mp3").write_bytes(b"")
    with pytest.raises(ValueError, match=r"empty.mp3 cannot be read: "):
        read_sound(tmp_path / "empty.mp3", WHOLE)
    with pytest.raises(ValueError, match=r"none.wav cannot be read: "):
        read_sound(tmp_path / "none.wav", WHOLE)


def test_an_mp3_that_ends_early_is_an_error(tmp_path):
    path = save(tmp_path / "a.mp3", noise(44_100), 44_100)
    assert read_sound(path, SoundFormat(44_100)).shape == (1, 44_100)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"a.mp3 cannot be read: it is cut off or damaged, \d+ of 40 frames are there"):
        read_sound(path, SoundFormat(44_100))


def test_the_length_that_an_mp3_states_may_be_an_estimate(tmp_path):
    path = tmp_path / "a.mp3"
    soundfile.write(path, noise(132_300), 22_050, compression_level=0.99, bitrate_mode="CONSTANT")
    whole = read_sound(path, SoundFormat(22_050))
    assert 132_300 <= whole.shape[1] < 132_300 + 5 * 576
    assert torch.equal(read_sound(path, SoundFormat(22_050, 2000), 1.0), whole[:, -2000:])


@pytest.mark.parametrize("ending", ["wav", "aiff", "au", "flac", "ogg"])
@pytest.mark.parametrize("num_samples", [None, 1000])
def test_files_that_are_cut_off_are_an_error(tmp_path, ending, num_samples):
    path = save(tmp_path / f"a.{ending}", noise(4000))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(ValueError, match=rf"a.{ending} cannot be read: "):
        read_sound(path, SoundFormat(16_000, num_samples))


def test_a_cut_wav_says_what_is_missing_and_a_streamed_one_is_whole(tmp_path):
    path = save(tmp_path / "a.wav", noise(4000))
    content = path.read_bytes()
    path.write_bytes(content[:-2000])
    with pytest.raises(
        ValueError, match=r"a.wav cannot be read: it is cut off or damaged, 6000 of 8000 bytes of samples"
    ):
        read_sound(path, WHOLE)
    for unknown in (b"\xff\xff\xff\xff", b"\x00\xf0\xff\x7f"):  # written by programs that cannot seek back
        path.write_bytes(content[:40] + unknown + content[44:])
        assert np.array_equal(read_sound(path, WHOLE)[0], noise(4000))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("ending", ["wav", "flac", "ogg"])
def test_damaged_files_are_read_or_named(tmp_path, ending, data):
    path = save(tmp_path / f"a.{ending}", noise(4000))
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        got = read_sound(path, SoundFormat(16_000, 1000))
    except ValueError as error:
        assert str(error).startswith(str(path))  # noqa: PT017
    else:
        assert got.shape == (1, 1000)
        assert got.dtype == torch.int16


def test_channels_are_averaged_or_kept(tmp_path):
    samples = np.array([[100, 200], [-7, -5], [32767, 32767]], np.int16)
    path = save(tmp_path / "a.wav", samples)
    assert read_sound(path, WHOLE).tolist() == [[150, -6, 32767]]
    assert read_sound(path, SoundFormat(16_000, None, channels=2)).tolist() == samples.T.tolist()
    assert num_channels([("nowhere", 0), (str(path), 0)]) == 2
    with pytest.raises(ValueError, match=r"a.wav cannot be read: it has 2 channels, the first file has 3; use mono"):
        read_sound(path, SoundFormat(16_000, None, channels=3))


def test_resampling_keeps_a_tone(tmp_path):
    def tone(rate):
        return 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)

    got = read_sound(save(tmp_path / "a.wav", tone(44_100), 44_100, subtype="FLOAT"), WHOLE)[0].numpy() / 32768
    assert len(got) == 16_000
    assert np.abs(got - tone(16_000))[200:-200].max() < 1e-3
    reference = scipy.signal.resample_poly(tone(44_100), 160, 441)
    assert np.abs(got - reference)[200:-200].max() < 2e-3


@pytest.mark.parametrize(("place", "start"), [(0.0, 0), (0.5, 450), (1.0, 900)])
def test_a_crop_is_a_part_of_the_whole(tmp_path, place, start):
    samples = noise(1000)
    path = save(tmp_path / "a.wav", samples)
    assert np.array_equal(read_sound(path, SoundFormat(16_000, 100), place)[0], samples[start : start + 100])


@pytest.mark.parametrize("ending", ["ogg", "opus", "mp3", "flac"])
def test_a_crop_of_a_compressed_file_is_a_part_of_the_whole(tmp_path, ending):
    time = np.arange(144_000)
    tones = 0.2 * (np.sin(time**2 / 1e5) + np.sin(time / 9)) + np.random.default_rng(0).normal(0, 0.05, len(time))
    options = {"format": "OGG", "subtype": "OPUS"} if ending == "opus" else {}
    path = save(tmp_path / f"a.{ending}", tones, 48_000, **options)
    whole = read_sound(path, SoundFormat(48_000))[0]
    got = read_sound(path, SoundFormat(48_000, 8000), 0.5)[0]
    start = round((len(whole) - 8000) / 2)
    assert (got.int() - whole[start : start + 8000].int()).abs().max() <= 1


def test_only_the_crop_is_read(tmp_path, monkeypatch):
    read = []
    whole = soundfile.SoundFile.read
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda self, n, **k: read.append(n) or whole(self, n, **k))
    read_sound(save(tmp_path / "a.wav", noise(50_000), 32_000), SoundFormat(16_000, 1000))
    assert read == [2000]


def test_short_sounds_are_padded_with_zeros_at_their_end(tmp_path):
    samples = noise(30)
    got = read_sound(save(tmp_path / "a.wav", samples), SoundFormat(16_000, 100))
    assert got[0].tolist() == [*samples.tolist(), *[0] * 70]


def test_random_crops_follow_torchs_seed(tmp_path):
    path = str(save(tmp_path / "a.wav", noise(5000)))
    files = SoundFiles([(path, 3)], SoundFormat(16_000, 100), BadFileLog(BadFiles.REFUSE, "here"), random=True)
    torch.manual_seed(1)
    first, second = files[0], files[0]
    torch.manual_seed(1)
    assert torch.equal(first[0], files[0][0])
    assert not torch.equal(first[0], second[0])
    assert first[1] == 3


def test_bad_files_are_told_from_good_ones(tmp_path):
    good, bad = save(tmp_path / "good.wav", noise(100)), tmp_path / "bad.wav"
    shutil.copy(__file__, bad)
    sounds = SoundFiles([(str(good), 0), (str(bad), 0)], WHOLE, BadFileLog(BadFiles.REFUSE, "here"))
    assert sounds[0][0].shape == (1, 100)
    with pytest.raises(ValueError, match=r"bad.wav: it cannot be opened: .*; repair or remove it, or leave it out"):
        sounds[1]
    with pytest.raises(ValueError, match=r"none of 1 sound files can be opened, such as .*bad.wav"):
        num_channels([(str(bad), 0)])
