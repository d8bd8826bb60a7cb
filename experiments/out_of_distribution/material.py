"""Signals and judges: speech, surroundings and made music, five seconds each at 16 kHz; photographs; two networks.

Speech is of clips of Speech Commands, five of one speaker one after another. Surroundings are ESC-10 (fold 1 is for
fitting, the others are tested), which came as Vorbis. No recorded music is at hand: that which is here is made.
"""

import os
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torchvision.io import ImageReadMode, read_image

from lossy_lightning.callbacks.judging import Judge
from lossy_lightning.codecs import PCM
from lossy_lightning.data import AudioFolder, SpeechCommands, read_sound
from lossy_lightning.nn import MobileNet, YAMNet, load_tflite_weights

RATE, SECONDS = 16_000, 5
PER_STYLE = 10


class Material(NamedTuple):
    """Signals of one kind.

    Attributes:
        signals: Each without batch.
        groups: Of each what it belongs to, such as its class.
    """

    signals: list[Tensor]
    groups: list[str]


def speech(split: str = "test", count: int = 50) -> Material:
    """One signal of each of so many speakers of a split."""
    data = SpeechCommands(PCM(16), test_fold=0)
    named = sorted((Path(path).name.split("_nohash_")[0], str(path)) for path, _, own in data.sounds if own == split)
    signals, speakers = [], []
    for speaker, files in groupby(named, key=lambda pair: pair[0]):
        paths = [path for _, path in files][:SECONDS]
        if len(paths) == SECONDS and len(signals) < count:
            signals.append(torch.cat([read_sound(path, data.form) for path in paths], -1))
            speakers.append(speaker)
    return Material(signals, speakers)


def surroundings(fitting: bool = False) -> Material:
    """Sounds of ESC-10: those of fold 1, or the others."""
    root = Path(os.environ["LOSSY_DATA"]) / "esc10"
    data = AudioFolder(PCM(16), root, RATE, seconds=SECONDS, group=lambda path: path.name[0], test_groups=["1"])
    chosen = [path for path, _, _ in sorted(data.sounds) if (Path(path).name[0] == "1") == fitting]
    return Material([read_sound(path, data.form) for path in chosen], [Path(path).parent.name for path in chosen])


def music(seed: int = 0) -> Material:
    """Made music: notes of strings, bells, plucked strings and drums, and all together."""
    generator = np.random.default_rng(seed)
    signals, styles = [], []
    for style, parts in STYLES.items():
        for _ in range(PER_STYLE):
            sound = sum(_part(part, generator) for part in parts)
            loud = sound / np.abs(sound).max() * 10 ** (generator.uniform(-12, -1) / 20)
            signals.append(torch.from_numpy((loud * (2**15 - 1)).round().astype(np.int16)).unsqueeze(0))
            styles.append(style)
    return Material(signals, styles)


Note = Callable[[float, int, np.random.Generator], NDArray[np.float64]]


def _strings(pitch: float, length: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Harmonics with vibrato that swell and fade."""
    time = np.arange(length) / RATE
    phase = 2 * np.pi * pitch * (time - 0.0008 * np.cos(2 * np.pi * 5.5 * time))
    overtones = range(1, max(2, int(7000 / pitch)))
    tone = sum(np.sin(k * phase + generator.uniform(0, 6.3)) / k for k in overtones)
    return np.asarray(tone * np.minimum(1, np.minimum(time / 0.08, (time[-1] - time) / 0.1)))


def _bell(pitch: float, length: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Frequency modulation whose depth decays (Chowning, 1973)."""
    time = np.arange(length) / RATE
    decay = np.exp(-3 * time)
    return np.asarray(decay * np.sin(2 * np.pi * pitch * time + 4 * decay * np.sin(2 * np.pi * 3.5 * pitch * time)))


def _plucked(pitch: float, length: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Noise in a loop that averages it (Karplus and Strong, 1983)."""
    period = max(2, round(RATE / pitch))
    rounds = [generator.uniform(-1, 1, period)]
    while len(rounds) * period < length:
        rounds.append(0.498 * (rounds[-1] + np.roll(rounds[-1], 1)))
    return np.concatenate(rounds)[:length]


def _drum(pitch: float, length: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Noise that decays fast, or a tone that falls."""
    time = np.arange(length) / RATE
    if pitch > 300:
        return np.asarray(generator.normal(size=length) * np.exp(-generator.uniform(15, 60) * time))
    return np.asarray(2 * np.sin(2 * np.pi * (50 * time + 5 * (1 - np.exp(-25 * time)))) * np.exp(-8 * time))


STYLES: dict[str, tuple[Note, ...]] = {
    "strings": (_strings, _strings),
    "bells": (_bell,),
    "plucked": (_plucked, _plucked),
    "drums": (_drum,),
    "ensemble": (_strings, _plucked, _bell, _drum),
}
_SCALE = (0, 2, 3, 5, 7, 8, 10)


def _part(note: Note, generator: np.random.Generator) -> NDArray[np.float64]:
    """Notes of a minor scale, one after another, each of a half, one or two beats."""
    beat = RATE * 60 / generator.uniform(70, 150)
    key, octave = generator.uniform(55, 110), generator.integers(1, 4)
    sound, place = np.zeros(2 * SECONDS * RATE), 0
    while place < SECONDS * RATE:
        length = int(beat * generator.choice([0.5, 1, 2]))
        pitch = key * 2 ** (octave + _SCALE[generator.integers(len(_SCALE))] / 12)
        sound[place : place + length] += note(pitch, length, generator)
        place += length
    return sound[: SECONDS * RATE] / max(1e-9, float(np.abs(sound[: SECONDS * RATE]).max()))


def imagenette(per_class: int = 15) -> Material:
    """Images of 224x224 of the validation set, JPEG files of quality 75."""
    folders = sorted((Path(os.environ["LOSSY_DATA"]) / "imagenette224" / "val").iterdir())
    chosen = [path for folder in folders for path in sorted(folder.glob("*.*"))[:per_class]]
    return Material([read_image(str(path), ImageReadMode.RGB) for path in chosen], [p.parent.name for p in chosen])


def kodak() -> Material:
    """Photographs of 768x512, never compressed."""
    chosen = sorted((Path(os.environ["LOSSY_DATA"]) / "kodak").glob("*.png"))
    return Material([read_image(str(path)) for path in chosen], [path.stem for path in chosen])


def hearing() -> Judge:
    """YAMNet as published: means of scores and features over a sound's patches."""
    network = YAMNet((1, None), 521).eval().requires_grad_(False)
    load_tflite_weights(network, Path(os.environ["LOSSY_DATA"]) / "pretrained" / "yamnet.tflite", quantized=True)

    def judge(sounds: Tensor) -> tuple[Tensor, Tensor]:
        features = network.embed_patches(sounds / 2**15)
        return network.classifier(features).sigmoid().mean(1), features.mean(1)

    return judge


def seeing() -> Judge:
    """MobileNetV2 as published, in floating point; images are brought to 224 pixels."""
    network = MobileNet((3, 224, 224), 1001, version=2).eval().requires_grad_(False)
    load_tflite_weights(network, Path(os.environ["LOSSY_DATA"]) / "pretrained" / "mobilenet_v2_1.0_224_quant.tflite")

    def judge(images: Tensor) -> tuple[Tensor, Tensor]:
        pixels = images / 127.5 - 1
        if pixels.shape[-2:] != (224, 224):
            pixels = F.interpolate(pixels, (224, 224), mode="bilinear", antialias=True, align_corners=False)
        features = network.embed(pixels)
        return network.classifier(features), features

    return judge
