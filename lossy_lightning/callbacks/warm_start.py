"""Start from the weights of a twin."""

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor


class WarmStart(Callback):
    """Starts a fit from the weights of a twin: the same network with other bit widths or activations.

    An activation between the twin's layers changes their positions in its sequence, so the tensors of a submodule are
    matched by order, not by name. Binary networks learn better from the weights of a network whose activations are real
    but bounded: ``MLP(…, input_bit_width=32, activation=nn.Hardtanh)``.

    A fit that is resumed from a checkpoint keeps the weights of that checkpoint.

    Args:
        checkpoint: Path of the twin's checkpoint.
        parts: Submodules to take over; the others keep their own initialization.

    Raises:
        MisconfigurationException: When fitting is set up, if there is no such file, or if the tensors of a part
            differ in number or shape.

    Source:
        Bulat et al., Improved training of binary networks for human pose estimation and image recognition,
        arXiv:1904.05868, 2019 (from real to binary activations in steps).

    Example:
        >>> trainer = Trainer(callbacks=[WarmStart("runs/twin/last.ckpt")], logger=False)
    """

    def __init__(self, checkpoint: str | Path, parts: tuple[str, ...] = ("stem", "backbone")) -> None:
        self.checkpoint = checkpoint
        self.parts = tuple(parts)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take over the weights."""
        if stage != "fit" or trainer.ckpt_path is not None:
            return
        if not Path(self.checkpoint).is_file():
            raise MisconfigurationException(f"there is no checkpoint {self.checkpoint}; train the twin first")
        saved = torch.load(self.checkpoint, map_location="cpu", weights_only=True)["state_dict"]
        own = pl_module.state_dict()
        for part in self.parts:
            _copy(_tensors(saved, part), _tensors(own, part), part)


def _tensors(state: dict[str, Any], part: str) -> list[Tensor]:
    return [value for name, value in state.items() if name.startswith(f"{part}.") and isinstance(value, Tensor)]


def _copy(theirs: list[Tensor], mine: list[Tensor], part: str) -> None:
    shapes = [[tuple(tensor.shape) for tensor in tensors] for tensors in (theirs, mine)]
    if shapes[0] != shapes[1]:
        raise MisconfigurationException(
            f"a twin has tensors of the same shapes in the same order; in {part!r} the checkpoint has {shapes[0]} and "
            f"this network {shapes[1]}"
        )
    with torch.no_grad():
        for source, target in zip(theirs, mine, strict=True):
            target.copy_(source)
