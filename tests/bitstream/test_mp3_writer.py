"""Levels to MP3 files."""

import io
import re

import numpy as np
import pytest
import soundfile

from lossy_lightning.bitstream.mp3 import info_frame, read_frames, write_frames
from lossy_lightning.bitstream.mp3._bands import LONG_BANDS
from lossy_lightning.bitstream.mp3._codes import CODE_OF_TABLE, LINBITS, pair_codes, quad_codes

from .mp3_files import JOINT, KBIT, MID_SIDE, MONO, free, lame, made, silent, size_of, vectors

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


def least_bits(levels):
    """Bits of a long block's levels by the best of all codings, by trying them: the first five places at which
    quadruples may begin, every pair of regions, every table (ISO 11172-3, 2.4.1.7, table B.7)."""
    pairs = abs(levels.astype(int)).reshape(288, 2)
    costs = {}
    for table, code in enumerate(CODE_OF_TABLE.tolist()):
        if code == 0:
            lengths, linbits, most = np.zeros((16, 16), int), 0, 0 if table == 0 else -1
        else:
            words, linbits = pair_codes()[code], int(LINBITS[table])
            lengths = np.full((16, 16), 0)
            lengths[words[:, 2], words[:, 3]] = words[:, 1]
            most = words[:, 2].max() + (1 << linbits) - 1
        low = np.minimum(pairs, 15)
        each = lengths[low[:, 0], low[:, 1]] + (pairs > 0).sum(1) + (linbits * (pairs >= 15).sum(1) if linbits else 0)
        costs[table] = np.concatenate([[0], np.where(pairs.max(1) > most, 1 << 30, each).cumsum()])
    bounds, best = LONG_BANDS[0, 0] // 2, 1 << 30
    end = int(np.flatnonzero(levels).max(initial=-1)) + 1
    first = (int(np.flatnonzero(abs(levels) > 1).max(initial=-1)) + 2) // 2
    for start in range(first, min(first + 5, (end + 1) // 2 + 1)):
        bits = min(quads(levels[2 * start :], code) for code in quad_codes())

        def region(a, b, start=start):
            a, b = min(a, start), min(b, start)
            return min(cost[b] - cost[a] for cost in costs.values()) if b > a else 0

        for one in range(1, 17):
            for two in range(one + 1, min(one + 8, 22) + 1):
                parts = region(0, bounds[one]), region(bounds[one], bounds[two]), region(bounds[two], 288)
                best = min(best, bits + sum(parts))
    return best


def quads(levels, code):
    """Bits of quadruples up to the last level that is not 0; more than any if a quadruple would end behind the last."""
    count = -(-(int(np.flatnonzero(levels).max(initial=-1)) + 1) // 4)
    if 4 * count > len(levels):
        return 1 << 30
    found = (levels[: 4 * count].reshape(count, 4) != 0).astype(int)
    lengths = dict(code[:, [2, 1]].tolist())
    return sum(lengths[quad] for quad in (found @ [8, 4, 2, 1]).tolist()) + int(found.sum())


@pytest.mark.parametrize("seed", range(3))
def test_tables_are_the_best_of_the_standard(seed):
    generator = np.random.default_rng(seed)
    frames = silent(44_100, MONO, 320, 4)
    for granule in range(8):
        loud = np.repeat([(9000, 60, 14, 4)[granule % 4], 6, 2, 1, 0], [12, 30, 60, 200, 274])
        drawn = generator.integers(-loud, loud + 1).clip(-8206, 8206)
        frames.levels[granule, 0] = drawn * (generator.random(576) < (0.9, 0.4)[granule // 4])
    read = read_frames(write_frames(frames))
    assert (read.levels == frames.levels).all()
    assert read.granules["part2_3_length"][:, 0].tolist() == [least_bits(levels[0]) for levels in frames.levels]


def test_what_does_not_fit_takes_from_all_frames_before():
    """Frames before it move to the front, as far as 511 bytes allow; what they hold stays as it was."""
    frames = silent(44_100, MONO, 32, 12)
    full = made(44_100, MONO, kbit=320, count=2)
    frames.levels[10:14] = full.levels
    frames.granules[10:14] = full.granules
    read = read_frames(write_frames(frames, larger=False))
    assert (read.levels == frames.levels).all()
    assert (read.frames["header"] == frames.frames["header"]).all()
    assert read.frames["main_data_begin"][5] == 5 * (size_of(44_100, 32) - 4 - 17)
    assert read.frames["main_data_begin"][4] == 4 * (size_of(44_100, 32) - 4 - 17)


def test_frames_that_are_too_small_alone_get_larger():
    frames = made(44_100, JOINT, MID_SIDE, 320, count=6)
    frames.frames["header"] = frames.frames["header"] & 0xFFFF0FFF | 5 << 12  # 64 kbit/s
    frames.frames["size"] = size_of(44_100, 64)
    frames.levels[:4] = frames.levels[8:] = 0
    written = read_frames(write_frames(frames))
    assert (written.levels == frames.levels).all()
    index = (written.frames["header"] >> 12 & 15).tolist()
    assert index[0] == index[1] == index[4] == index[5] == 5
    assert max(index[2:4]) > 5
    assert written.frames["size"].tolist() == [size_of(44_100, KBIT[True][i]) for i in index]
    room = 8 * (written.frames["size"].astype(int) - 36)
    bits = written.granules["part2_3_length"].reshape(6, -1).sum(1, dtype=int)
    begin = 8 * written.frames["main_data_begin"].astype(int)
    enlarged = [i for i in (2, 3) if index[i] > 5]
    for i in enlarged:  # the next smaller one would not do
        assert bits[i] > begin[i] + 8 * (size_of(44_100, KBIT[True][index[i] - 1]) - 36)
    with pytest.raises(ValueError, match=r"frame \d+ needs \d+ bits, and there are \d+; larger=True") as told:
        write_frames(frames, larger=False)
    frame, needed, there = (int(number) for number in re.findall(r"\d+", str(told.value)))
    assert (frame, needed) == (enlarged[0], bits[enlarged[0]])
    assert there == begin[frame] + 8 * (size_of(44_100, 64) - 36)
    assert room[frame] + begin[frame] >= needed > there


def test_frames_that_cannot_get_larger_are_told():
    frames = made(44_100, MONO, kbit=320, count=3)
    frames.levels[:] = np.random.default_rng(0).integers(-300, 301, frames.levels.shape)
    with pytest.raises(ValueError, match="granule 0, channel 0: its levels take more than 4095 bits"):
        write_frames(frames)
    frames = made(44_100, MONO, kbit=128, count=3)
    with pytest.raises(ValueError, match=r"frame 0 needs \d+ bits, and there are \d+; no frame is larger"):
        free(frames, 100)
    frames.granules["scale_factors"][0, 0, 20] = 9  # of 3 bits at most
    with pytest.raises(ValueError, match="granule 0, channel 0: its scale factors have no code"):
        write_frames(frames)


def test_granules_that_do_not_change_keep_their_coding():
    frames = read_frames(lame(44_100, 1, 64))
    levels = frames.levels.copy()
    levels[7, 0, 4] += 1
    written = read_frames(write_frames(frames._replace(levels=levels)))
    others = np.arange(len(levels)) != 7
    for name in (*MEANING, "part2_3_length", "big_values", "table_select", "region0_count", "count1_table"):
        assert (written.granules[name][others] == frames.granules[name][others]).all(), name
    assert (written.levels == levels).all()


def test_numbers_out_of_range_are_told():
    frames = made(44_100, MONO, kbit=320, count=2)
    for name, value, most in (("subblock_gain", 8, 7), ("table_select", 32, 31), ("scalefac_compress", 16, 15)):
        granules = frames.granules.copy()
        granules[name] = value
        with pytest.raises(ValueError, match=f"{name} must be 0 to {most}; got {value}"):
            write_frames(frames._replace(granules=granules))
