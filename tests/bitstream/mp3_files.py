"""MP3 files for tests: of LAME, and of any frames."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lossy_lightning.bitstream.mp3 import FRAME, GRANULE, MP3Frames, write_frames

RATES = {44_100: (320, 32), 48_000: (320, 32), 32_000: (320, 32), 24_000: (160, 8), 22_050: (160, 8), 16_000: (160, 8),
         12_000: (64, 8), 11_025: (64, 8), 8_000: (64, 8)}  # fmt: skip
SETTINGS = [
    (44_100, 2, 128),
    (44_100, 2, 320),
    (44_100, 1, 64),
    (48_000, 2, 192),
    (48_000, 1, 32),
    (32_000, 2, 96),
    (24_000, 1, 48),
    (24_000, 2, 160),
    (22_050, 2, 64),
    (16_000, 1, 32),
    (16_000, 2, 24),
    (16_000, 1, 8),
]
"""Sampling rate, channels and kbit/s of files that LAME makes."""
KBIT = {
    True: [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    False: [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
}
"""Bit rates by the index in a header, of MPEG-1 and of MPEG-2."""
STEREO, JOINT, DUAL, MONO = range(4)
INTENSITY, MID_SIDE = 1, 2
_MPEG1 = [44_100, 48_000, 32_000]


def sound(sample_rate: int, channels: int, seconds: float = 0.5, seed: int = 0) -> np.ndarray:
    """Decaying tones that set in at random, and noise: ``(samples, channels)``, float, below full scale."""
    generator = np.random.default_rng(seed)
    time = np.arange(int(sample_rate * seconds)) / sample_rate
    signal = 0.02 * generator.normal(size=(len(time), channels))
    for _ in range(20):
        since = np.maximum(time - generator.uniform(-0.2, seconds), 0)
        tone = np.sin(2 * np.pi * generator.uniform(50, 0.3 * sample_rate) * since) * np.exp(-since / 0.1)
        signal += tone[:, None] * generator.uniform(0.2, 1, channels)
    return signal / abs(signal).max() * 0.9


def lame(
    sample_rate: int = 44_100,
    channels: int = 2,
    bit_rate: int = 128,
    seconds: float = 0.5,
    seed: int = 0,
    mode: str = "CONSTANT",
) -> bytes:
    """A file of constant bit rate, in kbit/s, or of another mode, that libsndfile writes by LAME."""
    most, least = RATES[sample_rate]
    level = min((most - bit_rate) / (most - least), 0.99)
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", sample_rate, channels, format="MP3", compression_level=level, bitrate_mode=mode
    ) as file:
        file.write(sound(sample_rate, channels, seconds, seed).astype(np.float32))
    return buffer.getvalue()


def header_of(sample_rate: int, mode: int, extension: int = 0, kbit: int = 0, protected: bool = False) -> int:
    """A frame header; a bit rate of 0 is free format, and ``extension`` says what joint stereo there is."""
    version = next(v for v in range(3) if sample_rate << v in _MPEG1)
    header = 0xFFE20000 | (3, 2, 0)[version] << 19 | (not protected) << 16
    header |= KBIT[version == 0].index(kbit) << 12 | _MPEG1.index(sample_rate << version) << 10
    return header | mode << 6 | extension << 4


def size_of(sample_rate: int, kbit: int) -> int:
    """Bytes of a frame without padding (ISO 11172-3, 2.4.3.1; half of it in MPEG-2)."""
    return (144_000 if sample_rate in _MPEG1 else 72_000) * kbit // sample_rate


def made(
    sample_rate: int, mode: int, extension: int = 0, kbit: int = 128, mixed: bool = True, count: int = 7, seed: int = 0
) -> MP3Frames:
    """Frames of random levels and side information, in every kind of block, mixed ones too.

    The right channel of intensity stereo is silent from line 150 on.
    """
    generator = np.random.default_rng(seed)
    channels, per_frame = 1 if mode == MONO else 2, 2 if sample_rate in _MPEG1 else 1
    shape, frames = (per_frame * count, channels), np.zeros(count, FRAME)
    frames["header"], frames["size"] = header_of(sample_rate, mode, extension, kbit), size_of(sample_rate, kbit)
    granules = np.zeros(shape, GRANULE)
    granules["global_gain"] = generator.integers(165, 176, shape)
    granules["block_type"] = np.resize([0, 0, 1, 2, 2, 2, 3], shape[0])[:, None]
    short = granules["block_type"] == 2
    # Around mixed blocks are start and stop blocks whose lowest subbands have a long block's window as well.
    granules["mixed"] = (granules["block_type"] > 0) & (np.arange(shape[0])[:, None] // 7 % 2 == 0) & mixed
    granules["preflag"] = ~short & (generator.random(shape) < 0.4)
    granules["scalefac_scale"] = generator.integers(0, 2, shape)
    granules["subblock_gain"] = generator.integers(0, 3, (*shape, 3)) * short[..., None]
    loud = np.repeat([40, 3, 1, 0], [20, 80, 200, 276])
    levels = generator.integers(-loud, loud + 1, (*shape, 576)).astype(np.int16)
    if mode == JOINT and extension & INTENSITY:
        levels[:, 1, 150:] = 0
        granules["preflag"][:, 1] = 0
        granules["scalefac_compress"][:, 1] = generator.integers(0, 2, shape[0]) if per_frame == 1 else 0
    granules["scale_factors"] = _scale_factors(granules, per_frame, generator)
    return MP3Frames(sample_rate, levels, granules, frames)


def _scale_factors(granules: np.ndarray, per_frame: int, generator: np.random.Generator) -> np.ndarray:
    """In the places that each kind of block has (see `MP3Frames`), of sizes that can be coded."""
    place, short, mixed = np.arange(39), granules["block_type"] == 2, granules["mixed"] == 1
    mixed &= short
    has = np.where(short[..., None], place < 36, place < 21)
    has &= ~mixed[..., None] | (place < (8 if per_frame == 2 else 6)) | (place >= 9)
    most = np.where((granules["preflag"] == 1) & (per_frame == 1), 3, 7)
    return generator.integers(0, most[..., None] + 1, has.shape) * has


def starts(frames: MP3Frames) -> list[int]:
    """Where each frame of a file without tags begins, and where the last one ends."""
    return [0, *frames.frames["size"].cumsum(dtype=int).tolist()]


def protected(frames: MP3Frames) -> bytes:
    """A file of the same levels with a CRC in each frame."""
    headers = frames.frames.copy()
    headers["header"] &= 0xFFFEFFFF
    return write_frames(frames._replace(frames=headers))


def free(frames: MP3Frames, size: int | None = None) -> bytes:
    """A file of the same levels in free format: frames of ``size`` bytes, or all as long as the first."""
    headers = frames.frames.copy()
    headers["header"] &= 0xFFFF0DFF  # no bit rate, no padding
    headers["size"] = headers["size"][0] if size is None else size
    return write_frames(frames._replace(frames=headers))


def silent(sample_rate: int, mode: int, kbit: int, count: int, size: int | None = None) -> MP3Frames:
    """Frames without main data."""
    per_frame, channels = 2 if sample_rate in _MPEG1 else 1, 1 if mode == MONO else 2
    frames, shape = np.zeros(count, FRAME), (per_frame * count, channels)
    frames["header"] = header_of(sample_rate, mode, kbit=kbit)
    frames["size"] = size_of(sample_rate, kbit) if size is None else size
    return MP3Frames(sample_rate, np.zeros((*shape, 576), np.int16), np.zeros(shape, GRANULE), frames)


def crc16(data: bytes) -> int:
    """CRC of ISO 11172-3, 2.4.3.1, bit by bit."""
    crc = 0xFFFF
    for byte in data:
        for bit in range(7, -1, -1):
            out = crc >> 15 ^ byte >> bit & 1
            crc = crc << 1 & 0xFFFF ^ 0x8005 * out
    return crc


def id3v2(body: bytes, padding: int = 0, flags: int = 0) -> bytes:
    """A tag at a file's beginning; its size is told in four times seven bits."""
    size = len(body) + padding
    told = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    footer = b"3DI\4\0" + bytes([flags]) + told if flags & 16 else b""
    return b"ID3\4\0" + bytes([flags]) + told + body + bytes(padding) + footer


