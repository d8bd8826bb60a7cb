"""Signals for loggers: images as pictures, sounds as players with pictures of their spectrograms and waveforms."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lossy_lightning.callbacks._captions import captioned
from lossy_lightning.callbacks._distortion import is_image, is_sound, log_power
from lossy_lightning.media import log_audio, log_image

_ROWS, _HOP = 512, 128  # of the picture of a sound: samples of a window, and from window to window
_RANGE = 80.0  # dB below the loudest that a spectrogram shows
_HEIGHT = 65  # pixels of a waveform, one of them for 0


class Shown(NamedTuple):
    """A signal to show.

    Attributes:
        name: Of its player, if it is a sound.
        caption: Lines above its picture.
        signal: ``(channels, H, W)`` uint8, or ``(channels, samples)`` int16; others are not shown.
    """

    name: str
    caption: str
    signal: Tensor


def log_signals(loggers: list[Any], tag: str, shown: Sequence[Shown], sample_rate: int | None, step: int) -> None:
    """Hand loggers signals of one kind and size: images side by side, sounds as spectrograms and waveforms.

    Args:
        loggers: Lightning's.
        tag: Name under which they are logged.
        shown: At least one.
        sample_rate: Of sounds, in Hz; without it there are no players.
        step: Of the training.
    """
    signal = shown[0].signal[None]
    if is_image(signal):
        log_image(loggers, tag, captioned([(each.caption, _picture(each.signal)) for each in shown]), step)
    elif is_sound(signal):
        captions, sounds = [each.caption for each in shown], [each.signal for each in shown]
        for name, pictures in (("spectrogram", spectrograms(sounds)), ("waveform", waveforms(sounds))):
            under = captioned(list(zip(captions, pictures, strict=True)), vertical=True)
            log_image(loggers, f"{tag}/{name}", under, step)
        for each in shown if sample_rate else ():
            log_audio(loggers, f"{tag}/{each.name}", each.signal, sample_rate or 0, step)


def _picture(image: Tensor) -> Tensor:
    """An image of 3 channels as it is, of any other number its first channel, which is grey."""
    return image if len(image) == 3 else image[:1]


def spectrograms(sounds: list[Tensor]) -> list[Tensor]:
    """Log power of sounds ``(channels, samples)`` on one scale: grey, each ``(1, H, W)`` uint8.

    Low frequencies are at the bottom; white is the loudest of all, black 80 dB below.
    """
    power = [log_power(sound.float().mean(0), _ROWS, _HOP)[0].flip(0) for sound in sounds]
    loudest = torch.stack([part.amax() for part in power]).amax()
    return [((part - loudest + _RANGE) / _RANGE).clamp(0, 1).mul(255).to(torch.uint8)[None] for part in power]


def waveforms(sounds: list[Tensor]) -> list[Tensor]:
    """Sounds ``(channels, samples)`` on one scale, black on white: each ``(1, H, W)`` uint8.

    A column shows all values from the least to the greatest of its samples, as long as a spectrogram's step.
    """
    mono = [sound.float().mean(0) for sound in sounds]
    loudest = max(1.0, *(float(each.abs().amax()) for each in mono))
    rows = torch.linspace(loudest, -loudest, _HEIGHT)[:, None]
    reach = loudest / (_HEIGHT - 1)  # half a pixel
    found = []
    for each in mono:
        steps = torch.split(each.cpu(), _HOP)
        low, high = (torch.stack([part.aminmax()[side] for part in steps]) for side in (0, 1))
        inside = (rows >= low - reach) & (rows <= high + reach)
        found.append((~inside).to(torch.uint8)[None] * 255)
    return found
