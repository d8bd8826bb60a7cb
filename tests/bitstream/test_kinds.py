import io

import numpy as np
import pytest
import soundfile
from PIL import Image

from lossy_lightning.bitstream.kinds import kind_of


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3", "aiff", "au", "rf64"])
def test_sounds_that_libsndfile_writes(kind):
    file = io.BytesIO()
    soundfile.write(file, np.zeros(4000), 16_000, format=kind)
    assert kind_of(file.getvalue()) == {"rf64": "wav"}.get(kind, kind)


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_images_that_pillow_writes(kind):
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, kind)
    assert kind_of(file.getvalue()) == kind


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\xd0", b"GIF89a", b"RIFF\0\0\0\0AVI "])
def test_what_is_none_of_them(data):
    assert kind_of(data) == ""
