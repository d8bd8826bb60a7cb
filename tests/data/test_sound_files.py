"""Sound files whose headers misstate or leave out their length, and files that are cut off."""

import struct
import tracemalloc

import numpy as np
import pytest
import scipy.signal
import soundfile
import torch

from lossy_lightning.data import read_sound
from lossy_lightning.data._flac_frames import count_samples
from lossy_lightning.data._mp3_frames import find_frames
from lossy_lightning.data._resampling import block_length, resample
from lossy_lightning.data.audio import SoundFormat, load_sound
from lossy_lightning.data.bad_files import BadFile, Reason

BIT_RATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)


def noise(count):
    return np.random.default_rng(0).normal(0, 0.1, count)


def without_count(path, samples, **options):
    """An MP3 file of variable rate without the first frame, which states the number of the others."""
    soundfile.write(path, samples, 44_100, bitrate_mode="VARIABLE", **options)
    data = path.read_bytes()
    path.write_bytes(data[144_000 * BIT_RATES[data[2] >> 4] // 44_100 + (data[2] >> 1 & 1) :])
    return path


@pytest.mark.parametrize("quiet", [0, 176_400])
def test_mp3_of_variable_rate_is_read_to_its_end(tmp_path, quiet):
    samples = np.concatenate([np.zeros(quiet), 3 * noise(88_200)])
    path = without_count(tmp_path / "a.mp3", samples)
    got = read_sound(path, SoundFormat(44_100))
    assert len(samples) <= got.shape[1] < len(samples) + 4 * 1152
    middle = read_sound(path, SoundFormat(44_100, 1000), 0.5)
    start = round((got.shape[1] - 1000) / 2)
    assert torch.equal(middle, got[:, start : start + 1000])


def test_mp3_that_is_cut_off_is_told_with_and_without_a_count(tmp_path):
    path = tmp_path / "a.mp3"
    soundfile.write(path, noise(88_200), 44_100, bitrate_mode="VARIABLE")
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"it is cut off or damaged, \d+ of 78 frames are there"):
        read_sound(path, SoundFormat(44_100))
    path = without_count(path, noise(88_200))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"it is cut off or damaged, it ends after \d\d frames"):
        read_sound(path, SoundFormat(44_100))
    assert 30_000 < read_sound(path, SoundFormat(44_100, lenient=True)).shape[1] < 60_000


def test_mp3_with_tags_and_junk_around_it(tmp_path):
    path = without_count(tmp_path / "a.mp3", noise(44_100))
    want, data = read_sound(path, SoundFormat(44_100)), path.read_bytes()
    for before, after in ((b"ID3\x04\0\0\0\0\1\0" + bytes(128), b"TAG" + bytes(125)), (bytes(700), b"APETAGEX")):
        path.write_bytes(before + data + after)
        assert torch.equal(read_sound(path, SoundFormat(44_100)), want)


def test_whole_vectors_of_the_standard_are_read(data_root):
    folder = data_root / "mp3_vectors"
    if not folder.is_dir():
        pytest.skip("needs $LOSSY_DATA/mp3_vectors")
    counts = {
        "l3-he_32khz": (150, 32_000),
        "l3-he_44khz": (410, 44_100),
        "l3-compl": (217, 48_000),
        "l3-sin1k0db": (318, 44_100),
        "M2L3_bitrate_22_all": (476, 22_050),
    }
    for name, (count, rate) in counts.items():
        path = folder / f"{name}.bit"
        frames = find_frames(path.read_bytes())
        assert (frames.number, frames.is_cut) == (count, False)
        got = read_sound(path, SoundFormat(rate)).shape[1]
        assert count * frames.samples - 529 - frames.samples <= got <= count * frames.samples


@pytest.mark.parametrize("total", [0, 2**36 - 1, 1000])
@pytest.mark.parametrize("seconds", [None, 1])
def test_flac_with_any_total_has_the_length_of_its_data(tmp_path, total, seconds):
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(48_000), 16_000, subtype="PCM_16")
    want = read_sound(path, SoundFormat(16_000, seconds and 16_000))
    data = bytearray(path.read_bytes())
    data[21:26] = bytes([data[21] & 0xF0 | total >> 32]) + struct.pack(">I", total & 0xFFFFFFFF)
    path.write_bytes(data)
    assert torch.equal(read_sound(path, SoundFormat(16_000, seconds and 16_000)), want)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="its last frame is not whole"):
        read_sound(path, SoundFormat(16_000, seconds and 16_000))
    got = read_sound(path, SoundFormat(16_000, lenient=True))
    assert torch.equal(got, read_sound(path, SoundFormat(16_000, lenient=True)))
    assert 0 < got.shape[1] < 30_000


