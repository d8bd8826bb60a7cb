"""MP3 files that are allowed but odd: free format, CRCs, tags, frames without sound, mixed blocks, changing modes."""

import numpy as np
import pytest

from lossy_lightning.bitstream.mp3 import MP3Frames, info_frame, read_frames, read_headers, read_windows, write_frames

from .mp3_files import (
    DUAL,
    INTENSITY,
    JOINT,
    MID_SIDE,
    MONO,
    STEREO,
    ape,
    crc16,
    free,
    header_of,
    id3v1,
    id3v2,
    lame,
    lyrics3,
    made,
    protected,
    silent,
    size_of,
    starts,
)

MEANING = ("global_gain", "block_type", "mixed", "preflag", "scalefac_scale", "subblock_gain", "scale_factors")
RATES = [48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000]
PLAIN = lame(16_000, 1, 32, 0.2)  # LAME writes no frame without sound here


def assert_same(one: MP3Frames, other: MP3Frames) -> None:
    np.testing.assert_array_equal(one.levels, other.levels)
    for name in MEANING:
        np.testing.assert_array_equal(one.granules[name], other.granules[name], name)


@pytest.mark.parametrize(
    ("mode", "extension"),
    [(MONO, 0), (STEREO, 0), (DUAL, 0), (JOINT, MID_SIDE), (JOINT, INTENSITY), (JOINT, MID_SIDE | INTENSITY)],
)
@pytest.mark.parametrize("sample_rate", RATES)
def test_every_version_mode_and_kind_of_block(sample_rate, mode, extension):
    frames = made(sample_rate, mode, extension, 256 if sample_rate >= 32_000 else 128)
    assert (frames.granules["mixed"] & (frames.granules["block_type"] == 2)).any()
    data = write_frames(frames)
    read = read_frames(data)
    assert read.sample_rate == sample_rate
    assert_same(read, frames)
    tensors = read.tensors()
    assert (tensors["mid_side"] == (mode == JOINT and extension & MID_SIDE > 0)).all()
    if mode != JOINT or not extension & INTENSITY:
        assert (tensors["intensity"] == -1).all()
        assert not tensors["intensity_scale"].any()
    elif sample_rate < 32_000:
        assert set(tensors["intensity_scale"]) == {0, 1}
    assert read_headers([data])[0][:2] == (sample_rate, 1 if mode == MONO else 2)


