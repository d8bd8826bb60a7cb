"""The synthesis against the ISO vectors: what it rounds to is the reference decoder's sound."""

import numpy as np
import pytest
import soundfile

from lossy_lightning.bitstream.mp3 import read_frames
from lossy_lightning.functional.mp3 import synthesize
from tests.bitstream.mp3_files import dr_mp3, mpg123

WITHOUT_LAST = ("l3-he_32khz", "l3-he_44khz", "l3-hecommon", "l3-si", "l3-si_huff")
"""Their reference lacks the last frame. The decoder that made it needed bytes of a frame behind each one: `l3-compl`
and `l3-sin1k0db` end within a frame, and their references lack no whole one. mpg123 and dr_mp3 decode it as we do."""
WHOLE = ("M2L3_bitrate_22_all", "M2L3_compl24", "l3-compl", "l3-nonstandard-id3v2", "l3-sin1k0db")
"""The others with a reference; l3-nonstandard-sideinfo-size and l3-nonstandard-vbrtag-empty have an empty one."""


@pytest.mark.parametrize("name", WITHOUT_LAST + WHOLE)
def test_sound_is_that_of_the_reference_decoder(data_root, name):
    """ISO 11172-4, 2.2: an error of at most 2**-15 / sqrt(12) RMS of full scale, here half of that, and one step."""
    folder = data_root / "mp3_vectors"
    frames = read_frames((folder / f"{name}.bit").read_bytes(), lenient=True)
    sound = synthesize(**frames.tensors()).numpy()
    reference, _ = soundfile.read(folder / f"{name}.interleaved_pcm.flac", dtype="int16", always_2d=True)
    reference = reference.reshape(-1, len(sound)).T  # channels are interleaved
    assert sound.shape[1] - reference.shape[1] == (1152 if name in WITHOUT_LAST else 0)
    rounded = np.clip(np.rint(sound[:, : reference.shape[1]] * 2**15), -(2**15), 2**15 - 1)
    error = rounded - reference
    assert np.abs(error).max() <= 1
    assert np.sqrt(np.square(error).mean()) < 0.5 / np.sqrt(12)


@pytest.mark.parametrize("name", WITHOUT_LAST)
def test_last_frames_without_a_reference_are_those_of_other_decoders(data_root, name):
    data = (data_root / "mp3_vectors" / f"{name}.bit").read_bytes()
    frames = read_frames(data)
    sound = synthesize(**frames.tensors()).numpy()[:, -1152:]
    one, other = mpg123(data), dr_mp3(data)
    assert one.shape[1] == other.shape[1] == 576 * len(frames.levels)
    assert np.abs(one[:, -1152:] - sound).max() < 2e-6
    assert np.abs(other[:, -1152:] - sound).max() < 1.5 / 2**15
