"""Small networks on CIFAR-10 that attacks are tried on: pixels, thermometer codes, binary layers; and its images."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from lossy_lightning.core import CodeSpec
from lossy_lightning.nn import ConvNet, Scale

SPEC = CodeSpec.uniform((3, 32, 32), 0, 255, ordinal=True)


class Thermometer(nn.Module):
    """Each channel as 16 bits, of which as many are 1 as the value has passed thresholds (Buckman et al., 2018)."""

    def forward(self, code: Tensor) -> Tensor:
        """Bits of codes: ``(N, C, H, W)`` to ``(N, 16 * C, H, W)``."""
        thresholds = torch.arange(0, 256, 16, device=code.device).view(1, 1, -1, 1, 1)
        return (code.unsqueeze(2) >= thresholds).float().flatten(1, 2)


class From01(nn.Module):
    """Images in [0, 1] as code values."""

    def forward(self, images: Tensor) -> Tensor:
        """``(N, C, H, W)``, times 255."""
        return images * 255


def small_net(channels: int = 3) -> nn.Sequential:
    def block(width: int, out: int) -> list[nn.Module]:
        return [nn.Conv2d(width, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(*block(channels, 32), *block(32, 64), *block(64, 128), nn.Flatten(), nn.Linear(2048, 10))


MODELS: dict[str, Callable[[], nn.Sequential]] = {
    "pixels": lambda: nn.Sequential(Scale(SPEC), small_net()),
    "thermometer": lambda: nn.Sequential(Thermometer(), small_net(48)),
    "binary": lambda: nn.Sequential(Scale(SPEC), ConvNet((3, 32, 32), 10, channels=(64, 128, 128))),
}


def load(split: str, cache: Path) -> tuple[Tensor, Tensor]:
    """Images ``(N, 3, 32, 32)`` uint8 and classes, in a fixed random order."""
    path = cache / f"{split}.npz"
    if not path.exists():
        folders = sorted((Path(os.environ["LOSSY_DATA"]) / "cifar10" / split).glob("[!.]*"))
        files = [(file, label) for label, folder in enumerate(folders) for file in sorted(folder.glob("*.png"))]
        chosen = [files[i] for i in np.random.default_rng(0).permutation(len(files))]
        images = np.stack([np.asarray(Image.open(file).convert("RGB")) for file, _ in chosen])
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, images=images.transpose(0, 3, 1, 2), labels=[label for _, label in chosen])
    stored = np.load(path)
    return torch.from_numpy(stored["images"]), torch.from_numpy(stored["labels"])


def trained(name: str, cache: Path, epochs: int) -> nn.Sequential:
    """A network with its weights from the cache, or trained now."""
    torch.manual_seed(0)
    model, path = MODELS[name](), cache / f"{name}-{epochs}.pt"
    if path.exists():
        model.load_state_dict(torch.load(path))
        return model.eval()
    images, labels = load("train", cache)
    optimizer = torch.optim.Adam(model.parameters())
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, epochs=epochs, steps_per_epoch=len(images) // 128)
    for _ in range(epochs):
        for index in torch.randperm(len(images)).split(128)[: len(images) // 128]:
            training_step(model, optimizer, images[index], labels[index])
            rate.step()
    torch.save(model.state_dict(), path)
    return model.eval()


def training_step(model: nn.Module, optimizer: torch.optim.Optimizer, code: Tensor, target: Tensor) -> None:
    optimizer.zero_grad()
    F.cross_entropy(model(code), target).backward()
    optimizer.step()


def accuracy(forward: Callable[[Tensor], Tensor], code: Tensor, target: Tensor) -> float:
    with torch.no_grad():
        right = torch.cat([forward(c).argmax(1) == t for c, t in zip(code.split(256), target.split(256), strict=True)])
    return 100 * right.float().mean().item()


def quantized(images: Tensor) -> Tensor:
    """From [0, 1] to 8 bits."""
    return (images * 255).round().clamp(0, 255).to(torch.uint8)
