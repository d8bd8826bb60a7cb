"""JPEG as arithmetic on tensors: quantization, minimum coded units, and their geometry."""

from lossy_lightning.functional.jpeg.codec import (
    coefficients_to_image,
    image_to_coefficients,
    inverse_jpeg_transform,
    jpeg_transform,
    quality_tables,
    quantize,
    round_divide,
    round_half_away,
)
from lossy_lightning.functional.jpeg.geometry import (
    flip_blocks,
    transpose_blocks,
)
from lossy_lightning.functional.jpeg.mcu import (
    SAMPLING_FACTORS,
    pad_to_mcus,
    repeat,
    spread,
    zigzag,
)

__all__ = [
    "SAMPLING_FACTORS",
    "coefficients_to_image",
    "flip_blocks",
    "image_to_coefficients",
    "inverse_jpeg_transform",
    "jpeg_transform",
    "pad_to_mcus",
    "quality_tables",
    "quantize",
    "repeat",
    "round_divide",
    "round_half_away",
    "spread",
    "transpose_blocks",
    "zigzag",
]
