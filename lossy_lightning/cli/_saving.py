"""Where the configuration of a run is kept."""

from pathlib import Path

from jsonargparse import Namespace
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, SaveConfigCallback

from lossy_lightning.callbacks.provenance import run_folders


class SaveConfig(SaveConfigCallback):
    """Keeps ``config.yaml`` in each folder that is of this run alone.

    Lightning's own looks in a folder that runs of W&B, and runs without a logger, share with others, and ends the
    second of them. W&B writes a ``config.yaml`` of its own, so there it is ``lightning_config.yaml``.
    """

    def __init__(self, parser: LightningArgumentParser, config: Namespace) -> None:
        super().__init__(parser, config, save_to_log_dir=False)

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the files; an older one of the same folder is that of the same run, which goes on."""
        for folder, by_wandb in run_folders(trainer).items():
            Path(folder).mkdir(parents=True, exist_ok=True)
            path = Path(folder, "lightning_config.yaml" if by_wandb else "config.yaml")
            self.parser.save(self.config, path, skip_none=False, overwrite=True, multifile=False)
