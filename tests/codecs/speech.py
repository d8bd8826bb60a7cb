"""Clips of the shared speech data, read as sound files are to be read."""

import numpy as np
import pytest
import soundfile
import torch


def clip(path, samples=16_000):
    """One clip ``(1, samples)`` int16, cropped or padded with zeros."""
    values, rate = soundfile.read(path, dtype="float32")
    assert rate == 16_000
    pcm = np.clip(np.round(values * 2**15), -(2**15), 2**15 - 1).astype(np.int16)
    return torch.from_numpy(np.pad(pcm, (0, max(0, samples - len(pcm))))[:samples]).unsqueeze(0)


def clips(data_root, names):
    """Clips ``(N, 1, 16000)`` by ``<word>/<clip>``."""
    folder = data_root / "SpeechCommands" / "speech_commands_v0.02"
    if not folder.is_dir():
        pytest.skip(f"needs the clips in {folder}")
    return torch.stack([clip(folder / f"{name}.wav") for name in names])


def some_clips(data_root, count):
    """The first clips of different words, ``(N, 1, 16000)``."""
    folder = data_root / "SpeechCommands" / "speech_commands_v0.02"
    paths = sorted(folder.glob("*/*.wav"))
    if not paths:
        pytest.skip(f"needs the clips in {folder}")
    return torch.stack([clip(path) for path in paths[:: len(paths) // count][:count]])
