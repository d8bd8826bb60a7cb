"""The synthesis against two decoders, sample by sample: mpg123, and dr_mp3, which rounds and clips to 16 bits.

Ours is single precision, as theirs: mpg123's samples differ by 1e-6 of full scale at most, and by 2e-6 of the largest
one if that is above; dr_mp3's by a step and a half of 16 bits.
"""

import numpy as np
import pytest

from lossy_lightning.bitstream.mp3 import MP3Frames, info_frame, read_frames, write_frames
from lossy_lightning.functional.mp3 import synthesize
from tests.bitstream.mp3_files import (
    DUAL,
    INTENSITY,
    JOINT,
    MID_SIDE,
    MONO,
    SETTINGS,
    STEREO,
    dr_mp3,
    free,
    lame,
    made,
    mpg123,
    protected,
)

MODES = [(MONO, 0), (STEREO, 0), (DUAL, 0), (JOINT, MID_SIDE), (JOINT, INTENSITY), (JOINT, MID_SIDE | INTENSITY)]


def sound_of(frames: MP3Frames) -> np.ndarray:
    return synthesize(**frames.tensors()).numpy()


def part_of(sound: np.ndarray, data: bytes, samples: int) -> np.ndarray:
    """What decoders leave of the sound if a tag tells delay and padding: they cut off their own delay, too."""
    frames = read_frames(data)
    start, end = 0, sound.shape[1]
    if frames.delay is not None:
        start, end = frames.delay + 529, end + 529 - frames.padding
    assert samples == min(end, sound.shape[1]) - start
    return sound[:, start : start + samples]


def assert_near_mpg123(sound: np.ndarray, data: bytes) -> None:
    other = mpg123(data)
    part = part_of(sound, data, other.shape[1])
    assert np.abs(other - part).max() < 2e-6 * max(1, np.abs(part).max())


def assert_near_dr_mp3(sound: np.ndarray, data: bytes) -> None:
    other = dr_mp3(data)
    part = part_of(sound, data, other.shape[1])
    assert np.abs(other - part.clip(-1, 1)).max() < 1.5 / 2**15


@pytest.mark.parametrize(
    ("sample_rate", "channels", "kbit"), [*SETTINGS, (12_000, 1, 32), (11_025, 2, 64), (8_000, 1, 8)]
)
def test_files_of_lame_sound_alike(sample_rate, channels, kbit):
    for mode in ("CONSTANT", "VARIABLE", "AVERAGE")[: 3 if kbit in (128, 32) else 1]:
        data = lame(sample_rate, channels, kbit, mode=mode)
        sound = sound_of(read_frames(data))
        assert_near_mpg123(sound, data)
        assert_near_dr_mp3(sound, data)


@pytest.mark.parametrize(("mode", "extension"), MODES)
@pytest.mark.parametrize("sample_rate", [48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000])
def test_every_kind_of_block_and_stereo_sounds_alike(sample_rate, mode, extension):
    """Neither decodes all mixed blocks of MPEG-2 and 2.5, which no encoder makes: to mpg123 in MPEG-2.5, and to dr_mp3
    in both, their first region ends elsewhere than the standard says, and mpg123 reads positions of intensity stereo
    from the places of MPEG-1. In MPEG-2 it takes 7 alone for the illegal position, not the largest of any size."""
    kbit = 256 if sample_rate >= 32_000 else 144 if sample_rate >= 16_000 else 128
    plain = write_frames(made(sample_rate, mode, extension, kbit, mixed=False, seed=1))
    mixed = write_frames(made(sample_rate, mode, extension, kbit, seed=1))
    sound = sound_of(read_frames(plain))
    assert_near_mpg123(sound, plain)
    assert_near_dr_mp3(sound, plain)
    sound = sound_of(read_frames(mixed))
    if sample_rate >= 32_000 or (sample_rate >= 16_000 and not extension & INTENSITY):
        assert_near_mpg123(sound, mixed)
    if sample_rate >= 32_000:
        assert_near_dr_mp3(sound, mixed)


def test_free_format_and_crcs_sound_alike():
    for data in (free(made(48_000, STEREO, kbit=256)), protected(made(22_050, JOINT, MID_SIDE, 144, mixed=False))):
        sound = sound_of(read_frames(data))
        assert_near_mpg123(sound, data)
        assert_near_dr_mp3(sound, data)


@pytest.mark.parametrize(("sample_rate", "channels", "kbit"), [(44_100, 2, 128), (24_000, 2, 64), (16_000, 1, 8)])
def test_changed_levels_sound_alike(sample_rate, channels, kbit):
    frames, generator = read_frames(lame(sample_rate, channels, kbit)), np.random.default_rng(0)
    change = generator.integers(-2, 3, frames.levels.shape) * (generator.random(frames.levels.shape) < 0.03)
    changed = frames._replace(levels=(frames.levels + change).astype(np.int16))
    data = write_frames(changed)
    tag = info_frame(int(changed.frames["header"][0]), sample_rate, len(changed.frames), len(data), 576, 1152)
    sound, data = sound_of(changed), tag + data  # without a tag, mpg123 guesses how long a file of changing bit rate is
    assert_near_mpg123(sound, data)
    assert_near_dr_mp3(sound, data)