def ape(body: bytes, header: bool = True) -> bytes:
    """An APEv2 tag: items between a header and a footer, which has the length of items and footer."""
    told = (len(body) + 32).to_bytes(4, "little") + (1).to_bytes(4, "little")
    flags = 0x80000000 if header else 0
    frame = b"APETAGEX" + (2000).to_bytes(4, "little") + told
    before = frame + (flags | 0x20000000).to_bytes(4, "little") + bytes(8) if header else b""
    return before + body + frame + flags.to_bytes(4, "little") + bytes(8)


def lyrics3(body: bytes, version: int = 2) -> bytes:
    """Lyrics3 v1, or v2, whose length is told in decimal."""
    text = b"LYRICSBEGIN" + body
    return text + b"LYRICSEND" if version == 1 else text + b"%06dLYRICS200" % len(text)


def id3v1(text: bytes = b"") -> bytes:
    """A tag of 128 bytes at a file's end."""
    return b"TAG" + text.ljust(125, b"\0")


def mpg123(data: bytes) -> np.ndarray:
    """Sound ``(channels, samples)`` of libsndfile's decoder, in float."""
    return soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0].T


def dr_mp3(data: bytes) -> np.ndarray:
    """Sound ``(channels, samples)`` of miniaudio's decoder, float that was rounded and clipped to 16 bits."""
    miniaudio = pytest.importorskip("miniaudio", reason="needs miniaudio: pip install miniaudio")
    decoded = miniaudio.mp3_read_f32(data)
    return np.array(decoded.samples, np.float32).reshape(-1, decoded.nchannels).T


def vectors() -> dict[str, bytes]:
    """The standard's test files, by name."""
    folder = Path(os.environ.get("LOSSY_DATA", "")) / "mp3_vectors"
    if not folder.exists():
        pytest.skip("needs mp3_vectors in $LOSSY_DATA")
    return {path.stem: path.read_bytes() for path in sorted(folder.glob("*.bit"))}
