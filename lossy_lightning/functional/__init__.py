"""Pure functions on tensors, which know nothing of the rest of the package, and a way to run a model undisturbed."""

from lossy_lightning.functional.bits import (
    to_bits,
    to_gray,
)
from lossy_lightning.functional.blocks import (
    crop,
    from_blocks,
    mirror_to,
    pad_codes,
    pad_to_multiple,
    to_blocks,
)
from lossy_lightning.functional.bounds import bound
from lossy_lightning.functional.color import (
    downsample,
    ict_to_rgb,
    rct_to_rgb,
    rgb_to_ict,
    rgb_to_rct,
    rgb_to_ycbcr,
    upsample,
    ycbcr_to_rgb,
)
from lossy_lightning.functional.entropy import (
    index_entropy,
    perplexity,
)
from lossy_lightning.functional.jpeg import (
    SAMPLING_FACTORS,
    coefficients_to_image,
    flip_blocks,
    image_to_coefficients,
    inverse_jpeg_transform,
    jpeg_transform,
    pad_to_mcus,
    quality_tables,
    quantize,
    repeat,
    round_divide,
    round_half_away,
    spread,
    transpose_blocks,
    zigzag,
)
from lossy_lightning.functional.measuring import hooks_of, undisturbed
from lossy_lightning.functional.psychoacoustics import (
    FULL_SCALE_LEVEL,
    bark,
    bark_bands,
    masking_thresholds,
    spreading,
    threshold_in_quiet,
)
from lossy_lightning.functional.pyramid import (
    pyramid_index,
    pyramid_search,
    pyramid_size,
    pyramid_vectors,
)
from lossy_lightning.functional.transforms.dct import (
    dct,
    dct_islow,
    double_blocks,
    halve_blocks,
    idct,
    idct_islow,
)
from lossy_lightning.functional.transforms.hevc import (
    HEVC_INTRA_SCALING,
    hevc_matrix,
    hevc_scale,
    hevc_scaling,
    hevc_steps,
    hevc_transform,
    inverse_hevc_transform,
)
from lossy_lightning.functional.transforms.mdct import (
    imdct,
    mdct,
    overlap_add,
)
from lossy_lightning.functional.transforms.mel import mel_bands
from lossy_lightning.functional.transforms.wavelet import (
    Subbands,
    inverse_wavelet,
    wavelet,
)
from lossy_lightning.functional.transforms.wavelet_packet import (
    inverse_wavelet_packet,
    wavelet_packet,
)
from lossy_lightning.functional.vq import (
    nearest_codewords,
    sum_codewords,
)

__all__ = [
    "FULL_SCALE_LEVEL",
    "HEVC_INTRA_SCALING",
    "SAMPLING_FACTORS",
    "Subbands",
    "bark",
    "bark_bands",
    "bound",
    "coefficients_to_image",
    "crop",
    "dct",
    "dct_islow",
    "double_blocks",
    "downsample",
    "flip_blocks",
    "from_blocks",
    "halve_blocks",
    "hevc_matrix",
    "hevc_scale",
    "hevc_scaling",
    "hevc_steps",
    "hevc_transform",
    "hooks_of",
    "ict_to_rgb",
    "idct",
    "idct_islow",
    "image_to_coefficients",
    "imdct",
    "index_entropy",
    "inverse_hevc_transform",
    "inverse_jpeg_transform",
    "inverse_wavelet",
    "inverse_wavelet_packet",
    "jpeg_transform",
    "masking_thresholds",
    "mdct",
    "mel_bands",
    "mirror_to",
    "nearest_codewords",
    "overlap_add",
    "pad_codes",
    "pad_to_mcus",
    "pad_to_multiple",
    "perplexity",
    "pyramid_index",
    "pyramid_search",
    "pyramid_size",
    "pyramid_vectors",
    "quality_tables",
    "quantize",
    "rct_to_rgb",
    "repeat",
    "rgb_to_ict",
    "rgb_to_rct",
    "rgb_to_ycbcr",
    "round_divide",
    "round_half_away",
    "spread",
    "spreading",
    "sum_codewords",
    "threshold_in_quiet",
    "to_bits",
    "to_blocks",
    "to_gray",
    "transpose_blocks",
    "undisturbed",
    "upsample",
    "wavelet",
    "wavelet_packet",
    "ycbcr_to_rgb",
    "zigzag",
]
