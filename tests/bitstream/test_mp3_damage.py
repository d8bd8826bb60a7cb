"""MP3 files that are damaged, the bit reservoir, and the memory that files take."""

import tracemalloc

import numpy as np
import pytest

from lossy_lightning.bitstream.mp3 import MP3Frames, read_frames, read_headers, read_windows, write_frames

from .mp3_files import MONO, STEREO, ape, id3v1, lame, made, protected, silent, starts

DATA = lame(24_000, 1, 48, 1.0)
WHOLE = read_frames(DATA)
PLACES = [len(DATA) - starts(WHOLE)[-1] + at for at in starts(WHOLE)]


def reaches_back(frames: MP3Frames) -> int:
    """Frames that the one of most bytes in the reservoir takes them from."""
    side = {1: 17, 2: 32} if frames.sample_rate >= 32_000 else {1: 9, 2: 17}
    body = frames.frames["size"].astype(int) - 4 - side[frames.levels.shape[1]]
    most = 0
    for f, wanted in enumerate(frames.frames["main_data_begin"].tolist()):
        count = 0
        while wanted > 0:
            count += 1
            wanted -= body[f - count]
        most = max(most, count)
    return most


def spread(sample_rate: int, mode: int, kbit: int) -> MP3Frames:
    """Frames of few bytes without levels, before one that needs all of the reservoir."""
    empty, full = silent(sample_rate, mode, kbit, 41), made(sample_rate, mode, kbit=kbit, count=1)
    parts = [np.concatenate([empty[i], full[i]]) for i in (1, 2, 3)]
    return MP3Frames(sample_rate, *parts)


