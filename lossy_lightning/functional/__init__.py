"""Pure functions on tensors and models: nothing here keeps state."""

from lossy_lightning.functional.bits import to_bits, to_gray
from lossy_lightning.functional.blocks import crop, from_blocks, pad_to_multiple, to_blocks
from lossy_lightning.functional.color import downsample, rgb_to_ycbcr, upsample, ycbcr_to_rgb
from lossy_lightning.functional.dct import dct, dct_islow, idct, idct_islow
from lossy_lightning.functional.jpeg import (
    coefficients_to_image,
    image_to_coefficients,
    inverse_jpeg_transform,
    jpeg_transform,
    quality_tables,
    quantize,
    round_divide,
)
from lossy_lightning.functional.mcu import pad_to_mcus, stack_mcus, unstack_mcus
from lossy_lightning.functional.vq import nearest_codewords

__all__ = [
    "coefficients_to_image",
    "crop",
    "dct",
    "dct_islow",
    "downsample",
    "from_blocks",
    "idct",
    "idct_islow",
    "image_to_coefficients",
    "inverse_jpeg_transform",
    "jpeg_transform",
    "nearest_codewords",
    "pad_to_mcus",
    "pad_to_multiple",
    "quality_tables",
    "quantize",
    "rgb_to_ycbcr",
    "round_divide",
    "stack_mcus",
    "to_bits",
    "to_blocks",
    "to_gray",
    "unstack_mcus",
    "upsample",
    "ycbcr_to_rgb",
]
