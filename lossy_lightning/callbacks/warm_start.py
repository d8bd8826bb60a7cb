"""Start from the weights of a twin."""

import pickle
from collections.abc import Iterable
from itertools import chain
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
        parts: Submodules to take over, such as ``"backbone"`` or ``"backbone.0"``; the others keep their own
            initialization. One name may stand without a tuple. A part without tensors in both networks, such as the
            stem `Bits`, is passed over.

    Raises:
        MisconfigurationException: When fitting is set up, if there is no such file or it is no checkpoint, if a part is
            no submodule, if the tensors of a part differ in number or shape, or if no part has tensors. Then no weight
            is changed.

    Source:
        Bulat et al., Improved training of binary networks for human pose estimation and image recognition,
        arXiv:1904.05868, 2019 (from real to binary activations in steps).

    Example:
        >>> trainer = Trainer(callbacks=[WarmStart("runs/twin/last.ckpt")], logger=False)
    """

    def __init__(self, checkpoint: str | Path, parts: str | tuple[str, ...] = ("stem", "backbone")) -> None:
        self.checkpoint = checkpoint
        self.parts = (parts,) if isinstance(parts, str) else tuple(parts)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take over the weights."""
        if stage != "fit" or trainer.ckpt_path is not None:
            return
        saved, own = _read(Path(self.checkpoint)), pl_module.state_dict()
        modules = {name for name, _ in pl_module.named_modules() if name}
        if unknown := [part for part in self.parts if part not in modules]:
            raise MisconfigurationException(
                f"WarmStart is to take over {self.parts}, but this network has no submodule {_listed(unknown)}. "
                + _there(saved, own)
            )
        pairs = [_pairs(_tensors(saved, part), _tensors(own, part), part) for part in self.parts]
        if not any(pairs):
            raise MisconfigurationException(
                f"WarmStart is to take over {self.parts}, but these have no tensors. " + _there(saved, own)
            )
        with torch.no_grad():
            for source, target in chain(*pairs):
                target.copy_(source)


def _read(path: Path) -> dict[str, Any]:
    """The tensors of a checkpoint by name."""
    if not path.is_file():
        raise MisconfigurationException(f"there is no checkpoint {path}; train the twin first")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise MisconfigurationException(
            f"{path} cannot be read as a checkpoint ({type(error).__name__}); give one that Lightning saved"
        ) from error
    state = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise MisconfigurationException(f"{path} holds no 'state_dict'; give a checkpoint that Lightning saved")
    return state


def _tensors(state: dict[str, Any], part: str) -> list[Tensor]:
    return [value for name, value in state.items() if name.startswith(f"{part}.") and isinstance(value, Tensor)]


def _pairs(theirs: list[Tensor], mine: list[Tensor], part: str) -> list[tuple[Tensor, Tensor]]:
    shapes = [[tuple(tensor.shape) for tensor in tensors] for tensors in (theirs, mine)]
    if shapes[0] != shapes[1]:
        raise MisconfigurationException(
            f"a twin has tensors of the same shapes in the same order; in {part!r} the checkpoint has {shapes[0]} and "
            f"this network {shapes[1]}"
        )
    return list(zip(theirs, mine, strict=True))


def _there(saved: dict[str, Any], own: dict[str, Any]) -> str:
    """The parts with tensors of both, as a sentence."""
    tops = [_listed(dict.fromkeys(name.partition(".")[0] for name in state)) for state in (saved, own)]
    return f"Parts with tensors are {tops[0]} in the checkpoint and {tops[1]} in this network: name them in parts"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
