"""Levels to MP3 files."""

import io

import numpy as np
import pytest
import soundfile

from lossy_lightning.bitstream.mp3 import info_frame, read_frames, write_frames

from .mp3_files import lame, vectors

SETTINGS = [(44_100, 2, 128), (48_000, 1, 32), (24_000, 2, 64), (16_000, 1, 8)]
MEANING = ("global_gain", "block_type", "mixed", "preflag", "scalefac_scale", "subblock_gain", "scale_factors")
CHOICES = ("part2_3_length", "big_values", "table_select", "region0_count", "region1_count", "count1_table", "stuffing")


def assert_same_sound(one, other):
    assert (one.levels == other.levels).all()
    for name in MEANING:
        assert (one.granules[name] == other.granules[name]).all(), name


@pytest.mark.parametrize(("sample_rate", "channels", "bit_rate"), SETTINGS)
def test_what_is_not_changed_is_written_as_it_was(sample_rate, channels, bit_rate):
    data = lame(sample_rate, channels, bit_rate)
    assert data.endswith(write_frames(read_frames(data)))  # before it stands LAME's own frame, or nothing


def test_vectors_are_written_as_they_were():
    for name, data in vectors().items():
        if name not in ("l3-compl", "l3-nonstandard-sideinfo-size", "l3-nonstandard-vbrtag-empty", "l3-sin1k0db"):
            assert data.endswith(write_frames(read_frames(data)))


@pytest.mark.parametrize(("sample_rate", "channels", "bit_rate"), SETTINGS)
def test_tables_chosen_anew_are_no_worse_than_those_of_lame(sample_rate, channels, bit_rate):
    frames = read_frames(lame(sample_rate, channels, bit_rate))
    granules = frames.granules.copy()
    for name in CHOICES:
        granules[name] = 0
    written = read_frames(write_frames(frames._replace(granules=granules, spare=b"")))
    assert_same_sound(written, frames)
    assert (written.granules["part2_3_length"] <= frames.granules["part2_3_length"]).all()


@pytest.mark.parametrize(("sample_rate", "channels", "bit_rate"), SETTINGS)
def test_changed_levels_are_written_and_played(sample_rate, channels, bit_rate):
    frames, generator = read_frames(lame(sample_rate, channels, bit_rate)), np.random.default_rng(0)
    shape = frames.levels.shape
    change = generator.integers(-3, 4, shape) * (generator.random(shape) < 0.03)
    changed = frames._replace(levels=(frames.levels + change).astype(np.int16))
    data = write_frames(changed)
    assert_same_sound(read_frames(data), changed)
    header = int(changed.frames["header"][0])
    told = info_frame(header, sample_rate, len(changed.frames), len(data), 0, 0)  # else its length is a guess
    played, rate = soundfile.read(io.BytesIO(told + data))
    assert rate == sample_rate
    assert 0 <= 576 * shape[0] - len(played) <= 1152  # the decoder's delay may be cut off
    with pytest.raises(ValueError, match=r"frame \d+ needs \d+ bits, and there are \d+; larger=True"):
        write_frames(changed, larger=False)


def test_a_level_of_linbits_is_written():
    frames = read_frames(lame(44_100, 1, 320))
    levels = frames.levels.copy()
    levels[5, 0, :3] = 8206, -8206, -15
    assert (read_frames(write_frames(frames._replace(levels=levels))).levels == levels).all()
    levels[5, 0, 0] = 8207
    with pytest.raises(ValueError, match="levels must be -8206 to 8206"):
        write_frames(frames._replace(levels=levels))


def test_what_makes_no_frames_is_told():
    frames = read_frames(lame())
    with pytest.raises(ValueError, match="sample_rate must be one of"):
        write_frames(frames._replace(sample_rate=44_000))
    with pytest.raises(ValueError, match="do not go with"):
        write_frames(frames._replace(sample_rate=48_000))
    with pytest.raises(ValueError, match="levels must be int16"):
        write_frames(frames._replace(levels=frames.levels[:-1]))
    with pytest.raises(ValueError, match="there is no frame"):
        write_frames(frames._replace(levels=frames.levels[:0], frames=frames.frames[:0], granules=frames.granules[:0]))
