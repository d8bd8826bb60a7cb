"""Data sets of a few made-up examples, in the folders and formats of the real ones."""

import struct
from itertools import product
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

WORDS = ("down", "go", "left", "no", "right", "stop", "up", "yes")


def write_mnist(root: Path) -> None:
    """MNIST and Fashion-MNIST as torchvision keeps them unpacked: 600 training and 60 test images."""
    random = np.random.default_rng(0)
    for name, (split, count) in product(("MNIST", "FashionMNIST"), (("train", 600), ("t10k", 60))):
        folder = root / name / "raw"
        folder.mkdir(parents=True, exist_ok=True)
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = random.integers(0, 128, (count, 28, 28)) + 12 * labels[:, None, None]
        header = struct.pack(">4I", 2051, count, 28, 28)
        (folder / f"{split}-images-idx3-ubyte").write_bytes(header + images.astype(np.uint8).tobytes())
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 2049, count) + labels.tobytes())


def write_images(root: Path, splits: tuple[str, str], classes: int, count: int, size: int, ending: str) -> None:
    """Noise in the folders of its split and class."""
    for split, number, i in product(splits, range(classes), range(count)):
        folder = root / split / f"class{number}"
        folder.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(i).integers(0, 256, (size, size, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{i}.{ending}", quality=75)


def write_speech_commands(root: Path) -> None:
    """Four clips of each word, a second of a noisy tone, the last two of each in the official lists; as MP3, too."""
    folder = root / "SpeechCommands" / "speech_commands_v0.02"
    lists: dict[str, list[str]] = {"validation_list.txt": [], "testing_list.txt": []}
    for number, (word, i) in enumerate(product(WORDS, range(4))):
        name = f"{word}/{number:08x}_nohash_0.wav"
        (folder / word).mkdir(parents=True, exist_ok=True)
        tone = np.sin(np.arange(16_000) * (0.02 + 0.03 * WORDS.index(word)))
        noise = np.random.default_rng(number).normal(0, 0.1, 16_000)
        soundfile.write(folder / name, 0.3 * tone + 0.3 * noise, 16_000, subtype="PCM_16")
        coded = (root / "speech_commands_mp3" / name).with_suffix(".mp3")
        coded.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(coded, 0.3 * tone + 0.3 * noise, 16_000, compression_level=16 / 19, bitrate_mode="CONSTANT")
        if i >= 2:
            lists["testing_list.txt" if i % 2 else "validation_list.txt"].append(name)
    for name, lines in lists.items():
        (folder / name).write_text("\n".join(lines) + "\n")


def write_all(root: Path) -> None:
    """Every data set that examples and experiments read, as ``$LOSSY_DATA`` has them."""
    write_mnist(root)
    write_images(root / "cifar10", ("train", "test"), 10, 20, 32, "png")
    write_images(root / "imagenette224", ("train", "val"), 2, 4, 224, "jpg")
    write_speech_commands(root)
