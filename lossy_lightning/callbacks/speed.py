"""How fast a run trains, and how much of the time it waits for data."""

import time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lossy_lightning.callbacks.inputs import first_tensor


class SpeedMonitor(Callback):
    """Logs time, speed and waiting of each training epoch, in wall-clock time.

    Lightning's `ThroughputMonitor` gives examples and operations per second over a window of steps, but neither the
    time spent waiting for data nor figures per epoch. This monitor reads the clock twice per step.

    Logged:

    - ``speed/epoch_seconds``: from the start of the epoch to the end of its last step, without validation;
    - ``speed/examples_per_second``: training examples of all processes, divided by that time;
    - ``speed/data_wait``: share of that time, 0 to 1, in which the main process was fetching the next batch and
      bringing it to the device, the encoding of transformed signals included. An accelerator may compute meanwhile;
      then it is an upper bound on the cost of data loading.

    The first epoch includes one-time costs (compilers, memory, caches); read the later ones.

    Example:
        >>> trainer = Trainer(callbacks=[SpeedMonitor()], logger=False)
    """

    def __init__(self) -> None:
        self._start = self._idle_since = self._last = 0.0
        self._waited = self._validated = self._validated_till_last = 0.0
        self._examples = 0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start = self._idle_since = self._last = time.perf_counter()
        self._waited = self._validated = self._validated_till_last = 0.0
        self._examples = 0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Add the time since the last step."""
        self._waited += time.perf_counter() - self._idle_since

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the examples of a step."""
        self._examples += _length(batch)
        if batch_idx + 1 == trainer.num_training_batches and pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)  # what was queued belongs to the epoch
        self._last = self._idle_since = time.perf_counter()
        self._validated_till_last = self._validated

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock for a validation within the epoch."""
        self._idle_since = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on after a validation."""
        now = time.perf_counter()
        self._validated += now - self._idle_since
        self._idle_since = now

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the epoch's figures."""
        seconds = self._last - self._start - self._validated_till_last
        if seconds <= 0:
            return
        figures = {
            "speed/epoch_seconds": seconds,
            "speed/examples_per_second": self._examples * trainer.world_size / seconds,
            "speed/data_wait": self._waited / seconds,
        }
        for name, value in figures.items():
            pl_module.log(name, value, on_step=False, on_epoch=True, sync_dist=True, batch_size=1)


def _length(batch: Any) -> int:
    """Number of examples of a batch, 0 if that is not known."""
    try:
        first = first_tensor(batch)
    except ValueError:
        return 0
    return len(first) if first.ndim else 0
