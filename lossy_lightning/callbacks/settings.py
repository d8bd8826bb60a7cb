"""What a run is made of, beside its figures."""

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from lossy_lightning.callbacks._settings import Setting, settings

_FIGURES = ("test_acc", "val_acc", "macs/1bit", "macs/32bit", "rate/container_bits", "test_loss", "val_loss")
"""The first five are shown, further ones can be."""


class RunSettings(Callback):
    """Hands loggers what a run is made of, in a few columns: backbone, codec, data, seed, stem, task and training.

    TensorBoard shows them under HPARAMS beside accuracies, MACs and bits, W&B in its table of runs. Each is a text such
    as ``LookupLinear(out_features=64)``, without arguments that have their default, or empty if there is no such part:
    TensorBoard takes the columns of the first run for all. Tasks of ours leave their hyperparameters to it; those of
    other modules are logged by Lightning as ever. The command line gives it to each run.

    Example:
        >>> trainer = Trainer(callbacks=[RunSettings()], logger=False)
    """

    def __init__(self) -> None:
        self._done = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Log them once, whatever runs first."""
        if self._done or stage == "predict" or not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        self._done = True
        told = settings(trainer, pl_module)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.log_hyperparams(told, metrics={})  # else it logs a figure of -1
                _show(logger, told)
            else:
                logger.log_hyperparams(told)


def _show(logger: TensorBoardLogger, told: dict[str, Setting]) -> None:
    """Write a row of TensorBoard's HPARAMS; its figures are those that are logged under their names."""
    from torch.utils.tensorboard.summary import hparams  # needs tensorboard

    writer = logger.experiment._get_file_writer()
    for summary in hparams(told, dict.fromkeys(_FIGURES, 0.0)):  # type: ignore[no-untyped-call]
        writer.add_summary(summary)
