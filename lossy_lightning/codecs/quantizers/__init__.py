"""Scalar quantizers: real values to integers, one by one."""

from lossy_lightning.codecs.quantizers.companded import (
    ALaw,
    Companded,
    Compander,
    MuLaw,
    Power,
)
from lossy_lightning.codecs.quantizers.dead_zone import DeadZone
from lossy_lightning.codecs.quantizers.lloyd_max import LloydMax
from lossy_lightning.codecs.quantizers.quantizer import Quantizer
from lossy_lightning.codecs.quantizers.uniform import Uniform

__all__ = [
    "ALaw",
    "Companded",
    "Compander",
    "DeadZone",
    "LloydMax",
    "MuLaw",
    "Power",
    "Quantizer",
    "Uniform",
]
