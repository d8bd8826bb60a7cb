"""A folder of sound files of your own, learned on from codes: ``python own_sounds.py FOLDER``, FOLDER/<class>/*.wav.

Any format that libsndfile reads will do, of any length and rate. Without a folder, a small one is made of beeps.
"""

import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from lightning.pytorch import Trainer, seed_everything
from torch import nn

from lossy_lightning.augmentation import TimeShift
from lossy_lightning.callbacks import ReconstructionMonitor
from lossy_lightning.codecs import VQ
from lossy_lightning.data import AudioFolder
from lossy_lightning.nn import Embed
from lossy_lightning.tasks import ClassificationTask


def save_beeps(root: str) -> None:
    for i in range(40):
        path = Path(root, "low" if i % 2 else "high", f"{i}.flac")
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, 0.3 * np.sin(np.arange(22050) * (0.05 if i % 2 else 0.5)), 22050)


def network(shape: tuple[int, ...], num_classes: int) -> nn.Module:
    layers = [nn.Conv1d(shape[0], 32, 9, stride=4), nn.ReLU(), nn.Conv1d(32, 64, 9, stride=4), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(64, num_classes))


def main(root: str | None = None, max_epochs: int = 20) -> None:
    if root is None:
        with tempfile.TemporaryDirectory() as folder:
            save_beeps(folder)
            return main(folder, max_epochs)
    seed_everything(0)
    codec = VQ(block=(8,), levels=256)  # 8 samples become 8 bits
    data = AudioFolder(
        codec, root, sample_rate=16_000, seconds=2, cache_dir="codes", batch_size=16, augmentation=TimeShift(200)
    )
    task = ClassificationTask(data.spec, data.num_classes, stem=partial(Embed, dim=8), backbone=network)
    trainer = Trainer(max_epochs=max_epochs, callbacks=[ReconstructionMonitor(num_examples=2)])
    trainer.fit(task, data)
    trainer.test(task, data)


if __name__ == "__main__":
    main(*sys.argv[1:])
