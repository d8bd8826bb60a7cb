"""What all tasks share: hyperparameters that load weights-only, fresh metrics, optimizer and schedule."""

import warnings
from collections.abc import Iterator
from typing import Any

from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import nn
from torchmetrics import Metric


def save_plain_hyperparameters(task: LightningModule) -> None:
    """Save the arguments of a task's constructor, which calls this, as its hyperparameters; only plain ones.

    A callable or a module in a checkpoint would break loading it weights-only. Under the command line they are
    plain dicts and stay.
    """
    with warnings.catch_warnings():
        # Lightning warns of modules among them, which are dropped next.
        warnings.filterwarnings("ignore", "Attribute .* is an instance of `nn.Module`")
        task.save_hyperparameters()
    for name in [name for name, value in task.hparams.items() if callable(value)]:
        del task.hparams[name]


def reset_metrics(task: LightningModule) -> None:
    """Start all metrics anew: what a `validate` or `test` before a fit left in inference mode cannot be updated."""
    for module in task.modules():
        if isinstance(module, Metric):
            module.reset()


def make_optimizers(
    parameters: Iterator[nn.Parameter], optimizer: OptimizerCallable, lr_scheduler: LRSchedulerCallable | None
) -> Any:
    """What `configure_optimizers` returns: the optimizer, and the scheduler if there is one."""
    made = optimizer(parameters)
    if lr_scheduler is None:
        return made
    scheduler = lr_scheduler(made)
    monitor = getattr(scheduler, "monitor", "val_loss")
    return {"optimizer": made, "lr_scheduler": {"scheduler": scheduler, "monitor": monitor}}
