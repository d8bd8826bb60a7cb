"""MP3 files to levels."""

import numpy as np
import pytest

from lossy_lightning.bitstream.mp3 import read_frames, read_frames_batch, read_headers, read_windows

from .mp3_files import KBIT, SETTINGS, lame, vectors


@pytest.mark.parametrize(("sample_rate", "channels", "bit_rate"), SETTINGS)
def test_granules_end_where_they_say(sample_rate, channels, bit_rate):
    frames = read_frames(lame(sample_rate, channels, bit_rate))
    assert frames.sample_rate == sample_rate
    assert frames.levels.shape[1:] == (channels, 576)
    assert frames.granules["stuffing"].max() == 0
    assert set(np.unique(frames.granules["block_type"])) == {0, 1, 2, 3}
    index = frames.frames["header"] >> 12 & 15
    assert {KBIT[sample_rate >= 32_000][i] for i in index} == {bit_rate}


def test_vectors_are_read_whole():
    counts = {}
    files = vectors()
    with pytest.raises(ValueError, match="no frame of MPEG-1"):
        read_frames(files.pop("l3-nonstandard-sideinfo-size"), lenient=True)
    for name, data in files.items():
        frames = read_frames(data, lenient=True)
        counts[name] = len(frames.frames), frames.left_out
    assert counts == {
        "M2L3_bitrate_22_all": (476, 0),
        "M2L3_compl24": (212, 0),
        "l3-compl": (216, 1),
        "l3-he_32khz": (150, 0),
        "l3-he_44khz": (410, 0),
        "l3-hecommon": (30, 0),
        "l3-nonstandard-id3v2": (1, 0),
        "l3-nonstandard-vbrtag-empty": (0, 0),
        "l3-si": (118, 0),
        "l3-si_huff": (75, 0),
        "l3-sin1k0db": (315, 4),
    }


def test_threads_read_the_same():
    files = [lame(16_000, 1, 32, seed=i) for i in range(8)]
    for one, two in zip(read_frames_batch(files), read_frames_batch(files, num_threads=2), strict=True):
        assert (one.levels == two.levels).all()
        assert one.granules.tobytes() == two.granules.tobytes()
        assert one.spare == two.spare


def test_a_frame_cut_off_is_left_out():
    data = lame()
    with pytest.raises(ValueError, match=r"frame \d+ at byte \d+: the data end within the frame"):
        read_frames(data[:-10])
    frames, whole = read_frames(data[:-10], lenient=True), read_frames(data)
    assert frames.left_out == 1
    assert (frames.levels == whole.levels[:-2]).all()


def spare_bits(frames):
    """Bits that code nothing, and where those of each frame begin."""
    stuffing = frames.granules["stuffing"].reshape(len(frames.frames), -1).sum(1, dtype=int)
    bounds = np.concatenate([[0], (stuffing + frames.frames["ancillary"]).cumsum()])
    return np.unpackbits(np.frombuffer(frames.spare, np.uint8)), bounds


@pytest.mark.parametrize(("sample_rate", "channels", "bit_rate"), SETTINGS)
def test_windows_are_parts_of_the_whole(sample_rate, channels, bit_rate):
    data, generator = lame(sample_rate, channels, bit_rate), np.random.default_rng(0)
    whole, (header,) = read_frames(data), read_headers([data])
    per_frame, count = header.granules_per_frame, header.num_frames
    assert (per_frame, count) == (len(whole.levels) // len(whole.frames), len(whole.frames))
    bits, bounds = spare_bits(whole)
    for start in generator.integers(0, count + 1, 10).tolist():
        stop = int(generator.integers(start, count + 1))
        (part,) = read_windows([data], [(start, stop - start)])
        assert (part.levels == whole.levels[start * per_frame : stop * per_frame]).all()
        assert (part.granules == whole.granules[start * per_frame : stop * per_frame]).all()
        assert (part.frames == whole.frames[start:stop]).all()
        assert (spare_bits(part)[0][: bounds[stop] - bounds[start]] == bits[bounds[start] : bounds[stop]]).all()


def test_windows_that_leave_the_file_are_told():
    data = lame()
    good, bad, empty = read_windows([data, data, b""], [(3, 2), (3, 100), (0, 0)], num_threads=2)
    assert len(good.frames) == 2
    assert "got a window that ends before frame 103" in str(bad)
    assert "the file is empty" in str(empty)
    with pytest.raises(ValueError, match="for each of 1 files"):
        read_windows([data], [(-1, 2)])
