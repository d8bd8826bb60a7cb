"""The synthesis against the ISO vectors: what it rounds to is the reference decoder's sound."""

import numpy as np
import pytest
import soundfile

from lossy_lightning.bitstream.mp3 import read_frames
from lossy_lightning.functional.mp3 import synthesize

NAMES = [
    "M2L3_bitrate_22_all",
    "M2L3_compl24",
    "l3-compl",
    "l3-he_32khz",
    "l3-he_44khz",
    "l3-hecommon",
    "l3-nonstandard-id3v2",
    "l3-si",
    "l3-si_huff",
    "l3-sin1k0db",
]
"""Those with a reference; l3-nonstandard-sideinfo-size and l3-nonstandard-vbrtag-empty have an empty one."""


@pytest.mark.parametrize("name", NAMES)
def test_sound_is_that_of_the_reference_decoder(data_root, name):
    """ISO 11172-4, 2.2: an error of at most 2**-15 / sqrt(12) RMS of full scale, here half of that, and one step."""
    folder = data_root / "mp3_vectors"
    frames = read_frames((folder / f"{name}.bit").read_bytes(), lenient=True)
    sound = synthesize(**frames.tensors()).numpy()
    # The reference has channels interleaved, and may lack the last frame.
    reference, _ = soundfile.read(folder / f"{name}.interleaved_pcm.flac", dtype="int16", always_2d=True)
    reference = reference.reshape(-1, len(sound)).T
    rounded = np.clip(np.rint(sound[:, : reference.shape[1]] * 2**15), -(2**15), 2**15 - 1)
    error = rounded - reference
    assert np.abs(error).max() <= 1
    assert np.sqrt(np.square(error).mean()) < 0.5 / np.sqrt(12)