@pytest.mark.parametrize("count", [1, 4095, 4096, 4097, 600_000])
@pytest.mark.parametrize(("subtype", "channels"), [("PCM_S8", 1), ("PCM_24", 2)])
def test_the_last_frame_of_flac_tells_the_length(tmp_path, count, subtype, channels):
    soundfile.write(tmp_path / "a.flac", np.repeat(noise(count)[:, None], channels, 1), 44_100, subtype=subtype)
    assert count_samples((tmp_path / "a.flac").read_bytes()) == (count, True)


@pytest.mark.parametrize("options", [{}, {"format": "OGG", "subtype": "OPUS"}, {"format": "RF64"}], ids=str)
@pytest.mark.parametrize("num_samples", [None, 1000])
def test_files_that_end_early_are_told_or_read_as_far_as_they_go(tmp_path, options, num_samples):
    path = tmp_path / ("a.wav" if options.get("format") == "RF64" else "a.ogg")
    soundfile.write(path, noise(192_000), 48_000, **options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    bad = load_sound(str(path), SoundFormat(48_000, num_samples), 0.5)
    assert isinstance(bad, BadFile)
    assert bad.reason is Reason.BROKEN
    assert "cut off" in bad.message
    got = read_sound(path, SoundFormat(48_000, num_samples, lenient=True))
    assert got.shape[1] == num_samples or 10_000 < got.shape[1] < 190_000


@pytest.mark.parametrize("subtype", ["GSM610", "G721_32"])
def test_a_kind_that_cannot_seek_is_read_and_then_cropped(tmp_path, subtype):
    path = tmp_path / ("g.wav" if subtype == "GSM610" else "g.au")
    soundfile.write(path, noise(48_000), 16_000, subtype=subtype)
    whole = read_sound(path, SoundFormat(16_000))
    middle = read_sound(path, SoundFormat(16_000, 16_000), 0.5)
    start = round((whole.shape[1] - 16_000) / 2)
    assert torch.equal(middle, whole[:, start : start + 16_000])


def test_each_way_to_fail_has_its_reason(tmp_path):
    def reason(name, form=SoundFormat(16_000)):  # noqa: B008
        bad = load_sound(str(tmp_path / name), form, 0.5)
        return bad.reason if isinstance(bad, BadFile) else None

    soundfile.write(tmp_path / "good.wav", noise(16_000), 16_000)
    (tmp_path / "link.wav").symlink_to("nowhere")
    (tmp_path / "circle.wav").symlink_to("circle.wav")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("text")
    soundfile.write(tmp_path / "silent.wav", np.zeros(0), 16_000)
    soundfile.write(tmp_path / "nan.wav", np.array([np.nan]), 16_000, subtype="FLOAT")
    soundfile.write(tmp_path / "odd.wav", noise(100), 999_983)
    assert reason("good.wav") is None
    assert reason("gone.wav") is reason("link.wav") is Reason.MISSING
    assert reason("circle.wav") is reason("folder.wav") is Reason.UNREADABLE
    assert reason("empty.wav") is reason("silent.wav") is Reason.EMPTY
    assert reason("text.wav") is Reason.FORMAT
    assert reason("nan.wav") is Reason.BROKEN
    assert reason("odd.wav") is reason("good.wav", SoundFormat(16_000, channels=2)) is Reason.UNFIT
    assert reason("good.wav", SoundFormat(16_000, max_seconds=0.9)) is Reason.TOO_LARGE
    assert reason("good.wav", SoundFormat(16_000, 8000, max_seconds=0.9)) is None


@pytest.mark.parametrize(("rate", "wanted"), [(44_100, 16_000), (11_127, 16_000), (8_000, 16_000), (16_001, 16_000)])
@pytest.mark.parametrize("count", [1, 5, 3_000, 300_001])
def test_blocks_are_resampled_as_the_whole(rate, wanted, count):
    sound = np.stack([noise(count), noise(count)[::-1]]).astype(np.float32)
    length = block_length(rate, wanted)
    parts = resample((sound[:, start : start + length] for start in range(0, count, length)), rate, wanted)
    whole = scipy.signal.resample_poly(sound, wanted, rate, axis=1)
    np.testing.assert_allclose(np.concatenate(list(parts), 1), whole, atol=1e-6)


def test_an_odd_rate_and_a_long_sound_take_little_memory(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.repeat(noise(3_000_000)[:, None], 2, 1), 11_127)
    read_sound(path, SoundFormat(16_000, 10))
    tracemalloc.start()
    got = read_sound(path, SoundFormat(16_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert got.shape[1] == -(-3_000_000 * 16_000 // 11_127)
    assert peak < got.nbytes + 50 * 2**20  # the sound has 24 MB as it is read, and 17 MB more resampled
