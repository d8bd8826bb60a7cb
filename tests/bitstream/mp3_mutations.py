"""Mutated MP3 files, and what a reader must do with each (see `fuzz`)."""

import random

from lossy_lightning.bitstream.mp3 import (
    MP3Frames,
    MP3Header,
    info_frame,
    read_frames,
    read_headers,
    read_windows,
    write_frames,
)

from .mp3_files import (
    INTENSITY,
    JOINT,
    MONO,
    RATES,
    STEREO,
    ape,
    free,
    id3v1,
    id3v2,
    lame,
    lyrics3,
    made,
    protected,
)
from .mutations import mutate

KERNELS = ("mp3._addresses", "mp3._files", "mp3._frames", "mp3._headers", "mp3._huffman", "mp3._levels",
           "mp3._scale_factors", "mp3._side_info", "mp3._tags")  # fmt: skip
TEXTS = (b"TAG", b"TAG+", b"ID3\3\0\0\0\0\0\3", b"APETAGEX", b"LYRICSBEGIN", b"LYRICSEND", b"000011LYRICS200", b"Xing",
         b"Info\0\0\0\x0f", b"VBRI", b"\xff\xfb", b"\xff\xf3", bytes(9), bytes(40))  # fmt: skip
_MOST_BYTES = 140  # of what a byte of a file becomes


def originals() -> list[bytes]:
    """Small files of every version, mono and stereo; with CRCs, in free format, between tags, of all blocks."""
    files = [
        lame(rate, channels, kbit, 0.1) for rate, rates in RATES.items() for channels in (1, 2) for kbit in rates[:1]
    ]
    files += [lame(44_100, 2, 128, 0.2), lame(16_000, 1, 8, 0.3), lame(44_100, 2, 128, 0.2, mode="VARIABLE")]
    odd = [made(44_100, JOINT, 3, 256, count=3), made(24_000, JOINT, INTENSITY, 144), made(8_000, MONO, kbit=64)]
    files += [write_frames(frames) for frames in odd]
    files += [protected(made(rate, STEREO, kbit=160, count=3)) for rate in (44_100, 22_050)]
    files += [free(made(48_000, MONO, kbit=128, count=4)), free(made(24_000, STEREO, kbit=160, count=6), 500)]
    plain = files[1]
    files += [
        id3v2(b"title", 9) + id3v2(b"", flags=16) + plain + ape(b"items") + lyrics3(b"text") + id3v1(),
        ape(b"items") + plain + lyrics3(b"text", 1) + b"TAG+" + bytes(223) + id3v1(),
        lyrics3(b"text") + lyrics3(b"text", 1) + id3v1() + plain + id3v2(b"end", flags=16),
    ]
    header = int.from_bytes(files[-6][:4], "big")
    files.append(info_frame(0xFFFB90C4, 44_100, 3, 999, 1105, 47) + write_frames(odd[0]._replace()))
    first = bytearray(lame(44_100, 1, 64, 0.1))
    first[4:36] = bytes(32)
    first[36:40] = b"VBRI"
    return [*files, bytes(first), header.to_bytes(4, "big") * 9]


def mutated(data: bytes, generator: random.Random, others: list[bytes]) -> bytes:
    """A changed file; half of the changes are in its first headers and tags."""
    return mutate(data, generator, others, 80, TEXTS)


def check(data: bytes, generator: random.Random) -> int:
    """Read a file both ways, whole and in windows: how often it is read."""
    read = 0
    for lenient in (False, True):
        try:
            frames = read_frames(data, lenient)
        except ValueError as error:
            if " at byte " not in str(error):
                raise
            continue
        read += 1
        parts = frames.levels, frames.granules, frames.frames
        assert sum(part.nbytes for part in parts) + len(frames.spare) <= _MOST_BYTES * len(data)
        assert len(frames.tensors()["intensity"]) == len(frames.levels)
        if len(frames.frames):
            _check_window(data, frames, lenient, generator)
            _check_written(frames)
    assert len(read_headers([data])) == 1
    return read


def _check_window(data: bytes, frames: MP3Frames, lenient: bool, generator: random.Random) -> None:
    """A window of a file holds what the whole does; if frames are left out, the whole window does."""
    (header,) = read_headers([data], lenient)
    assert isinstance(header, MP3Header), header
    count, good = header.num_frames, not frames.left_out
    start = generator.randrange(count) if good else 0
    size = generator.randint(0, count - start) if good else count
    (part,) = read_windows([data], [(start, size)], lenient=lenient)
    assert isinstance(part, MP3Frames), part
    each = header.granules_per_frame
    expected = frames.levels[start * each : (start + size) * each] if good else frames.levels
    assert part.levels.shape == expected.shape
    assert (part.levels == expected).all()
    if count > 1:  # a window of a damaged file is any part of it
        read_windows([data], [(generator.randrange(count), 1)], lenient=lenient)


def _check_written(frames: MP3Frames) -> None:
    """What is written is read again, if its first frame does not look like one that describes the file."""
    try:
        written = write_frames(frames)
    except ValueError as error:
        if "bits" not in str(error) and "free format" not in str(error):
            raise
    else:
        if not any(name in written[:44] for name in (b"Xing", b"Info", b"VBRI")):
            assert (read_frames(written).levels == frames.levels).all()