@pytest.mark.parametrize(("mode", "kbit", "body"), [(MONO, 8, 11), (STEREO, 16, 27), (MONO, 16, 35)])
def test_a_reservoir_of_many_frames(mode, kbit, body):
    """``body`` bytes of a frame are main data, and up to 255 bytes are in the reservoir."""
    frames = spread(24_000, mode, kbit)
    data = write_frames(frames)
    read = read_frames(data)
    np.testing.assert_array_equal(read.levels, frames.levels)
    assert read.frames["main_data_begin"][-1] == 255
    assert reaches_back(read) == -(-255 // body)
    for first in (20, 40, 41):
        (window,) = read_windows([data], [(first, 42 - first)])
        np.testing.assert_array_equal(window.levels, frames.levels[first:])


@pytest.mark.parametrize(("kbit", "least"), [(8, 9), (48, 2)])
def test_the_reservoir_of_lame(kbit, least):
    data = lame(24_000, 1, kbit, 2.0)
    assert reaches_back(read_frames(data)) >= least


@pytest.mark.parametrize("cut", [3, 10, 25])
def test_a_start_cut_off_inside_the_reservoir(cut):
    """Frames whose main data are lost are left out; from the first whole one on all are there."""
    data, begin = DATA[PLACES[cut] :], WHOLE.frames["main_data_begin"][cut:]
    assert begin[0] > 0
    with pytest.raises(
        ValueError, match=rf"frame 0 at byte 0: {begin[0]} bytes of its main data stand before the first frame"
    ):
        read_frames(data)
    body = WHOLE.frames["size"][cut:].astype(int) - 13
    lost = int((begin > np.concatenate([[0], body.cumsum()[:-1]])).nonzero()[0].max()) + 1
    read = read_frames(data, lenient=True)
    assert read.left_out == lost
    np.testing.assert_array_equal(read.levels, WHOLE.levels[cut + lost :])
    (window,) = read_windows([data], [(lost, 5)])
    np.testing.assert_array_equal(window.levels, WHOLE.levels[cut + lost :][:5])


@pytest.mark.parametrize("cut", [3, 10, 25])
def test_a_start_cut_off_inside_a_frame(cut):
    data = DATA[PLACES[cut] + 7 :]
    with pytest.raises(ValueError, match="file at byte 0: no frame of MPEG-1"):
        read_frames(data)
    read = read_frames(data, lenient=True)
    assert 1 < read.left_out < 6
    np.testing.assert_array_equal(read.levels, WHOLE.levels[cut + read.left_out :])


@pytest.mark.parametrize("junk", [b"junk", bytes(40) + b"\1", bytes(range(256)) * 2, b"\xff\xfb" * 9])
@pytest.mark.parametrize("at", [10, 20])
def test_junk_between_frames(junk, at):
    """It counts as one frame, and so does each whose main data it may have cut."""
    data = DATA[: PLACES[at]] + junk + DATA[PLACES[at] :]
    with pytest.raises(ValueError, match=rf"frame {at} at byte {PLACES[at]}: no frame begins here, where one should"):
        read_frames(data)
    read = read_frames(data, lenient=True)
    gone = len(WHOLE.frames) - len(read.frames)
    assert read.left_out == 1 + gone
    np.testing.assert_array_equal(read.levels, np.delete(WHOLE.levels, np.arange(at, at + gone), 0))
    assert isinstance(read_headers([data])[0], ValueError)


@pytest.mark.parametrize("at", [10, 20])
def test_a_part_of_a_frame_between_frames(at):
    """As in files that were cut and put together: it is taken for a frame, and what follows is lost for a while."""
    data = DATA[: PLACES[at] + 60] + DATA[PLACES[at + 1] :]
    with pytest.raises(ValueError, match=r"frame \d+ at byte \d+: "):
        read_frames(data)
    read = read_frames(data, lenient=True)
    assert read.left_out > 0
    np.testing.assert_array_equal(read.levels[:at], WHOLE.levels[:at])
    np.testing.assert_array_equal(read.levels[-10:], WHOLE.levels[-10:])


@pytest.mark.parametrize("left", [1, 3, 4, 20, 100])
def test_half_a_last_frame(left):
    data = DATA[: PLACES[-2] + left]
    reason = "the data end within the frame" if left >= 4 else "no frame begins here"
    with pytest.raises(ValueError, match=rf"frame {len(WHOLE.frames) - 1} at byte {PLACES[-2]}: {reason}"):
        read_frames(data)
    read = read_frames(data, lenient=True)
    assert read.left_out == 1
    np.testing.assert_array_equal(read.levels, WHOLE.levels[:-1])


def test_side_information_that_cannot_be():
    """Each granule's is tried in turn: what is wrong is told, and a lenient reader leaves the frame out."""
    frames = made(24_000, MONO, kbit=64, mixed=False, count=5)
    wrong = {
        "block type 0 is not allowed": {"block_type": 1, "global_gain": 0},
        "more than 576 levels": {"big_values": 300},
        "Huffman table 4 or 14": {"table_select": 14},
        "longer than it says": {"part2_3_length": 3},
        "longer than its main data": {"part2_3_length": 4095},
    }
    good = write_frames(frames)
    place = starts(read_frames(good))[1] + 4  # of the side information
    for reason, change in wrong.items():
        data = bytearray(good)
        bits = int.from_bytes(data[place : place + 9], "big")
        for name, value in change.items():
            # Bits of main_data_begin and private_bits stand before those of the granule.
            start, size = {
                "part2_3_length": (9, 12), "big_values": (21, 9), "global_gain": (30, 8), "block_type": (47, 1),
                "table_select": (48, 5),
            }[name]  # fmt: skip
            mask = (1 << size) - 1
            bits = bits & ~(mask << (72 - start - size)) | value << (72 - start - size)
            if name == "block_type":
                bits &= ~(3 << (72 - 50))
        data[place : place + 9] = bits.to_bytes(9, "big")
        with pytest.raises(ValueError, match=f"frame 1 at byte {place - 4}: .*{reason}"):
            read_frames(bytes(data))
        read = read_frames(bytes(data), lenient=True)
        assert read.left_out >= 1
        np.testing.assert_array_equal(read.levels[0], frames.levels[0])


def test_main_data_must_not_overlap():
    frames = made(24_000, MONO, kbit=64, count=6)
    data = bytearray(write_frames(frames))
    place = starts(read_frames(bytes(data)))[3]
    data[place + 4] = 255
    with pytest.raises(
        ValueError, match=r"frame 3 at byte \d+: its main data begin \d+ bits before those of the frame"
    ):
        read_frames(bytes(data))


def test_frames_without_room_for_their_side_information():
    """In free format alone frames can be so short; with a CRC, two bytes more are needed."""
    data = bytearray(write_frames(silent(24_000, MONO, 0, 4, 13)))
    for at in range(0, len(data), 13):
        data[at + 1] &= 0xFE
    with pytest.raises(ValueError, match="frame 0 at byte 0: a frame of 13 bytes has no room for its side information"):
        read_frames(bytes(data))
    assert read_frames(bytes(data), lenient=True).left_out == 4


DENSE = {
    "LAME": lame(44_100, 2, 128, 5.0),
    "free format, 36 bytes": write_frames(silent(44_100, STEREO, 0, 9_000, 36)),
    "8 kbit/s": write_frames(silent(24_000, STEREO, 8, 9_000)),
    "headers alone": b"\xff\xf3\x14\xc4" * 60_000,
    "junk": bytes(range(255)) * 1_000,
    "CRCs": protected(silent(24_000, MONO, 16, 4_000))[:-1] + b"\1",
}


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize("data", DENSE.values(), ids=DENSE.keys())
def test_memory_is_bounded_by_the_length_of_a_file(data, lenient):
    """What is handed out takes 136 bytes a byte, and one more for spare bits; twice that while it is read."""
    read_frames(DATA)  # compiled code and tables are there
    tracemalloc.start()
    try:
        frames = read_frames(data, lenient)
        arrays = frames.levels, frames.granules, frames.frames
        assert sum(array.nbytes for array in arrays) <= 136 * len(data)
        assert len(frames.spare) <= len(data)
    except ValueError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak <= 2 * 137 * len(data) + 2**17


@pytest.mark.parametrize("tag", [id3v1(b"in the last frame"), ape(bytes(400))[-60:]])
def test_a_frame_that_ends_as_a_tag_does_is_no_tag(tag):
    """Not even if the tag seems to be longer than the frame, as the one of 432 bytes does."""
    data = bytearray(write_frames(made(24_000, MONO, kbit=64, count=4)))
    assert len(data) // 4 > 128
    data[-len(tag) :] = tag
    frames = read_frames(bytes(data))
    assert len(frames.frames) == read_headers([bytes(data)])[0].num_frames == 4
    assert write_frames(frames) == bytes(data)
