"""Signals of your own: one method, and they are encoded, cached and loaded."""

from typing import Any

import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor
from torch.utils.data import Dataset

from lossy_lightning.codecs import VQ
from lossy_lightning.data import EncodedDataModule
from lossy_lightning.nn import MLP, Bits
from lossy_lightning.tasks import ClassificationTask


class Stripes(Dataset[tuple[Tensor, int]]):
    """Noisy images of horizontal (class 0) or vertical (class 1) stripes."""

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self.seed = seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        generator = torch.Generator().manual_seed(self.seed * self.count + index)
        noise = torch.randint(0, 80, (1, 16, 16), generator=generator)
        stripes = 150 * (torch.arange(16) // 2 % 2)
        target = index % 2
        image = noise + (stripes if target else stripes[:, None])
        return image.to(torch.uint8), target


class StripesData(EncodedDataModule):
    signal_shape = (1, 16, 16)
    num_classes = 2

    def signals(self, split: str) -> Dataset[tuple[Tensor, Any]] | None:
        sets = {"train": Stripes(400, seed=0), "test": Stripes(100, seed=1)}
        return sets.get(split)  # no "val": a tenth of "train" is taken


def main(max_epochs: int = 5) -> None:
    seed_everything(0)
    data = StripesData(VQ(block=(4, 4), levels=16))
    task = ClassificationTask(data.spec, data.num_classes, stem=Bits, backbone=MLP)
    trainer = Trainer(max_epochs=max_epochs)
    trainer.fit(task, data)
    trainer.test(task, data)


if __name__ == "__main__":
    main()
