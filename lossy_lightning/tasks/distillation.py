"""Classification with the help of a teacher."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lossy_lightning.core import CodeSpec, FeatureShape, InputError
from lossy_lightning.core.arguments import check_numbers
from lossy_lightning.tasks._origin import data_of
from lossy_lightning.tasks.classification import ClassificationTask


class DistillationTask(ClassificationTask):
    """A `ClassificationTask` whose network also learns to answer as a teacher does, on the same codes.

    In training the loss is ``(1 - weight)`` times the cross-entropy plus ``weight * temperature**2`` times the
    Kullback-Leibler divergence of the network's softened answers from the teacher's. In validation and test it is the
    cross-entropy alone. The teacher is in evaluation mode, learns nothing and is no part of the checkpoint.

    Args:
        spec: Of the codes, from the datamodule.
        num_classes: Number of classes.
        stem: Makes the first layer from the spec.
        backbone: Makes the rest from the features' shape and the number of classes.
        teacher: A module that makes logits ``(N, num_classes)`` of codes, or the path of a checkpoint of a
            `ClassificationTask` that the command line ran; it is read when fitting is set up.
        weight: Share of the teacher in the loss, 0 to 1.
        temperature: Divides both networks' logits, so that the teacher's second choices count.
        optimizer: Makes the optimizer from the parameters.
        lr_scheduler: Makes the learning rate scheduler from the optimizer; it is stepped after each epoch.
        logit_scale: Factor of the backbone's outputs.

    Raises:
        ValueError: If weight or temperature is out of range, the teacher is none, and as `ClassificationTask` does.

    Source:
        Hinton, Vinyals & Dean, Distilling the knowledge in a neural network, arXiv:1503.02531, 2015.

    Example:
        >>> from lossy_lightning.nn import MLP, Bits
        >>> spec = CodeSpec.uniform((1, 7, 7), 0, 15, ordinal=False)
        >>> teacher = ClassificationTask(spec, 10, stem=Bits, backbone=MLP)
        >>> task = DistillationTask(spec, 10, stem=Bits, backbone=MLP, teacher=teacher)
        >>> len([*task.parameters()]) == len([*teacher.parameters()])
        True
    """

    def __init__(
        self,
        spec: CodeSpec,
        num_classes: int,
        stem: Callable[[CodeSpec], nn.Module],
        backbone: Callable[[FeatureShape, int], nn.Module],
        teacher: nn.Module | str | Path,
        weight: float = 0.5,
        temperature: float = 4.0,
        optimizer: OptimizerCallable = torch.optim.Adam,
        lr_scheduler: LRSchedulerCallable | None = None,
        logit_scale: float = 1.0,
        label_smoothing: float = 0.0,
    ) -> None:
        check_numbers(0, 1, weight=weight)
        check_numbers(0, excluded=0, temperature=temperature)
        if not isinstance(teacher, nn.Module | str | Path):
            raise InputError(f"teacher is a module, or the path of the checkpoint of a task; got {teacher!r}")
        super().__init__(spec, num_classes, stem, backbone, optimizer, lr_scheduler, logit_scale, label_smoothing)
        # In a tuple it is no submodule: neither trained nor counted nor saved.
        self._teacher: tuple[nn.Module, ...] = (teacher,) if isinstance(teacher, nn.Module) else ()
        self._checkpoint = None if isinstance(teacher, nn.Module) else Path(teacher)
        self.weight = weight
        self.temperature = temperature

    def setup(self, stage: str) -> None:
        """Read the teacher, besides what every `ClassificationTask` does.

        Raises:
            ValueError: If the teacher's checkpoint is missing, or its codes are others.
            MisconfigurationException: If the teacher was trained on other classes, or with another codec.
        """
        super().setup(stage)
        if stage != "fit" or self._checkpoint is None:
            return
        if not self._checkpoint.is_file():
            raise InputError(f"there is no checkpoint {self._checkpoint}; train the teacher first, or set another path")
        task = ClassificationTask.load_from_checkpoint(self._checkpoint, map_location="cpu", weights_only=True)
        if task.spec != self.spec:
            raise InputError(f"the teacher was trained on codes of {task.spec}, this task is on {self.spec}")
        try:
            task.origin.check(data_of(self))
        except MisconfigurationException as error:
            raise MisconfigurationException(
                f"the teacher {self._checkpoint} was trained on other data: {error}"
            ) from None  # the cause says no more
        self._teacher = (task,)

    def on_fit_start(self) -> None:
        """Start with fresh metrics, and move the teacher to the device."""
        super().on_fit_start()
        (teacher,) = self._teacher
        teacher.to(self.device).eval().requires_grad_(False)

    def evaluate(self, batch: tuple[Tensor, ...], split: str) -> tuple[Tensor, Tensor]:
        """Logits ``(N, num_classes)`` and loss of a batch of "train", "val" or "test"."""
        logits, loss = super().evaluate(batch, split)
        if split != "train":
            return logits, loss
        code, _, *grid_size = batch
        (teacher,) = self._teacher
        with torch.no_grad():
            answers: Any = teacher(code, *grid_size)
        return logits, (1 - self.weight) * loss + self.weight * distillation(logits, answers, self.temperature)


def distillation(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence of softened answers from the teacher's, mean of a batch, times ``temperature**2``.

    The factor keeps its gradient as large as that of the cross-entropy, whatever the temperature.

    Args:
        logits: ``(N, classes)``.
        teacher: The teacher's, the same shape.
        temperature: Divides both.

    Source: Hinton, Vinyals & Dean, arXiv:1503.02531, 2015, section 2.
    """
    mine, theirs = (x.float().div(temperature).log_softmax(1) for x in (logits, teacher))
    return F.kl_div(mine, theirs, reduction="batchmean", log_target=True) * temperature**2
