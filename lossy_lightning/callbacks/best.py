"""The epoch that is best by validation, kept beside the last."""

from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

_FIGURES = (("val_acc", "max"), ("val_loss", "min"))
"""Names that may be logged in validation, the better first, and which value of each is best."""


class BestCheckpoint(ModelCheckpoint):
    """Keeps the checkpoint of the epoch that is best by validation, and the last epoch's as ``last.ckpt``.

    The best epoch has the highest ``val_acc``, the first of several; if no accuracy is logged, the lowest ``val_loss``.
    Without either, as without a validation split, only the last epoch is kept, and counts as best. A fit that goes on
    from a checkpoint goes on comparing, too. The command line gives it to each run whose configuration names no
    checkpoint callback; ``ckpt_path="best"`` of the trainer is what it keeps.

    Args:
        dirpath: Folder of the checkpoints; by default ``checkpoints`` in that of the logs.

    Example:
        >>> trainer = Trainer(callbacks=[BestCheckpoint("runs/mine")], logger=False)
    """

    def __init__(self, dirpath: str | Path | None = None) -> None:
        super().__init__(dirpath, save_top_k=1)

    @property
    def state_key(self) -> str:
        """Name of its state in a checkpoint, whatever is monitored."""
        return type(self).__qualname__

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what is best, if validation is not run once an epoch."""
        self._choose(trainer)
        super().on_validation_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what is best, and what is last."""
        self._choose(trainer)
        super().on_train_epoch_end(trainer, pl_module)
        if self.monitor is not None and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            self.last_model_path = str(Path(self.dirpath or "", f"{self.CHECKPOINT_NAME_LAST}{self.FILE_EXTENSION}"))
            trainer.save_checkpoint(self.last_model_path, weights_only=False)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on comparing with the best epoch so far, wherever its checkpoint is, unless it is gone."""
        if Path(state_dict["best_model_path"]).is_file():
            self.monitor, self.mode = state_dict["monitor"], dict(_FIGURES).get(state_dict["monitor"], self.mode)
            super().load_state_dict(
                state_dict | {"dirpath": self.dirpath}
            )  # in another folder, all but it would be lost

    def _choose(self, trainer: Trainer) -> None:
        """Settle what is compared, once there are figures."""
        if self.monitor is None and not trainer.sanity_checking:
            logged = [(name, mode) for name, mode in _FIGURES if name in trainer.callback_metrics]
            self.monitor, self.mode = logged[0] if logged else (None, self.mode)
