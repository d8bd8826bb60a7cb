"""JPEG files in tar archives, as WebDataset writes them: trained on where they lie, then written as shards.

``python own_archive.py FOLDER``, with FOLDER/{train,test}.tar of ``0007.jpg`` beside ``0007.cls``, a class from 0 to 9.
Without a folder, small ones are made of scikit-learn's digits. Needs the extra ``shards``.
"""

import io
import sys
import tarfile
import tempfile
from functools import partial

from lightning.pytorch import Trainer, seed_everything
from PIL import Image
from sklearn.datasets import load_digits

from lossy_lightning.codecs import JPEG
from lossy_lightning.data import EncodedDataModule, ShardedCodes, TarFiles, write_shards
from lossy_lightning.nn import MLP, Scale
from lossy_lightning.tasks import ClassificationTask


class Archives(EncodedDataModule):
    signal_shape = (3, 32, 32)
    num_classes = 10

    def codes(self, split):
        if split == "val":
            return None  # a part of the training files is taken
        return TarFiles(self.codec, [f"{self.root}/{split}.tar"], crop=32, random=split == "train")


def save_digits(root: str) -> None:
    images, labels = load_digits(return_X_y=True)
    for split, numbers in (("train", range(400)), ("test", range(400, 500))):
        with tarfile.open(f"{root}/{split}.tar", "w") as tar:
            for i in numbers:
                buffer = io.BytesIO()
                Image.fromarray((15 * images[i].reshape(8, 8)).astype("uint8")).resize((32, 32)).save(buffer, "jpeg")
                for ending, content in (("jpg", buffer.getvalue()), ("cls", str(labels[i]).encode())):
                    info = tarfile.TarInfo(f"{i:04}.{ending}")
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))


def main(root: str | None = None, max_epochs: int = 10) -> None:
    if root is None:
        with tempfile.TemporaryDirectory() as folder:
            save_digits(folder)
            return main(folder, max_epochs)
    seed_everything(0)
    data = Archives(JPEG(dequantize=True), root, cache_dir=f"{root}/cache")
    backbone = partial(MLP, weight_bit_width=32, input_bit_width=32, input_norm=True)
    task = ClassificationTask(data.spec, data.num_classes, stem=Scale, backbone=backbone)
    trainer = Trainer(max_epochs=max_epochs)
    trainer.fit(task, data)
    write_shards(data, f"{root}/shards")  # for many machines
    trainer.test(task, ShardedCodes(f"{root}/shards", crop=32))


if __name__ == "__main__":
    main(*sys.argv[1:])
