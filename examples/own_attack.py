"""Attack a LightningModule of your own, of float images and batches as it likes them; nothing in it knows of codes."""

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from lossy_lightning.callbacks import GradientAttackMonitor
from lossy_lightning.codecs import PCM


class FloatDigits(Dataset[dict[str, Any]]):
    """Handwritten digits as float images in [0, 1]."""

    def __init__(self) -> None:
        digits = load_digits()
        self.images = torch.from_numpy(digits.images).float().unsqueeze(1) / 16
        self.labels = torch.from_numpy(digits.target)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": self.images[index], "label": self.labels[index]}


class YourModule(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(576, 10))

    def forward(self, image: Tensor) -> Tensor:
        return self.net(image)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch["image"]), batch["label"])

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        right = self(batch["image"]).argmax(1) == batch["label"]
        self.log("val_acc", right.float().mean(), batch_size=len(right))

    test_step = validation_step

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def pixels(batch: dict[str, Any]) -> Tensor:
    return (255 * batch["image"]).round().to(torch.uint8)


def labels(batch: dict[str, Any]) -> Tensor:
    return batch["label"]


def logits(model: YourModule, code: Tensor) -> Tensor:
    return model(code / 255)


def main(max_epochs: int = 5) -> None:
    seed_everything(0)
    data = FloatDigits()
    train = DataLoader(Subset(data, range(1500)), batch_size=64, shuffle=True)
    test = DataLoader(Subset(data, range(1500, len(data))), batch_size=64)
    monitor = GradientAttackMonitor(
        steps=(8, 32), codec=PCM(), input_fn=pixels, target_fn=labels, forward_fn=logits, every_n_epochs=5
    )
    module = YourModule()
    trainer = Trainer(max_epochs=max_epochs, callbacks=[monitor])
    trainer.fit(module, train, test)
    trainer.test(module, test)


if __name__ == "__main__":
    main()
