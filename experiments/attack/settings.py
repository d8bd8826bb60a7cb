"""What is attacked: data, codec, and the two networks of each."""

import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from experiments.attack.routes import Images, Medium
from experiments.attack.sound import Sounds
from experiments.attack.vq import Digits
from experiments.drift.study import hold_out
from lossy_lightning.codecs import PCM
from lossy_lightning.data import CIFAR10, MNIST, SpeechCommands, speaker_of

SEEDS = (0, 1, 2, 3, 4)
HELD_FOLD = 1
"""Of the training speakers, those that are tested on while the recipe is chosen."""


class Setting(NamedTuple):
    """One pair of networks, and where their examples come from.

    Attributes:
        arms: Runs of `study.yaml`: of the network on decoded ``samples``, and of that on ``codes``.
        medium: From the codec of the codes to how signals become files, and the routes into networks.
        load: From a seed and a folder of held-out data to that seed's share of the test set: signals and classes.
        hold_out: From a folder to one where a part of the training data stands for the test set.
        root: That folder as arguments of the command line.
        seeds: Of the networks.
        examples: Of each seed.
        batch: Examples of each batch, whose figures are kept as it ends.
        claims: Whether attacks in floats are repeated, too.
    """

    arms: dict[str, str]
    medium: Callable[[Any], Medium]
    load: Callable[[int, Path | None], tuple[Tensor, Tensor]]
    hold_out: Callable[[Path], Path]
    root: Callable[[Path], list[str]]
    seeds: tuple[int, ...] = (0,)
    examples: int = 200
    batch: int = 50
    claims: bool = False


def cifar10(seed: int, held_out: Path | None) -> tuple[Tensor, Tensor]:
    """A fifth of the test images of CIFAR-10, each seed its own."""
    root = held_out or Path(os.environ["LOSSY_DATA"])
    source = CIFAR10(codec=PCM(), root=str(root)).signals("test")
    assert source is not None
    order = np.random.default_rng(0).permutation(len(source))[seed :: len(SEEDS)]
    pairs = [source[int(i)] for i in order]
    return torch.stack([pair[0] for pair in pairs]), torch.tensor([int(pair[1]) for pair in pairs])


def _root(folder: Path) -> list[str]:
    return ["--data.init_args.root", str(folder)]


def mnist(seed: int, held_out: Path | None) -> tuple[Tensor, Tensor]:
    """Test digits in random order, or training digits that no network saw."""
    root = held_out or Path(os.environ["LOSSY_DATA"])
    source = MNIST(codec=PCM(), root=str(root)).signals("test")
    assert source is not None
    order = np.random.default_rng(seed).permutation(len(source))[:2000]
    pairs = [source[int(i)] for i in order]
    return torch.stack([pair[0] for pair in pairs]), torch.tensor([int(pair[1]) for pair in pairs])


def hold_out_digits(folder: Path) -> Path:
    """MNIST's files with a sixth of the training digits in place of the test digits."""
    raw, root = Path(os.environ["LOSSY_DATA"]) / "MNIST" / "raw", folder / "held_out_digits"
    place = root / "MNIST" / "raw"
    place.mkdir(parents=True, exist_ok=True)
    for name, header in (("images-idx3-ubyte", 16), ("labels-idx1-ubyte", 8)):
        data = (raw / f"train-{name}").read_bytes()
        size = (len(data) - header) // 60_000
        for split, first, count in (("train", 0, 50_000), ("t10k", 50_000, 10_000)):
            head = data[:4] + count.to_bytes(4, "big") + data[8:header]
            part = data[header + first * size : header + (first + count) * size]
            (place / f"{split}-{name}").write_bytes(head + part)
    return root


def speech(seed: int, held_out: Path | None) -> tuple[Tensor, Tensor]:
    """Clips of the speakers that are left out, in random order."""
    root, fold = (held_out, HELD_FOLD) if held_out else (Path(os.environ["LOSSY_DATA"]), 0)
    source = SpeechCommands(codec=PCM(16), root=str(root), test_fold=fold).signals("test")
    assert source is not None
    pairs = [source[int(i)] for i in np.random.default_rng(seed).permutation(len(source))]
    return torch.stack([pair[0] for pair in pairs]), torch.tensor([int(pair[1]) for pair in pairs])


def hold_out_speakers(folder: Path) -> Path:
    """Links to the clips of training speakers alone, of which another fold is tested on."""
    name = Path("SpeechCommands") / "speech_commands_v0.02"
    for file in sorted((Path(os.environ["LOSSY_DATA"]) / name).glob("*/*.wav")):
        link = folder / "held_out_speakers" / name / file.parent.name / file.name
        if zlib.crc32(speaker_of(file).encode()) % 5 and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file)
    return folder / "held_out_speakers"


def _fold(folder: Path) -> list[str]:
    return [*_root(folder), "--data.init_args.test_fold", str(HELD_FOLD)]


SETTINGS = {
    "q75": Setting(
        {"samples": "attack_pixels", "codes": "attack_codes"},
        lambda codec: Images(75), cifar10, hold_out, _root, SEEDS, claims=True,
    ),
    "q95": Setting(
        {"samples": "attack_pixels_q95", "codes": "attack_codes_q95"},
        lambda codec: Images(95), cifar10, hold_out, _root, claims=True,
    ),
    "vq": Setting(
        {"samples": "attack_vq_pixels", "codes": "attack_vq_codes"},
        Digits, mnist, hold_out_digits, _root,
    ),
    "speech": Setting(
        {"samples": "attack_speech_samples", "codes": "attack_speech_codes"},
        Sounds, speech, hold_out_speakers, _fold, examples=50, batch=25,
    ),
}  # fmt: skip
