"""Pure functions on tensors and models: nothing here keeps state."""

from lossy_lightning.functional.attack.gradient_step import quantized_gradient_step
from lossy_lightning.functional.attack.losses import at_temperature, cross_entropy, margin
from lossy_lightning.functional.attack.projected import projected_attack, signal_budget, worst_case
from lossy_lightning.functional.attack.self_check import categorical_attacks, compare_attacks, ordinal_attacks
from lossy_lightning.functional.attack.square import square_attack
from lossy_lightning.functional.attack.straight_through import differentiable, find_stem, straight_through, through_stem
from lossy_lightning.functional.attack.substitution import substitution_attack, substitution_scores
from lossy_lightning.functional.bit_widths import stray_values
from lossy_lightning.functional.bits import to_bits, to_gray
from lossy_lightning.functional.blocks import crop, from_blocks, pad_codes, pad_to_multiple, to_blocks
from lossy_lightning.functional.color import downsample, rgb_to_ycbcr, upsample, ycbcr_to_rgb
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
from lossy_lightning.functional.dct import dct, dct_islow, double_blocks, halve_blocks, idct, idct_islow
from lossy_lightning.functional.jpeg import (
    coefficients_to_image,
    image_to_coefficients,
    inverse_jpeg_transform,
    jpeg_transform,
    quality_tables,
    quantize,
    round_divide,
)
from lossy_lightning.functional.mcu import (
    SAMPLING_FACTORS,
    MCULayout,
    mcu_layout,
    pad_to_mcus,
    spread,
    stack_mcus,
    unstack_mcus,
    write_mcus,
)
from lossy_lightning.functional.mcu_geometry import flip_mcus, transpose_mcus
from lossy_lightning.functional.tracing import Lookups
from lossy_lightning.functional.usage import index_entropy, perplexity
from lossy_lightning.functional.vq import nearest_codewords, sum_codewords

__all__ = [
    "SAMPLING_FACTORS",
    "LayerProfile",
    "Lookups",
    "MCULayout",
    "WeightMemory",
    "at_temperature",
    "categorical_attacks",
    "coefficients_to_image",
    "compare_attacks",
    "count_lookups",
    "count_macs",
    "count_parameters",
    "crop",
    "cross_entropy",
    "dct",
    "dct_islow",
    "differentiable",
    "double_blocks",
    "downsample",
    "feature_memory",
    "find_stem",
    "flip_mcus",
    "from_blocks",
    "halve_blocks",
    "idct",
    "idct_islow",
    "image_to_coefficients",
    "index_entropy",
    "inverse_jpeg_transform",
    "jpeg_transform",
    "layer_table",
    "margin",
    "mcu_layout",
    "nearest_codewords",
    "ordinal_attacks",
    "pad_codes",
    "pad_to_mcus",
    "pad_to_multiple",
    "perplexity",
    "profile_layers",
    "projected_attack",
    "quality_tables",
    "quantize",
    "quantized_gradient_step",
    "rgb_to_ycbcr",
    "round_divide",
    "signal_budget",
    "spread",
    "square_attack",
    "stack_mcus",
    "straight_through",
    "stray_values",
    "substitution_attack",
    "substitution_scores",
    "sum_codewords",
    "through_stem",
    "to_bits",
    "to_blocks",
    "to_gray",
    "total_profile",
    "transpose_mcus",
    "unstack_mcus",
    "upsample",
    "weight_memory",
    "worst_case",
    "write_mcus",
    "ycbcr_to_rgb",
]
