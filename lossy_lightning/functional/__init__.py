"""Pure functions on tensors and models: nothing here keeps state."""

from lossy_lightning.functional.bit_widths import stray_values
from lossy_lightning.functional.complexity import (
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
from lossy_lightning.functional.tracing import Lookups

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
