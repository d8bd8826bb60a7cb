"""Where a training is, and what its random numbers come from."""

import os
from typing import Any

import torch
from lightning.pytorch import Trainer

from lossy_lightning.core import RandomKey
from lossy_lightning.data._loading import Place


class Progress:
    """Seed of a run, and the epoch and batch that come next: what a checkpoint must say of its data.

    The seed is that of `seed_everything`, or else the one that torch's generator started from, which is another in each
    process unless somebody set it. A checkpoint that a training goes on from brings its own.
    """

    def __init__(self) -> None:
        self._seed: int | None = None
        self._resumed: Place | None = None
        self.next = Place()

    def restart(self) -> None:
        """Forget what was: another training begins."""
        self._seed = self._resumed = None
        self.next = Place()

    def begin(self, trainer: Trainer | None) -> Place:
        """Take the seed of the training; epoch and batch that come first."""
        if self._resumed is None:
            self._seed = _seed(trainer)
        resumed = self._resumed or Place()
        epoch = 0 if trainer is None else trainer.current_epoch
        return resumed if resumed.epoch >= epoch else Place(epoch)

    def key(self, trainer: Trainer | None) -> RandomKey:
        """What all random numbers of the data derive from, on all ranks the same."""
        return RandomKey((_seed(trainer) if self._seed is None else self._seed,))

    def advance(self, trainer: Trainer) -> Place:
        """Count a batch of a training, which the trainer has just taken; returns its own place."""
        loop = trainer.fit_loop.epoch_loop
        place = Place(trainer.current_epoch, loop.batch_idx + 1)
        self.next = Place(place.epoch + 1) if loop.batch_progress.is_last_batch else Place(place.epoch, place.batch + 1)
        return place

    def state_dict(self) -> dict[str, Any]:
        """Seed, None before a training began, and the epoch and batch that come next."""
        return {"seed": self._seed, "epoch": self.next.epoch, "batch": self.next.batch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        if state_dict["seed"] is not None:
            self._seed = state_dict["seed"]
            self.next = self._resumed = Place(state_dict["epoch"], state_dict["batch"])


def _seed(trainer: Trainer | None) -> int:
    given = os.environ.get("PL_GLOBAL_SEED", "")
    if given.isdecimal():
        return int(given)
    own = torch.initial_seed() % 2**63
    return own if trainer is None else trainer.strategy.broadcast(own)
