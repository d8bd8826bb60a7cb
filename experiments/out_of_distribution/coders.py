"""Codecs at several rates: of sound at 16 kHz by libsndfile, Lyra, Codec2 and spectrograms; of images by Pillow.

Each is a function from a signal to what is left of it and the bits it takes: of sound those of its packets alone, as a
stream would send them, of images those of the whole file. MP3 keeps to its rate, so that its bits are those of it.
"""

import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from PIL import Image
from scipy.signal import resample_poly
from torch import Tensor

from lossy_lightning.codecs import MP3, VQ, Lyra, Spectrogram, TransformCodec
from lossy_lightning.core import Codec

RATE = 16_000
RoundTrip = Callable[[Tensor], tuple[Tensor, float]]
Coders = dict[str, Codec | RoundTrip]
OPUS, MP3_RATES = (6, 8, 12, 16, 24), (8, 16, 24, 32)
VORBIS = (0.0, 0.2, 0.4, 0.6)
"""Qualities of libsndfile."""
GRIDS = {"4": ((8, 4), 256), "8": ((4, 4), 256), "16": ((2, 2), 16)}
"""Of codes of spectrograms, by about their kbit/s: frequencies and frames of a block, and words."""
CODEC2 = {1200: 0.0175, 2400: 0.0175, 3200: 0.02}
"""Rates of Codec2, and seconds by which it is late, found on training speakers."""


def sound_coders(speech: Tensor, surroundings: Tensor) -> dict[str, Coders]:
    """Settings of each codec by name, coarsest first; spectrogram codes are fitted to either kind of sounds."""
    found: dict[str, Coders] = {
        "Lyra": {f"{rate / 1000:g}": Lyra(bit_rate=rate) for rate in (3200, 6000, 9200)},
        "Opus": {f"{rate}": _ogg("OPUS", 1 - (rate - 6) / 250) for rate in OPUS},
        "MP3": {f"{rate}": _mp3(rate) for rate in MP3_RATES},
        "Vorbis": {f"{quality:g}": _ogg("VORBIS", 1 - quality) for quality in VORBIS},
        "VQ of speech": {name: _fitted(name, speech) for name in GRIDS},
        "VQ of surroundings": {name: _fitted(name, surroundings) for name in GRIDS},
    }
    if shutil.which("c2enc") and shutil.which("c2dec"):
        found["Codec2"] = {f"{rate / 1000:g}": _codec2(rate) for rate in CODEC2}
    return found


def image_coders() -> dict[str, Coders]:
    """Settings of each codec by name, coarsest first."""
    return {
        "JPEG": {f"{q}": _pillow("JPEG", quality=q) for q in (5, 10, 25, 50, 75)},
        "JPEG 2000": {
            f"{ratio}": _pillow("JPEG2000", quality_mode="rates", quality_layers=[ratio], irreversible=True)
            for ratio in (150, 80, 40, 20, 10)
        },
        "WebP": {f"{q}": _pillow("WEBP", quality=q) for q in (1, 10, 30, 60, 80)},
        "AVIF": {f"{q}": _pillow("AVIF", quality=q, speed=8) for q in (10, 25, 40, 55, 70)},
    }


def _fitted(name: str, sounds: Tensor) -> Codec:
    """A code of spectrograms, fitted to sounds ``(N, 1, samples)``."""
    block, words = GRIDS[name]
    return TransformCodec(Spectrogram(), VQ(block, words)).fit([sounds])


def _mp3(rate: int) -> RoundTrip:
    codec = MP3(rate, RATE)

    def through(sound: Tensor) -> tuple[Tensor, float]:
        return codec.round_trip(sound), 1000 * rate * sound.shape[-1] / RATE

    return through


def _ogg(kind: str, level: float) -> RoundTrip:
    """Opus or Vorbis, at a compression level of libsndfile."""

    def through(sound: Tensor) -> tuple[Tensor, float]:
        file = io.BytesIO()
        with soundfile.SoundFile(file, "w", RATE, 1, format="OGG", subtype=kind, compression_level=level) as writer:
            writer.write(sound[0].numpy())
        headers = 2 if kind == "OPUS" else 3
        sizes = list(packets(file.getvalue()))[headers:]
        file.seek(0)
        left, _ = soundfile.read(file, dtype="int16")
        return fitting(left, sound.shape[-1]), 8.0 * sum(sizes)

    return through


def packets(ogg: bytes) -> Iterator[int]:
    """Bytes of each packet of an Ogg stream (RFC 3533, section 6)."""
    place, size = 0, 0
    while place < len(ogg):
        if ogg[place : place + 4] != b"OggS":
            raise ValueError(f"a page of Ogg begins with 'OggS'; got {ogg[place : place + 4]!r}")
        laces = ogg[place + 27 : place + 27 + ogg[place + 26]]
        for lace in laces:
            size += lace
            if lace < 255:
                yield size
                size = 0
        place += 27 + len(laces) + sum(laces)


def _codec2(rate: int) -> RoundTrip:
    """Codec2 by its own programs, at 8 kHz."""

    def through(sound: Tensor) -> tuple[Tensor, float]:
        slow = resample_poly(np.pad(sound[0].numpy().astype(float), (0, RATE // 10)), 1, 2)
        with tempfile.TemporaryDirectory() as place:
            raw, coded, back = (Path(place, name) for name in ("in.raw", "coded.c2", "back.raw"))
            slow.round().clip(-(2**15), 2**15 - 1).astype("<i2").tofile(raw)
            for program, source, made in (("c2enc", raw, coded), ("c2dec", coded, back)):
                mode = str(rate)
                subprocess.run([program, mode, str(source), str(made)], check=True, capture_output=True)
            heard = resample_poly(np.fromfile(back, "<i2").astype(float), 2, 1)[round(CODEC2[rate] * RATE) :]
        left = heard.round().clip(-(2**15), 2**15 - 1).astype(np.int16)
        return fitting(left, sound.shape[-1]), rate * sound.shape[-1] / RATE

    return through


def fitting(samples: Any, length: int) -> Tensor:
    """Samples of just this length, ``(1, samples)``: cut, or with zeros at the end."""
    kept = samples[:length]
    return torch.from_numpy(np.pad(kept, (0, length - len(kept)))).unsqueeze(0)


def _pillow(kind: str, **settings: Any) -> RoundTrip:
    """A format of Pillow."""

    def through(image: Tensor) -> tuple[Tensor, float]:
        file = io.BytesIO()
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, kind, **settings)
        left = np.array(Image.open(file).convert("RGB"))
        return torch.from_numpy(left).permute(2, 0, 1).contiguous(), 8.0 * len(file.getvalue())

    return through
