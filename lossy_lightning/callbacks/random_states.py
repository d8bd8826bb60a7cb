"""Random states that a checkpoint keeps."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lossy_lightning.core import random_state, set_random_state


class RandomStates(Callback):
    """Keeps the states of Python's, NumPy's and torch's generators in each checkpoint, those of each process.

    A training that goes on from the checkpoint draws on as if it had not been interrupted, so that dropout and noise
    are the same. Lightning does not do that. With another number of processes each takes the state of the first.
    ``lossy-lightning`` has it in each run; with a trainer of your own, list it among the first callbacks.

    What data draw does not depend on it: an `EncodedDataModule` derives that from the seed, epoch and example.

    Example:
        >>> trainer = Trainer(callbacks=[RandomStates()], logger=False)
    """

    def __init__(self) -> None:
        self._devices: tuple[torch.device, ...] = ()
        self._loaded: dict[str, Any] | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Note the device whose generator is in use."""
        self._devices = (trainer.strategy.root_device,)
        self._loaded = None

    def state_dict(self) -> dict[str, Any]:
        """The state of each process, in the order of the ranks; all ranks make a checkpoint together."""
        own = random_state(*self._devices)
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return {"ranks": [own]}
        states: list[Any] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(states, own)
        return {"ranks": states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep them until training starts: until then, others draw."""
        self._loaded = state_dict

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Bring the generators to where they were."""
        self._restore(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The same, if an epoch begins: what other callbacks do as a training starts was done before the checkpoint."""
        self._restore(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """From here on, training draws."""
        self._loaded = None

    def _restore(self, trainer: Trainer) -> None:
        if self._loaded is not None:
            ranks = self._loaded["ranks"]
            set_random_state(ranks[trainer.global_rank if len(ranks) == trainer.world_size else 0])
