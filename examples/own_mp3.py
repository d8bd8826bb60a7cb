"""MP3 files of your own, never decoded: ``python own_mp3.py FOLDER``, with FOLDER/{train,test}/<class>/*.mp3.

All files have one sampling rate and number of channels. Without a folder, a small one is made of beeps.
"""

import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from lightning.pytorch import Trainer, seed_everything

from lossy_lightning.codecs import MP3
from lossy_lightning.data import CodedFolder
from lossy_lightning.nn import SequenceNet, SpectralBands
from lossy_lightning.tasks import ClassificationTask


def save_beeps(root: str) -> None:
    for i in range(40):
        path = Path(root, "test" if i % 5 == 4 else "train", "low" if i % 2 else "high", f"{i}.mp3")
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.3 * np.sin(np.arange(32_000) * (0.05 if i % 2 else 0.5)), 16_000)


def main(root: str | None = None, max_epochs: int = 10) -> None:
    if root is None:
        with tempfile.TemporaryDirectory() as folder:
            save_beeps(folder)
            return main(folder, max_epochs)
    seed_everything(0)
    codec = MP3(sample_rate=16_000, bit_rate=32)
    data = CodedFolder(codec, root, crop=25 * 576, batch_size=16)  # 0.9 s, anywhere in training, else the middle
    stem = partial(SpectralBands, sample_rate=16_000)
    backbone = partial(SequenceNet, channels=(64, 64), strides=(1, 2))
    task = ClassificationTask(data.spec, data.num_classes, stem=stem, backbone=backbone)
    trainer = Trainer(max_epochs=max_epochs)
    trainer.fit(task, data)
    trainer.test(task, data)


if __name__ == "__main__":
    main(*sys.argv[1:])
