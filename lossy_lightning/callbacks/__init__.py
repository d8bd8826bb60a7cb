"""Callbacks: monitors, which measure any module without changing its training, and a warm start."""

from lossy_lightning.callbacks.attack import GradientAttackMonitor
from lossy_lightning.callbacks.audit import BitWidthAudit
from lossy_lightning.callbacks.best import BestCheckpoint
from lossy_lightning.callbacks.complexity import ComplexityMonitor
from lossy_lightning.callbacks.confusion import ConfusionMonitor
from lossy_lightning.callbacks.drift import DriftMonitor
from lossy_lightning.callbacks.inputs import first_tensor
from lossy_lightning.callbacks.judge import JudgeMonitor
from lossy_lightning.callbacks.judging import judge_codecs
from lossy_lightning.callbacks.mistakes import MistakeMonitor
from lossy_lightning.callbacks.predictions import PredictionTable
from lossy_lightning.callbacks.provenance import Provenance
from lossy_lightning.callbacks.random_states import RandomStates
from lossy_lightning.callbacks.rate import RateMonitor
from lossy_lightning.callbacks.reconstruction import ReconstructionMonitor
from lossy_lightning.callbacks.settings import RunSettings
from lossy_lightning.callbacks.speed import SpeedMonitor
from lossy_lightning.callbacks.tested import TestedWeights
from lossy_lightning.callbacks.warm_start import WarmStart

__all__ = [
    "BestCheckpoint",
    "BitWidthAudit",
    "ComplexityMonitor",
    "ConfusionMonitor",
    "DriftMonitor",
    "GradientAttackMonitor",
    "JudgeMonitor",
    "MistakeMonitor",
    "PredictionTable",
    "Provenance",
    "RandomStates",
    "RateMonitor",
    "ReconstructionMonitor",
    "RunSettings",
    "SpeedMonitor",
    "TestedWeights",
    "WarmStart",
    "first_tensor",
    "judge_codecs",
]
