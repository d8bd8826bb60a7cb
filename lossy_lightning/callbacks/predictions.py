"""Predictions as a table."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from lossy_lightning.callbacks._datamodule import class_names, example_names

FILE_NAME = "predictions.csv"


class PredictionTable(BasePredictionWriter):
    """Writes what a classifier predicts as ``predictions.csv``: example, class and the probability of each class.

    Each example is a line: the path of its file if there is one, or ``example 7``; the name of the most probable class
    (its number if the data name none); and the probabilities in the order of the classes. The file stands in the folder
    of the logs, or in the trainer's ``default_root_dir``; each of several processes writes its own share. Predictions
    that are no tensor ``(N, classes)`` are not written. The command line gives it to each run.

    Example:
        >>> trainer = Trainer(callbacks=[PredictionTable()], logger=False)
    """

    def __init__(self) -> None:
        super().__init__("batch")
        self._file: IO[str] | None = None
        self._path = Path(FILE_NAME)
        self._count = 0
        self._names: Callable[[int], str] = str

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the place of the table."""
        name = FILE_NAME if trainer.world_size == 1 else f"{Path(FILE_NAME).stem}-{trainer.global_rank}.csv"
        self._path = Path(trainer.log_dir or trainer.default_root_dir, name)
        self._count = 0
        self._names = example_names(trainer, "test")

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: Any,
        batch_indices: Sequence[int] | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Write the lines of a batch."""
        if not isinstance(prediction, Tensor) or prediction.ndim != 2 or not prediction.is_floating_point():
            return
        names = class_names(trainer, prediction.shape[1])
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("w", newline="", encoding="utf-8", errors="surrogateescape")
            csv.writer(self._file, lineterminator="\n").writerow(["example", "class", *names])
        indices = list(batch_indices or range(self._count, self._count + len(prediction)))
        # A batch without its bad files does not say which these are.
        known = len(indices) == len(prediction)
        examples = [self._names(i) for i in indices] if known else ["?"] * len(prediction)
        for example, row in zip(examples, prediction.float().cpu(), strict=True):
            probabilities = [f"{value:.6g}" for value in row.tolist()]
            line = [example, names[int(torch.argmax(row))], *probabilities]
            csv.writer(self._file, lineterminator="\n").writerow(line)
        self._count += len(prediction)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say where the table is."""
        if self._file is not None:
            self._close()
            rank_zero_info(f"predictions of {self._count} examples: {self._path}")

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the table; it ends where the prediction did."""
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
