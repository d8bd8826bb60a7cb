"""What the weights of a task were trained on."""

import re
from typing import Any, Self

from lightning.pytorch import LightningModule

from lossy_lightning.core import InputError, Origin
from lossy_lightning.tasks._wiring import reset_metrics


class OriginTask(LightningModule):
    """A task that remembers what its weights were trained on, and holds it against the data that they meet.

    Attributes:
        origin: What it remembers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.origin = Origin()

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *args: Any, **kwargs: Any) -> Self:
        """As Lightning's, whose arguments it takes.

        Raises:
            ValueError: If the task was made in Python, so that the checkpoint does not hold all of its arguments.
        """
        try:
            return super().load_from_checkpoint(checkpoint_path, *args, **kwargs)
        except TypeError as error:
            missing = re.search(r"required positional arguments?: (.*)", str(error))
            if missing is None:
                raise
            raise InputError(
                f"the checkpoint of a task that was made in Python does not hold {missing[1]}; pass them again, as in "
                f"{cls.__name__}.load_from_checkpoint(path, stem=..., backbone=...)"
            ) from error

    def setup(self, stage: str) -> None:
        """Check the classes of the datamodule, unless a checkpoint is loaded next.

        Raises:
            MisconfigurationException: If they are not those of training.
        """
        if self.trainer.ckpt_path is None and (stage != "fit" or self.origin.loaded):
            self.origin.check_classes(data_of(self))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember what the checkpoint was trained on; the datamodule takes over its fitted codecs.

        Raises:
            MisconfigurationException: If the datamodule has another codec, or other classes.
        """
        self.origin.load(checkpoint, data_of(self))

    def on_fit_start(self) -> None:
        """Start with fresh metrics.

        Raises:
            MisconfigurationException: If a checkpoint gave weights that were trained on other data.
        """
        if self.origin.loaded:
            self.origin.check(data_of(self))
        reset_metrics(self)

    def on_train_start(self) -> None:
        """Remember what the weights are trained on."""
        self.origin.train_on(data_of(self))

    def on_train_epoch_start(self) -> None:
        """Remember how far."""
        self.origin.epoch = self.current_epoch

    def on_validation_start(self) -> None:
        """Check, after a fit, that the codes of another datamodule mean what those of training did.

        Raises:
            MisconfigurationException: If classes or codecs are others.
        """
        if not self.trainer.training and not self.trainer.sanity_checking:
            self.origin.check(data_of(self))

    def on_test_start(self) -> None:
        """As `on_validation_start`."""
        self.origin.check(data_of(self))

    def on_predict_start(self) -> None:
        """As `on_validation_start`."""
        self.origin.check(data_of(self))


def data_of(task: LightningModule) -> Any:
    """The trainer's datamodule, if it is an `EncodedDataModule`; else None."""
    # `task.trainer` would raise without one.
    data = getattr(task._trainer, "datamodule", None)
    return data if hasattr(data, "check_origin") else None
