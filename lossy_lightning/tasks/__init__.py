"""Tasks: stem, backbone, loss and metrics as LightningModules."""

from lossy_lightning.tasks.classification import ClassificationTask
from lossy_lightning.tasks.distillation import DistillationTask
from lossy_lightning.tasks.joint import JointTask
from lossy_lightning.tasks.rate_distortion import RateDistortionTask
from lossy_lightning.tasks.vqvae import VQVAETask

__all__ = ["ClassificationTask", "DistillationTask", "JointTask", "RateDistortionTask", "VQVAETask"]
