"""Adversarial codes beside the clean ones: as signals, through files, and in pictures."""

from typing import NamedTuple

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn

from lossy_lightning.codes import Codec, CodeSpec, FileCodec
from lossy_lightning.functional.attack.self_check import is_right
from lossy_lightning.functional.attack.straight_through import Forward


class Victim(NamedTuple):
    """What is attacked: a batch, its range, and ways to run the model on it."""

    model: nn.Module
    forward: Forward  # integer codes to logits
    code: Tensor
    target: Tensor
    spec: CodeSpec


def share(right: Tensor) -> float:
    """Accuracy, of whether each example is right."""
    return float(right.float().mean())


def through_files(codec: FileCodec, victim: Victim, moved: Tensor, shape: tuple[int, ...]) -> dict[str, float]:
    """Accuracy after writing and reading files, and the files' sizes in bytes, averaged over the batch."""
    clean = [codec.write(code, shape) for code in victim.code.cpu()]
    files = [codec.write(code, shape) for code in moved.cpu()]
    again = torch.stack([codec.read(data)[0] for data in files]).to(moved)
    before, after = (sum(map(len, data)) / len(data) for data in (clean, files))
    return {
        "acc_file": share(is_right(victim.forward, again, victim.target)),
        "file_bytes": after,
        "file_bytes_change": after - before,
    }


def decoded(codec: Codec, code: Tensor, shape: tuple[int, ...] | None) -> Tensor:
    """Signals of codes, on the host where the codec runs there only."""
    if isinstance(codec, nn.Module):
        codec.to(code.device)
    return codec.decode(code if codec.on_device else code.cpu(), shape)


def signal_shape(trainer: Trainer) -> tuple[int, ...] | None:
    """The datamodule's, where it is fixed."""
    shape = getattr(getattr(trainer, "datamodule", None), "signal_shape", None)
    return None if shape is None or None in shape else tuple(shape)


def write_pictures(trainer: Trainer, clean: Tensor, moved: Tensor, tag: str, count: int = 8) -> None:
    """Clean, adversarial, and ten times the difference on grey, side by side, to TensorBoard."""
    if clean.shape[1] not in (1, 3):
        return
    difference = (128 + 10 * (moved[:count].int() - clean[:count].int())).clamp(0, 255).to(torch.uint8)
    rows = torch.cat([clean[:count], moved[:count], difference], dim=3)
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image(tag, torch.cat(list(rows), dim=1), trainer.global_step)
