"""What a model costs: multiply-accumulates by bit width, memory, parameters, look-ups."""

from lossy_lightning.profiling.counting import (
    count_lookups,
    count_macs,
    count_parameters,
    feature_memory,
    profile_forward,
    profile_layers,
    unseen_message,
    weight_memory,
)
from lossy_lightning.profiling.encoding import count_encoding_macs
from lossy_lightning.profiling.energy import EnergyTable
from lossy_lightning.profiling.profiles import (
    LayerProfile,
    Lookups,
    ModelProfile,
    WeightMemory,
    folded_layers,
    layer_table,
    total_profile,
)
from lossy_lightning.profiling.strays import stray_values
from lossy_lightning.profiling.widths import (
    declared_bit_width,
    is_quant_tensor,
    is_quantizer,
    owners,
    quant_tensor_bit_width,
)

__all__ = [
    "EnergyTable",
    "LayerProfile",
    "Lookups",
    "ModelProfile",
    "WeightMemory",
    "count_encoding_macs",
    "count_lookups",
    "count_macs",
    "count_parameters",
    "declared_bit_width",
    "feature_memory",
    "folded_layers",
    "is_quant_tensor",
    "is_quantizer",
    "layer_table",
    "owners",
    "profile_forward",
    "profile_layers",
    "quant_tensor_bit_width",
    "stray_values",
    "total_profile",
    "unseen_message",
    "weight_memory",
]
