"""Somebody else's modules: plain Lightning and Brevitas, nothing of ours."""

from typing import Any

import brevitas.nn as qnn
import torch
import torch.nn.functional as F
from brevitas.quant import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


class BinaryWeight(SignedBinaryWeightPerTensorConst):
    scaling_const = 1.0


class BinaryInput(SignedBinaryActPerTensorConst):
    scaling_const = 1.0


def binary_network() -> nn.Sequential:
    """8 -> 16 with real inputs, then 16 -> 3 binary."""
    return nn.Sequential(
        qnn.QuantLinear(8, 16, bias=False, weight_quant=BinaryWeight),
        nn.BatchNorm1d(16),
        nn.Dropout(0.2),
        qnn.QuantLinear(16, 3, bias=False, weight_quant=BinaryWeight, input_quant=BinaryInput),
    )


class Pairs(Dataset[Any]):
    def __init__(self, *, as_dict: bool = False) -> None:
        generator = torch.Generator().manual_seed(0)
        self.x = 2 * torch.rand(24, 8, generator=generator) - 1
        self.y = torch.randint(3, (24,), generator=generator)
        self.as_dict = as_dict

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Any:
        return (
            {"y": self.y[index], "x": self.x[index], "id": str(index)}
            if self.as_dict
            else (self.x[index], self.y[index])
        )


def loader(*, as_dict: bool = False, shuffle: bool = False) -> DataLoader[Any]:
    return DataLoader(Pairs(as_dict=as_dict), batch_size=6, shuffle=shuffle)


class Foreign(LightningModule):
    def __init__(self, network: nn.Module | None = None) -> None:
        super().__init__()
        self.network = binary_network() if network is None else network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        x, y = batch
        return F.cross_entropy(self(x), y)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self(batch[0])

    def test_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self(batch[0])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), 1e-2)


class ForeignDict(Foreign):
    def forward(self, batch: dict[str, Any]) -> Tensor:
        return self.network(batch["x"])

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return F.cross_entropy(self(batch), batch["y"])

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self(batch)
