"""A packed network while it is written: registers, steps, and their tensors."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossy_lightning.deploy._weights import Weights


class Program:
    """Steps in order; each reads registers and fills one.

    Attributes:
        registers: Of each its kind ("bits" or "reals"), positions and channels.
        steps: As `lossy_lightning.deploy.runtime` reads them.
        tensors: By name.
    """

    def __init__(self) -> None:
        self.registers: list[dict[str, Any]] = []
        self.steps: list[dict[str, Any]] = []
        self.tensors: dict[str, np.ndarray] = {}

    def register(self, kind: str, positions: int, channels: int) -> int:
        """A new register."""
        self.registers.append({"kind": kind, "positions": positions, "channels": channels})
        return len(self.registers) - 1

    def step(self, kind: str, inputs: list[int], output: int, tensors: dict[str, Tensor], **numbers: Any) -> None:
        """Add a step."""
        names = {}
        for role, tensor in tensors.items():
            names[role] = f"{len(self.steps)}.{role}"
            self.tensors[names[role]] = stored(tensor)
        self.steps.append({"kind": kind, "inputs": inputs, "output": output, "tensors": names, **numbers})


def stored(tensor: Tensor) -> np.ndarray:
    """A tensor as it is stored: whole numbers in the fewest bytes that hold them."""
    array = tensor.detach().cpu().contiguous().numpy()
    if array.dtype.kind not in "iu":
        return array
    for dtype in (np.int8, np.int16, np.int32):
        if array.size == 0 or (array.min() >= np.iinfo(dtype).min and array.max() <= np.iinfo(dtype).max):
            return array.astype(dtype)
    return array


def weight_tensors(weights: Weights, numbers: Tensor) -> dict[str, Tensor]:
    """Weights, arranged, as tensors of a step: signs as bits, numbers with their scale, or as they are."""
    if weights.bit_width == 32:
        return {"weights": numbers.float()}
    told = {"signs": numbers > 0} if weights.bit_width == 1 else {"numbers": numbers}
    if weights.bit_width == 1 and bool((weights.scale == 1).all()):
        return told
    scale = weights.scale
    return told | {"scale": scale[:1] if bool((scale == scale[0]).all()) else scale}


def bits(values: Tensor) -> Tensor:
    """Truth values, stored as bits."""
    return values.to(torch.bool)
