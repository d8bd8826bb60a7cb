"""Monitors: Lightning callbacks that measure anybody's module and change nothing of its training."""

from lossy_lightning.callbacks.attack import GradientAttackMonitor
from lossy_lightning.callbacks.audit import BitWidthAudit
from lossy_lightning.callbacks.complexity import ComplexityMonitor
from lossy_lightning.callbacks.inputs import first_tensor
from lossy_lightning.callbacks.provenance import Provenance
from lossy_lightning.callbacks.rate import RateMonitor
from lossy_lightning.callbacks.speed import SpeedMonitor

__all__ = [
    "BitWidthAudit",
    "ComplexityMonitor",
    "GradientAttackMonitor",
    "Provenance",
    "RateMonitor",
    "SpeedMonitor",
    "first_tensor",
]
