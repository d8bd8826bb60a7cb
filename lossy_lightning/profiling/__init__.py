"""What a model costs: multiply-accumulates by bit width, memory, parameters, look-ups."""

from lossy_lightning.profiling.complexity import (
    LayerProfile,
    WeightMemory,
    count_lookups,
    count_macs,
    count_parameters,
    feature_memory,
    layer_table,
    profile_layers,
    total_profile,
    weight_memory,
)
from lossy_lightning.profiling.stray_values import stray_values
from lossy_lightning.profiling.tracing import Lookups

__all__ = [
    "LayerProfile",
    "Lookups",
    "WeightMemory",
    "count_lookups",
    "count_macs",
    "count_parameters",
    "feature_memory",
    "layer_table",
    "profile_layers",
    "stray_values",
    "total_profile",
    "weight_memory",
]
