"""Files of one chroma subsampling brought to another, without decoding them."""

import numpy as np
import torch
from torch import Tensor

from lossy_lightning.bitstream.jpeg import JPEGCoefficients, JPEGComponent
from lossy_lightning.core import InputError
from lossy_lightning.functional import double_blocks, halve_blocks, pad_to_mcus


def with_subsampling(image: JPEGCoefficients, factors: tuple[int, int], chroma_table: Tensor) -> JPEGCoefficients:
    """A grey or YCbCr image with three components and other sampling factors of luma; luma's blocks stay as they are.

    Chroma is averaged or repeated in the DCT domain, rounded to whole numbers of int16 (what is beyond becomes the
    least or greatest one); its quantization table is then all ones. A grey image gets chroma of zeros. An image that
    has these factors is returned as it is.

    Args:
        image: The image.
        factors: ``(h, v)``, luma's sampling factors; those of chroma are 1.
        chroma_table: ``(8, 8)``, quantization table of chroma that is added to a grey image.

    Raises:
        ValueError: Where the image is neither grey nor YCbCr; where chroma is sampled finer than luma, or not at a
            power of two times what is wanted.
    """
    if image.color_space not in ("grey", "YCbCr"):
        raise InputError(
            f"grey and YCbCr images are brought to one chroma subsampling; got {image.color_space}: decode the file "
            "and encode its pixels"
        )
    luma, *chroma = image.components
    ratios = [_ratio(luma, component) for component in chroma]
    if ratios == [factors, factors]:
        return image
    if any(min(ratio) < 1 for ratio in ratios):
        raise InputError(f"chroma is sampled finer than luma, {ratios}: decode the file and encode its pixels")
    blocks = pad_to_mcus(torch.from_numpy(luma.coefficients), factors)
    if chroma:
        added = [_resampled(component, have, factors) for component, have in zip(chroma, ratios, strict=True)]
    else:
        shape = (blocks.shape[0] // factors[1], blocks.shape[1] // factors[0], 8, 8)
        table = chroma_table.numpy().astype(np.uint16)
        added = [JPEGComponent(np.zeros(shape, np.int16), table, (1, 1))] * 2
    first = JPEGComponent(blocks.numpy(), luma.quantization_table, factors)
    return JPEGCoefficients(image.width, image.height, "YCbCr", (first, *added), image.precision, image.adobe)


def _ratio(luma: JPEGComponent, chroma: JPEGComponent) -> tuple[float, float]:
    """Luma's samples to one of chroma, along the width and the height."""
    (h, v), (x, y) = luma.sampling_factors, chroma.sampling_factors
    return h / x, v / y


def _resampled(component: JPEGComponent, have: tuple[float, float], want: tuple[int, int]) -> JPEGComponent:
    if have == want:
        return component._replace(sampling_factors=(1, 1))
    values = torch.from_numpy(component.coefficients * component.quantization_table.astype(np.float32))
    for axis, got, wanted in ((1, have[0], want[0]), (0, have[1], want[1])):
        while got < wanted:
            values, got = halve_blocks(values, axis), 2 * got
        while got > wanted:
            values, got = double_blocks(values, axis), got / 2
        if got != wanted:
            raise InputError(f"chroma sampled at {have} of luma cannot be brought to {want} by halving and doubling")
    ones = np.ones((8, 8), np.uint16)
    return JPEGComponent(values.round().clamp(-(2**15), 2**15 - 1).to(torch.int16).numpy(), ones, (1, 1))
