"""Info frames: what they tell is what readers take from them."""

import io

import numpy as np
import pytest
import soundfile

from lossy_lightning.bitstream.mp3 import info_frame, read_frames, read_headers


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2), (8_000, 1), (48_000, 1)])
def test_delay_and_padding_are_read_by_us_and_by_mpg123(rate, channels):
    file = io.BytesIO()
    noise = np.random.default_rng(0).standard_normal((9_000, channels)) / 9
    soundfile.write(file, noise, rate, format="MP3", compression_level=0.99, bitrate_mode="CONSTANT")
    frames = read_frames(file.getvalue())
    bare = file.getvalue()
    if frames.delay is not None:  # LAME has put such a frame there itself
        bare = bare[len(bare) - int(frames.frames["size"].sum()) :]
    assert read_headers([bare])[0].delay is None
    granules = len(frames.levels)
    padding = 576 * granules - 576 - 9_000
    header = int(frames.frames["header"][0])
    data = info_frame(header, rate, len(frames.frames), len(bare), 576, padding) + bare
    assert read_headers([data])[0][-2:] == (576, padding)
    again = read_frames(data)
    assert np.array_equal(again.levels, frames.levels)
    sound, _ = soundfile.read(io.BytesIO(data), always_2d=True)
    assert sound.shape == (9_000, channels)


def test_what_cannot_be_told_is_refused():
    with pytest.raises(ValueError, match="0 to 4095 samples; got delay=576, padding=5000"):
        info_frame(0xFFF348C4, 16_000, 30, 4320, 576, 5_000)
