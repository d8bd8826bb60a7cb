"""Which test images networks classify right, and by how much one is better than another on the same images."""

from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback
from torch import Tensor

from benchmarks.intervals import bootstrap


class Right(Callback):
    """Which test images are classified right, in their order."""

    def __init__(self) -> None:
        self.batches: list[Tensor] = []

    def on_test_start(self, trainer: Any, pl_module: Any) -> None:
        """Look at what the accuracy is told."""
        pl_module.test_acc.register_forward_hook(
            lambda metric, told, share: self.batches.append((told[0].argmax(1) == told[1]).cpu())
        )

    def figures(self) -> dict[str, Any]:
        """The same as a file keeps it."""
        right = torch.cat(self.batches).numpy()
        return {"examples": len(right), "right": np.packbits(right).tobytes().hex()}


def share_right(found: list[dict[str, Any]]) -> np.ndarray:
    """How often each test image was classified right, as a share of the seeds."""
    each = [np.unpackbits(np.frombuffer(bytes.fromhex(one["right"]), np.uint8))[: one["examples"]] for one in found]
    return np.mean(each, 0)


def difference(found: list[dict[str, Any]], control: list[dict[str, Any]]) -> str:
    """Points above a control over the seeds that both have, and the 95 % interval of 2 000 draws of test images."""
    seeds = min(len(found), len(control))
    points = 100 * (share_right(found[:seeds]) - share_right(control[:seeds]))
    return str(bootstrap(points))
