"""JPEG files of your own, never decoded: ``python own_jpeg_folder.py FOLDER``, with FOLDER/{train,test}/<class>/*.jpg.

Without a folder, a small one is made of scikit-learn's digits.
"""

import sys
import tempfile
from functools import partial
from pathlib import Path

from lightning.pytorch import Trainer, seed_everything
from PIL import Image
from sklearn.datasets import load_digits

from lossy_lightning.codecs import JPEG
from lossy_lightning.data import JPEGFolder
from lossy_lightning.nn import MLP, Scale
from lossy_lightning.tasks import ClassificationTask


def save_digits(root: str) -> None:
    images, labels = load_digits(return_X_y=True)
    for i, (image, label) in enumerate(zip(images[:500], labels, strict=False)):
        path = Path(root, "test" if i % 5 == 4 else "train", str(label), f"{i}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((15 * image.reshape(8, 8)).astype("uint8")).resize((32, 32)).save(path)


def main(root: str | None = None, max_epochs: int = 10) -> None:
    if root is None:
        with tempfile.TemporaryDirectory() as folder:
            save_digits(folder)
            return main(folder, max_epochs)
    seed_everything(0)
    data = JPEGFolder(JPEG(dequantize=True), root, crop=32)  # dequantized: files of any quality, in common units
    backbone = partial(MLP, weight_bit_width=32, input_bit_width=32, input_norm=True)
    task = ClassificationTask(data.spec, data.num_classes, stem=Scale, backbone=backbone)
    trainer = Trainer(max_epochs=max_epochs)
    trainer.fit(task, data)
    trainer.test(task, data)


if __name__ == "__main__":
    main(*sys.argv[1:])
