"""Which classes a classifier takes for which."""

from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from lossy_lightning.callbacks._classified import Classified, ClassifierMonitor
from lossy_lightning.callbacks._datamodule import class_names
from lossy_lightning.callbacks._labels import logits_of
from lossy_lightning.callbacks._matrix import matrix_picture
from lossy_lightning.callbacks.inputs import second_item
from lossy_lightning.media import log_image, log_text

_PAIRS = 10  # rows of the table


class ConfusionMonitor(ClassifierMonitor):
    """Shows the confusion matrix of a test, of a validation, and of the last validation of a fit.

    It reads what the module's `forward` returns in the module's own steps, so nothing is computed twice. Loggers get
    ``confusion/test`` or ``confusion/val``, a picture: true classes down and predicted ones across, each cell with its
    count and coloured by its share of the row; and a table of the most frequent mistakes, ``confusion/test/mistakes``.
    Classes have the names that the datamodule gives them in ``classes``, else their numbers. What is no classifier is
    left out with one warning.

    Args:
        target_fn: From a batch to its classes ``(N,)``, or soft labels ``(N, classes)``.
        output_fn: From what `forward` returns to logits; by default what a dict has as ``"logits"``.

    Example:
        >>> trainer = Trainer(callbacks=[ConfusionMonitor(target_fn=lambda batch: batch["label"])], logger=False)
    """

    def __init__(
        self,
        target_fn: Callable[[Any], Any] = second_item,
        output_fn: Callable[[Any], Any] = logits_of,
    ) -> None:
        super().__init__(target_fn, output_fn)
        self._counts: Tensor | None = None

    def start(self) -> None:
        """Forget all counts."""
        self._counts = None

    def gather(self, trainer: Trainer, split: str, classified: Classified) -> None:
        """Count a batch."""
        logits = classified.logits
        counts = multiclass_confusion_matrix(logits.argmax(1), classified.target, logits.shape[1], validate_args=False)
        self._counts = counts if self._counts is None else self._counts + counts

    def show(self, trainer: Trainer, split: str) -> None:
        """Sum the counts of all ranks, and show them."""
        if not trainer.strategy.reduce_boolean_decision(self._counts is not None) or self._counts is None:
            return
        counts = trainer.strategy.reduce(self._counts, reduce_op="sum").cpu()
        self._counts = None
        if not trainer.is_global_zero:
            return
        names = class_names(trainer, len(counts))
        title = f"{split}: {int(counts.trace())} of {int(counts.sum())} right"
        log_image(trainer.loggers, f"confusion/{split}", matrix_picture(counts, names, title), trainer.global_step)
        log_text(trainer.loggers, f"confusion/{split}/mistakes", _table(counts, names), trainer.global_step)


def _table(counts: Tensor, names: list[str]) -> str:
    """The most frequent mistakes, in Markdown."""
    wrong = counts - torch.diag(counts.diag())
    order = wrong.flatten().argsort(descending=True, stable=True)[:_PAIRS].tolist()
    rows = [(names[i // len(names)], names[i % len(names)], int(wrong.flatten()[i])) for i in order]
    lines = [f"| {true} | {predicted} | {count} |" for true, predicted, count in rows if count]
    return "\n".join(["| true | predicted | examples |", "|---|---|---|", *lines])
