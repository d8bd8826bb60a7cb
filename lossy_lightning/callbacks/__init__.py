"""Monitors: callbacks that measure, for anybody's LightningModule."""

from lossy_lightning.callbacks.attack import GradientAttackMonitor

__all__ = ["GradientAttackMonitor"]
