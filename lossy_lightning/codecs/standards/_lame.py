"""Sounds to MP3 files by LAME, and back by mpg123, both through libsndfile."""

import io

import numpy as np
from numpy.typing import NDArray

#: Bits in kbit/s that Layer III has, from the lowest sampling rate in Hz of each version on (ISO 13818-3, 2.4.2.3).
_BIT_RATES = {
    32_000: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    16_000: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    8_000: (8, 16, 24, 32, 40, 48, 56, 64),  # LAME's own bound
}
SAMPLE_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


def bit_rates(sample_rate: int) -> tuple[int, ...]:
    """Bit rates, kbit/s, that LAME writes at a sampling rate."""
    return next(rates for least, rates in _BIT_RATES.items() if sample_rate >= least)


def encode(signal: NDArray[np.int16], sample_rate: int, bit_rate: int) -> bytes:
    """An MP3 file of a sound ``(channels, samples)``, at a constant bit rate in kbit/s; joint stereo if it has two."""
    import soundfile  # slow to import

    rates = bit_rates(sample_rate)
    # libsndfile goes from the greatest rate to the least as a level goes from 0 to 1, but stops short of 1.
    level = min((rates[-1] - bit_rate) / (rates[-1] - rates[0]), 0.99)
    file = io.BytesIO()
    soundfile.write(
        file,
        signal.T.astype(np.float32) / 2**15,  # libsndfile 1.2.2 garbles int16 of two channels
        sample_rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=level,
        bitrate_mode="CONSTANT",
    )
    return file.getvalue()


def decode(data: bytes, samples: int, delay: int) -> NDArray[np.int16]:
    """The sound ``(channels, samples)`` of a file that `encode` has made of so many samples.

    Args:
        data: The file.
        samples: Of the sound.
        delay: Samples to cut off, if the file does not tell libsndfile to cut them off.
    """
    import soundfile  # slow to import

    # As float32: of samples beyond the range, int16 would keep the lowest bits.
    sound: NDArray[np.float32] = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0].T
    if sound.shape[1] != samples:
        sound = sound[:, delay : delay + samples]
    return (sound * 2**15).round().clip(-(2**15), 2**15 - 1).astype(np.int16)
