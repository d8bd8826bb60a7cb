"""A code of two kinds of fields, read differently: the means of blocks are scaled, their patterns looked up."""

from functools import partial

import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor

from lossy_lightning.callbacks import ComplexityMonitor
from lossy_lightning.core import Codec, CodeSpec, Field
from lossy_lightning.data import Digits
from lossy_lightning.functional import from_blocks, to_blocks
from lossy_lightning.nn import MLP, Concat, Embed, Scale
from lossy_lightning.tasks import ClassificationTask
from lossy_lightning.testing import check_codec

PATTERNS = torch.tensor([[0, 0, 0, 0], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])
PATTERNS = torch.cat([PATTERNS, -PATTERNS[1:]])
"""Flat, top, left and diagonal brighter, and the other way round."""


class MeanAndPattern(Codec):
    """The mean of each block of 2x2 grey pixels in 4 bits, a number, and which of seven patterns it has, a category.

    Args:
        contrast: Of the patterns, in grey levels.
    """

    idempotent = False

    def __init__(self, contrast: int = 40) -> None:
        self.contrast = contrast

    def encode(self, signal: Tensor) -> Tensor:
        blocks = to_blocks(signal.float(), (2, 2))  # (..., rows, columns, 4)
        mean = blocks.mean(-1)
        distance = (blocks - mean.unsqueeze(-1)).unsqueeze(-2) - self.contrast * PATTERNS.to(blocks)
        pattern = distance.square().sum(-1).argmin(-1)
        spec = self.spec(tuple(signal.shape[-3:]))
        return spec.join({"mean": (mean / 16).byte().unsqueeze(-3), "pattern": pattern.byte().unsqueeze(-3)})

    def decode(self, code: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
        height, width = shape[-2:] if shape else (2 * code.shape[-2], 2 * code.shape[-1])
        parts = self.spec((1, height, width)).split(code)
        mean = 16 * parts["mean"].squeeze(-3).unsqueeze(-1) + 8.0
        blocks = mean + self.contrast * PATTERNS.to(code.device)[parts["pattern"].squeeze(-3).long()]
        return from_blocks(blocks.clamp(0, 255).byte(), (2, 2))[..., :height, :width]

    def spec(self, shape: tuple[int | None, ...]) -> CodeSpec:
        if len(shape) != 3 or shape[0] != 1:
            raise ValueError(f"MeanAndPattern takes grey images (1, height, width); got {shape}")
        fields = [
            Field("mean", (0,), (15,), ordinal=True),
            Field("pattern", (0,), (len(PATTERNS) - 1,), ordinal=False),
        ]
        return CodeSpec(fields, (None if size is None else -(-size // 2) for size in shape[1:]))


def main(max_epochs: int = 20) -> None:
    seed_everything(0)
    codec = MeanAndPattern()
    check_codec(codec, shape=(1, 8, 8))
    data = Digits(codec)
    stem = partial(Concat, stems=[partial(Scale, fields=["mean"]), partial(Embed, fields=["pattern"], dim=3)])
    backbone = partial(MLP, hidden_features=(64,), weight_bit_width=32, input_bit_width=32)
    task = ClassificationTask(data.spec, data.num_classes, stem, backbone, partial(torch.optim.Adam, lr=3e-3))
    trainer = Trainer(max_epochs=max_epochs, callbacks=[ComplexityMonitor()])
    trainer.fit(task, data)
    trainer.test(task, data)


if __name__ == "__main__":
    main()
