"""What tasks that train a codec have in common."""

from abc import abstractmethod
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torchmetrics import Metric

from lossy_lightning.codecs.learned._signals import to_unit
from lossy_lightning.core import CodeSpec
from lossy_lightning.tasks._origin import OriginTask
from lossy_lightning.tasks._wiring import make_optimizers
from lossy_lightning.tasks.reconstruction import log_figures, show, unpadded


class ReconstructionTask(LightningModule):
    """Logs figures of reconstruction at the end of each epoch; a subclass sets the attributes."""

    train_reconstruction: Metric
    val_reconstruction: Metric
    test_reconstruction: Metric

    def on_train_epoch_end(self) -> None:
        """Log the figures."""
        log_figures(self, "train", self.train_reconstruction)

    def on_validation_epoch_end(self) -> None:
        """Log the figures."""
        log_figures(self, "val", self.val_reconstruction)

    def on_test_epoch_end(self) -> None:
        """Log the figures."""
        log_figures(self, "test", self.test_reconstruction)


class CodecTask(ReconstructionTask, OriginTask):
    """Trains a codec on plain samples; a subclass sets the attributes, and tells the loss."""

    spec: CodeSpec
    optimizer: OptimizerCallable
    lr_scheduler: LRSchedulerCallable | None

    @abstractmethod
    def evaluate(self, signal: Tensor, split: str) -> tuple[Tensor, Tensor]:
        """Loss of signals of "train", "val" or "test", and their reconstructions in [-1, 1]; figures are logged."""

    def setup(self, stage: str) -> None:
        """Check the datamodule against the spec.

        Raises:
            MisconfigurationException: If its codes are not what the task was built for.
        """
        spec = getattr(getattr(self.trainer, "datamodule", None), "spec", self.spec)
        if spec != self.spec:
            raise MisconfigurationException(
                f"this task was built for samples of {self.spec}, but the datamodule gives {spec}; "
                "build the task with spec=datamodule.spec"
            )
        super().setup(stage)

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        """Loss of a training batch."""
        return self.evaluate(unpadded(batch), "train")[0]

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """Add a validation batch to the figures, and show its first images."""
        signal = unpadded(batch)
        _, reconstruction = self.evaluate(signal, "val")
        if batch_idx == 0:
            show(self, to_unit(signal), reconstruction)

    def test_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        """Add a test batch to the figures."""
        self.evaluate(unpadded(batch), "test")

    def predict_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        """Reconstructions of a batch in [-1, 1]."""
        reconstruction: Tensor = self(unpadded(batch))
        return reconstruction

    def configure_optimizers(self) -> Any:
        """The optimizer, and the scheduler if there is one."""
        return make_optimizers(self.parameters(), self.optimizer, self.lr_scheduler)
