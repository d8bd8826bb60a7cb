"""Tasks: stem, backbone, loss and metrics as LightningModules."""

from lossy_lightning.tasks.classification import ClassificationTask

__all__ = ["ClassificationTask"]
