"""Which weights are tested."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from lossy_lightning.core import Origin, last_epoch


class TestedWeights(Callback):
    """Says which epoch's weights are tested, validated or used to predict, and warns of weights that nobody trained.

    A test logs ``tested_epoch``, counted from 0 as in the names of checkpoints; -1 if no checkpoint was given and
    nothing trained the weights. Then it is not known what a foreign module loads by itself.

    Example:
        >>> trainer = Trainer(callbacks=[TestedWeights()], logger=False)
    """

    __test__ = False  # for pytest, which would collect it by its name

    def __init__(self) -> None:
        self._loaded: int | None = None

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Remember the epoch of a checkpoint."""
        self._loaded = last_epoch(checkpoint)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what is validated, unless it is in training."""
        if trainer.state.fn == "validate":
            self._tell(trainer, pl_module, "validated")

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say and log what is tested."""
        epoch = self._tell(trainer, pl_module, "tested")
        if epoch is not None:
            pl_module.log("tested_epoch", float(epoch))

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what predicts."""
        self._tell(trainer, pl_module, "used to predict")

    def _tell(self, trainer: Trainer, pl_module: LightningModule, use: str) -> int | None:
        """Say what is used; its epoch, -1 if it is not trained, None if a checkpoint does not say."""
        if trainer.ckpt_path is not None:
            epoch = self._loaded
            rank_zero_info(f"{use}: {_named(epoch)}{_choice(trainer)}, {trainer.ckpt_path}")
            return epoch
        epoch = _trained(trainer, pl_module)
        if epoch is None:
            rank_zero_warn(
                f"no checkpoint was given, and nothing trained {type(pl_module).__name__}: it is {use} as it was made, "
                "untrained unless it loads weights by itself; give a checkpoint by --ckpt_path, or ckpt_path in Python"
            )
            return -1
        rank_zero_info(f"{use}: {_named(epoch)}, as it is in memory")
        return epoch


def _trained(trainer: Trainer, pl_module: LightningModule) -> int | None:
    """Last epoch that the weights in memory were trained in, as far as is known."""
    origin = getattr(pl_module, "origin", None)
    if isinstance(origin, Origin):
        return origin.epoch
    started = trainer.fit_loop.epoch_progress.current.ready
    return started - 1 if started else None


def _named(epoch: int | None) -> str:
    return "a checkpoint that names no epoch" if epoch is None else f"epoch {epoch}"


def _choice(trainer: Trainer) -> str:
    """How a trainer chose the checkpoint, if it kept it."""
    for keeper in trainer.checkpoint_callbacks:
        if isinstance(keeper, ModelCheckpoint) and keeper.best_model_path == str(trainer.ckpt_path):
            return ", the last" if keeper.monitor is None else f", the best by {keeper.monitor}"
    return ""
