"""What all tasks share: hyperparameters that load weights-only, fresh metrics, optimizer and schedule."""

import warnings
from collections.abc import Iterator
from typing import Any

from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics import Metric

from lossy_lightning.core import InputError


def save_plain_hyperparameters(task: LightningModule) -> None:
    """Save the arguments of a task's constructor, which calls this, as its hyperparameters; only plain ones.

    A callable or a module in a checkpoint would break loading it weights-only. Under the command line they are
    plain dicts and stay. Loggers are not handed them: `RunSettings` tells the same in fewer words.
    """
    with warnings.catch_warnings():
        # Lightning warns of modules among them, which are dropped next.
        warnings.filterwarnings("ignore", "Attribute .* is an instance of `nn.Module`")
        task.save_hyperparameters(logger=False)
    for name in [name for name, value in task.hparams.items() if callable(value)]:
        del task.hparams[name]


def reset_metrics(task: LightningModule) -> None:
    """Start all metrics anew: what a `validate` or `test` before a fit left in inference mode cannot be updated."""
    for module in task.modules():
        if isinstance(module, Metric):
            module.reset()


def check_optimizers(optimizer: Any, lr_scheduler: Any) -> None:
    """Check that these make an optimizer and a scheduler, when there are parameters.

    Raises:
        ValueError: If one is a number or text, or is made already.
    """
    for name, maker, example in (
        ("optimizer", optimizer, "torch.optim.Adam, or functools.partial(torch.optim.Adam, lr=1e-3)"),
        ("lr_scheduler", lr_scheduler, "functools.partial(torch.optim.lr_scheduler.StepLR, step_size=1), or None"),
    ):
        if maker is None and name == "lr_scheduler":
            continue
        if not callable(maker):
            raise InputError(f"{name} is what makes one, such as {example}; got {maker!r}")


def check_targets(target: Tensor) -> None:
    """Check that each example has one class.

    Raises:
        ValueError: If targets are something else, such as one number for each class.
    """
    if not isinstance(target, Tensor) or target.ndim != 1 or target.is_floating_point():
        what = f"{target.dtype} {tuple(target.shape)}" if isinstance(target, Tensor) else type(target).__name__
        raise InputError(
            f"a classification has one class an example, (N,) of whole numbers; got targets {what}: give numbers of "
            "classes, or train on several classes an example by a LightningModule of your own"
        )


def make_optimizers(
    parameters: Iterator[nn.Parameter], optimizer: OptimizerCallable, lr_scheduler: LRSchedulerCallable | None
) -> Any:
    """What `configure_optimizers` returns: the optimizer, and the scheduler if there is one.

    Raises:
        ValueError: If one of them refuses its arguments.
    """
    try:
        made = optimizer(parameters)
        scheduler = None if lr_scheduler is None else lr_scheduler(made)
    except (ValueError, TypeError) as error:
        raise InputError(f"optimizer or lr_scheduler refuse their arguments: {error}") from error
    if scheduler is None:
        return made
    monitor = getattr(scheduler, "monitor", "val_loss")
    return {"optimizer": made, "lr_scheduler": {"scheduler": scheduler, "monitor": monitor}}
