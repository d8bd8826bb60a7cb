"""Batches of images to codes and back, in as many threads as torch uses."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossy_lightning.bitstream.pool import in_threads
from lossy_lightning.codecs.standards._jpeg_layout import JPEGLayout
from lossy_lightning.codecs.standards._jpeg_pixels._dct import MOST_SUM
from lossy_lightning.codecs.standards._jpeg_pixels._decoding import decode
from lossy_lightning.codecs.standards._jpeg_pixels._encoding import encode


def codes_of(images: Tensor, layout: JPEGLayout) -> Tensor:
    """Codes of images.

    Args:
        images: ``(..., 1 or 3, H, W)``, uint8, on the CPU, not empty.
        layout: Of the codes.

    Returns:
        ``(..., channels, rows, columns)``, int16, channels-last in memory.
    """
    components, height, width = images.shape[-3:]
    h, v = layout.factors_of(components)
    rows, columns, channels = -(-height // (8 * v)), -(-width // (8 * h)), layout.num_channels(components)
    batch = images.detach().reshape(-1, components, height, width).contiguous()
    codes = torch.empty(len(batch), rows, columns, channels, dtype=torch.int16)
    divisors = _divisors(layout)
    carried = torch.stack(layout.tables[:components]).flatten()[: channels - layout.num_levels(components)].short()

    def work(part: slice) -> None:
        encode(batch[part].numpy(), codes[part].numpy(), divisors, carried.numpy(), h, v)

    in_threads(work, _parts(len(batch)), torch.get_num_threads())
    return codes.view(*images.shape[:-3], rows, columns, channels).movedim(-1, -3)


def images_of(
    codes: Tensor, tables: Sequence[Tensor], factors: tuple[int, int], shape: tuple[int, int, int]
) -> Tensor | None:
    """Images of codes.

    Args:
        codes: ``(..., channels, rows, columns)``, int16, on the CPU, not empty.
        tables: Quantization steps of each component, ``(8, 8)`` or ``(..., 8, 8)``, integer.
        factors: ``(h, v)``, luma's sampling factors; ones for grey.
        shape: Of an image, ``(1 or 3, H, W)``.

    Returns:
        ``(..., *shape)``, uint8; None if a block's coefficients are so large that 32 bits do not hold its sums.
    """
    h, v = factors
    batch = codes.detach().movedim(-3, -1).reshape(-1, *codes.shape[-2:], codes.shape[-3]).contiguous()
    images = torch.empty(len(batch), *shape, dtype=torch.uint8)
    steps = torch.stack([table.flatten(-2) for table in tables], -2).int().view(-1, len(tables), 64).contiguous()

    def work(part: slice) -> int:
        own = steps[part] if len(steps) > 1 else steps
        largest: int = decode(batch[part].numpy(), images[part].numpy(), own.numpy(), h, v)
        return largest

    if max(in_threads(work, _parts(len(batch)), torch.get_num_threads())) > MOST_SUM:
        return None
    return images.view(*codes.shape[:-3], *shape)


def _parts(count: int) -> list[slice]:
    """Even parts of a batch, one a thread."""
    threads = min(count, torch.get_num_threads())
    return [slice(a, b) for a, b in pairwise(count * i // threads for i in range(threads + 1))]


def _divisors(layout: JPEGLayout) -> NDArray[np.int32]:
    """What levels are computed with, ``(2, 3, 64)``: halves of divisors, reciprocals of twice those, and factors."""
    steps = np.stack([table.numpy() for table in layout.tables[:2]]).reshape(2, 64).astype(np.int32)
    reciprocals = (1 / (16 * steps)).astype(np.float32)
    return np.stack([4 * steps, reciprocals.view(np.int32), steps if layout.dequantize else np.ones_like(steps)], 1)
