"""MP3 files for tests."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATES = {44_100: (320, 32), 48_000: (320, 32), 32_000: (320, 32), 24_000: (160, 8), 22_050: (160, 8), 16_000: (160, 8)}


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
    sample_rate: int = 44_100, channels: int = 2, bit_rate: int = 128, seconds: float = 0.5, seed: int = 0
) -> bytes:
    """A file of constant bit rate, in kbit/s, that libsndfile writes by LAME."""
    most, least = RATES[sample_rate]
    level = min((most - bit_rate) / (most - least), 0.99)
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", sample_rate, channels, format="MP3", compression_level=level, bitrate_mode="CONSTANT"
    ) as file:
        file.write(sound(sample_rate, channels, seconds, seed))
    return buffer.getvalue()


def vectors() -> dict[str, bytes]:
    """The standard's test files, by name."""
    folder = Path(os.environ.get("LOSSY_DATA", "")) / "mp3_vectors"
    if not folder.exists():
        pytest.skip("needs mp3_vectors in $LOSSY_DATA")
    return {path.stem: path.read_bytes() for path in sorted(folder.glob("*.bit"))}