def test_positions_of_mpeg_2_are_illegal_if_all_their_bits_are_set():
    frames = made(24_000, JOINT, INTENSITY, 144, mixed=False)
    frames.granules["scale_factors"][:, 1] = 0
    frames.granules["scale_factors"][0, 1, :7] = 15, 14, 0, 7, 1, 0, 0  # of 4 bits
    frames.granules["scale_factors"][0, 1, 7:14] = 7, 6, 5, 0, 0, 0, 0  # of 3 bits
    frames.granules["scale_factors"][0, 1, 14:21] = 1, 0, 1, 0, 0, 0, 0  # of one bit
    positions = read_frames(write_frames(frames)).tensors()["intensity"]
    assert positions[0, :22].tolist() == [-1, 14, 0, 7, 1, 0, 0, -1, 6, 5, 0, 0, 0, 0, -1, 0, -1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(("sample_rate", "mode"), [(44_100, STEREO), (48_000, MONO), (22_050, STEREO), (8_000, MONO)])
def test_free_format(sample_rate, mode):
    frames = made(sample_rate, mode, kbit=128, count=5)
    data = free(frames, 600)
    assert all(data[at + 2] >> 4 == 0 for at in range(0, len(data), 600))
    assert_same(read_frames(data), frames)
    (part,) = read_windows([data], [(2, 3)])
    np.testing.assert_array_equal(part.levels, frames.levels[len(frames.levels) * 2 // 5 :])
    with pytest.raises(ValueError, match=r"the length of free-format frames is not to be found"):
        read_frames(data[:600])
    assert_same(read_frames(id3v2(b"title") + data + id3v1()), frames)


def test_frames_in_free_format_that_hold_headers_are_not_written():
    """Readers would take the frames of 1000 bytes to be half as long."""
    frames = silent(24_000, MONO, 0, 2, 1000)
    frames.frames["ancillary"] = 8 * 987
    spare = bytes(487) + header_of(24_000, MONO).to_bytes(4, "big") + bytes(496)
    with pytest.raises(ValueError, match=r"the data of these frames look like headers, .*: give them a"):
        write_frames(frames._replace(spare=2 * spare))
    assert write_frames(frames._replace(spare=bytes(2 * 987))).count(b"\xff\xf3") == 2


def test_padding_of_frames_in_free_format():
    frames = made(44_100, MONO, kbit=128, count=6)
    frames.frames["header"] = header_of(44_100, MONO)
    frames.frames["header"][[1, 4]] |= 1 << 9
    frames.frames["size"] = np.array([300, 301, 300, 300, 301, 300])
    assert_same(read_frames(write_frames(frames)), frames)


@pytest.mark.parametrize(("sample_rate", "mode"), [(44_100, STEREO), (48_000, MONO), (22_050, STEREO), (8_000, MONO)])
def test_crcs_right_and_wrong(sample_rate, mode):
    frames = made(sample_rate, mode, kbit=128, count=5)
    data = protected(frames)
    read, side = read_frames(data), {1: 17, 2: 32} if sample_rate >= 32_000 else {1: 9, 2: 17}
    assert_same(read, frames)
    size = side[frames.levels.shape[1]]
    places = starts(read)
    for at in places[:-1]:
        assert int.from_bytes(data[at + 4 : at + 6], "big") == crc16(
            data[at + 2 : at + 4] + data[at + 6 : at + 6 + size]
        )
    broken = bytearray(data)
    broken[places[2] + 5] ^= 1
    with pytest.raises(ValueError, match=f"frame 2 at byte {places[2]}: the CRC is wrong"):
        read_frames(bytes(broken))
    lenient = read_frames(bytes(broken), lenient=True)
    assert lenient.left_out == 1
    kept = np.delete(frames.levels.reshape(5, -1), 2, 0).reshape(-1, *frames.levels.shape[1:])
    np.testing.assert_array_equal(lenient.levels, kept)


TAGS_BEFORE = {
    "ID3v2": id3v2(b"title"),
    "ID3v2 with padding": id3v2(b"title", padding=300),
    "several ID3v2": id3v2(b"title") + id3v2(b"", 200) + id3v2(b"again"),
    "ID3v2 with a footer": id3v2(b"title", flags=16),
    # Without unsynchronisation, a picture in a tag may look like frames.
    "ID3v2 with frames inside": id3v2(PLAIN),
    "unsynchronised ID3v2": id3v2(PLAIN.replace(b"\xff", b"\xff\0"), flags=128),
    "APE": ape(b"items"),
    "APE, then ID3v2": ape(b"items") + id3v2(b"title"),
    "ID3v2, then zeros": id3v2(b"title") + bytes(500),
}
TAGS_BEHIND = {
    "ID3v1": id3v1(b"title"),
    "TAG+": b"TAG+" + bytes(223) + id3v1(b"title"),
    "APE": ape(b"items"),
    "APE without a header": ape(b"items", header=False),
    "APE, then ID3v1": ape(PLAIN) + id3v1(),
    "Lyrics3": lyrics3(b"text", 1) + id3v1(),
    "Lyrics3v2": lyrics3(b"IND00002" + PLAIN) + id3v1(),
    "Lyrics3v2, APE": lyrics3(b"IND00002") + ape(b"items") + id3v1(),
    "ID3v2 with a footer": id3v2(b"title", flags=16),
    "zeros": bytes(700),
    "zeros, then ID3v1": bytes(700) + id3v1(),
}


@pytest.mark.parametrize("tag", TAGS_BEFORE.values(), ids=TAGS_BEFORE.keys())
def test_tags_before_frames_are_skipped(tag):
    assert_same(read_frames(tag + PLAIN), read_frames(PLAIN))
    assert read_headers([tag + PLAIN]) == read_headers([PLAIN])


@pytest.mark.parametrize("tag", TAGS_BEHIND.values(), ids=TAGS_BEHIND.keys())
def test_tags_behind_frames_are_skipped(tag):
    assert_same(read_frames(PLAIN + tag), read_frames(PLAIN))
    assert read_headers([PLAIN + tag]) == read_headers([PLAIN])


@pytest.mark.parametrize("tag", [id3v2(b"title"), ape(b"items"), lyrics3(b"text", 1)])
def test_tags_between_frames_are_skipped(tag):
    """Files that were put together have them there."""
    again = read_frames(PLAIN + tag + PLAIN)
    np.testing.assert_array_equal(again.levels, np.concatenate([read_frames(PLAIN).levels] * 2))


@pytest.mark.parametrize("mode", ["VARIABLE", "AVERAGE", "CONSTANT"])
def test_frames_of_lame_that_describe_the_file_are_skipped(mode):
    data = lame(44_100, 2, 128, 0.4, mode=mode)
    read = read_frames(data)
    assert (b"Info" if mode == "CONSTANT" else b"Xing") in data[:200]
    rates = len(np.unique(read.frames["header"] >> 12 & 15))
    assert rates > 1 if mode == "VARIABLE" else rates >= 1
    assert read.delay == 576
    assert 576 * len(read.levels) - read.delay - read.padding == 17_640
    assert data.endswith(write_frames(read))
    assert len(data) > int(read.frames["size"].sum())  # one more frame


@pytest.mark.parametrize("flags", range(16))
def test_xing_frames_have_fields_as_their_flags_say(flags):
    fields = b"".join(bytes(size) for bit, size in enumerate((4, 4, 100, 4)) if flags >> bit & 1)
    tag = b"Xing" + flags.to_bytes(4, "big") + fields + b"LAME3.100" + bytes(12) + (700 << 12 | 99).to_bytes(3, "big")
    first = header_of(16_000, MONO, kbit=56).to_bytes(4, "big") + bytes(9) + tag
    first = first.ljust(size_of(16_000, 56), b"\0")
    read = read_frames(first + PLAIN)
    assert (read.delay, read.padding) == (700, 99)
    assert_same(read, read_frames(PLAIN))
    without = first.replace(b"LAME3.100", bytes(9))
    assert read_frames(without + PLAIN).delay is None


def test_a_frame_of_vbri_is_skipped():
    first = header_of(16_000, MONO, kbit=32).to_bytes(4, "big") + bytes(32) + b"VBRI\0\1"
    read = read_frames(first.ljust(size_of(16_000, 32), b"\0") + PLAIN)
    assert_same(read, read_frames(PLAIN))
    assert read.delay is None


def test_an_info_frame_with_a_crc_is_skipped():
    frames = made(44_100, STEREO, kbit=256, count=3)
    data = protected(frames)
    tag = bytearray(info_frame(int.from_bytes(data[:4], "big"), 44_100, 3, len(data), 576, 700))
    tag[1] &= 0xFE  # it has a CRC
    tag[4:4] = bytes(2)
    read = read_frames(bytes(tag[:-2]) + data)
    assert (read.delay, read.padding) == (576, 700)
    assert_same(read, frames)


def test_a_file_of_a_tag_frame_alone_has_no_frames():
    tag = info_frame(0xFFFB90C4, 44_100, 0, 0, 576, 700)
    assert len(read_frames(tag).levels) == 0
    assert read_headers([tag])[0].num_frames == 0


@pytest.mark.parametrize("sample_rate", [44_100, 24_000])
def test_mode_and_bit_rate_may_change(sample_rate):
    settings = [(STEREO, 0, 160), (JOINT, MID_SIDE, 128), (DUAL, 0, 144), (JOINT, INTENSITY, 112)]
    settings = [(mode, extension, 256 if sample_rate > 32_000 else kbit) for mode, extension, kbit in settings]
    parts = [made(sample_rate, *setting, count=2, seed=i) for i, setting in enumerate(settings)]
    parts.append(made(sample_rate, STEREO, kbit=320 if sample_rate > 32_000 else 96, count=2))
    frames = MP3Frames(sample_rate, *(np.concatenate([part[i] for part in parts]) for i in (1, 2, 3)))
    data = write_frames(frames)
    read = read_frames(data)
    assert_same(read, frames)
    assert len(np.unique(read.frames["size"])) > 1
    assert len(np.unique(read.frames["header"] >> 4 & 15)) == 4


@pytest.mark.parametrize(
    ("sample_rate", "mode", "reason"),
    [
        (24_000, MONO, "sampling rate or version"),
        (8_000, MONO, "sampling rate or version"),
        (16_000, STEREO, "number of"),
    ],
)
@pytest.mark.parametrize("lenient", [False, True])
def test_sampling_rate_and_channels_may_not(sample_rate, mode, reason, lenient):
    other = write_frames(made(sample_rate, mode, kbit=128))
    with pytest.raises(ValueError, match=rf"frame \d+ at byte {len(PLAIN)}: the {reason}.* changes; split the file"):
        read_frames(PLAIN + other, lenient)
    (header,) = read_headers([PLAIN + other], lenient)
    assert isinstance(header, ValueError)


@pytest.mark.parametrize(("bits", "layer"), [(3, 1), (2, 2)])
def test_layers_1_and_2_are_refused_by_name(bits, layer):
    header = header_of(44_100, STEREO, kbit=128) & ~0x60000 | bits << 17
    data = header.to_bytes(4, "big") + bytes(414)
    for start in (b"", id3v2(b"title")):
        with pytest.raises(ValueError, match=f"at byte {len(start)}: frames of Layer {layer} are not supported"):
            read_frames(start + 3 * data)


def test_frames_without_main_data():
    for frames in (silent(24_000, MONO, 8, 9), silent(44_100, STEREO, 0, 9, 36), silent(8_000, MONO, 0, 9, 13)):
        read = read_frames(write_frames(frames))
        assert read.levels.shape == frames.levels.shape
        assert not read.levels.any()
