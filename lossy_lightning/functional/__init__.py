"""Pure functions on tensors and models: nothing here keeps state."""

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
from lossy_lightning.functional.mcu import pad_to_mcus, stack_mcus, unstack_mcus, write_mcus
from lossy_lightning.functional.tracing import Lookups
from lossy_lightning.functional.vq import nearest_codewords

__all__ = [
    "LayerProfile",
    "Lookups",
    "WeightMemory",
    "coefficients_to_image",
    "count_lookups",
    "count_macs",
    "count_parameters",
    "crop",
    "dct",
    "dct_islow",
    "double_blocks",
    "downsample",
    "feature_memory",
    "from_blocks",
    "halve_blocks",
    "idct",
    "idct_islow",
    "image_to_coefficients",
    "inverse_jpeg_transform",
    "jpeg_transform",
    "layer_table",
    "nearest_codewords",
    "pad_codes",
    "pad_to_mcus",
    "pad_to_multiple",
    "profile_layers",
    "quality_tables",
    "quantize",
    "rgb_to_ycbcr",
    "round_divide",
    "stack_mcus",
    "stray_values",
    "to_bits",
    "to_blocks",
    "to_gray",
    "total_profile",
    "unstack_mcus",
    "upsample",
    "weight_memory",
    "write_mcus",
    "ycbcr_to_rgb",
]
