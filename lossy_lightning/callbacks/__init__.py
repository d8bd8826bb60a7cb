"""Monitors: Lightning callbacks that measure anybody's module and change nothing of its training."""

from lossy_lightning.callbacks.attack import GradientAttackMonitor
from lossy_lightning.callbacks.audit import BitWidthAudit
from lossy_lightning.callbacks.complexity import ComplexityMonitor
from lossy_lightning.callbacks.inputs import first_tensor
from lossy_lightning.callbacks.reconstruction import ReconstructionMonitor

__all__ = ["BitWidthAudit", "ComplexityMonitor", "GradientAttackMonitor", "ReconstructionMonitor", "first_tensor"]
