"""Codes of JPEG, and what they are in samples."""

import numpy as np
import torch
from scipy.fft import idctn

from lossy_lightning.codecs import JPEG
from lossy_lightning.functional import flip_blocks, inverse_jpeg_transform

FACTORS = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2), "4:4:0": (1, 2), "4:1:1": (4, 1)}


def images(count=6, size=(32, 64), channels=3):
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (count, channels, size[0] // 4, size[1] // 4)).repeat(4, 2).repeat(4, 3)
    return torch.from_numpy((coarse * 0.7 + rng.integers(0, 77, (count, channels, *size))).astype(np.uint8))


def adapted(augmentation, codec):
    augmentation.adapt([codec], spec_of(codec), None)
    return augmentation


def spec_of(codec, channels=3):
    return codec.spec((channels, None, None))


def by_field(codec, code, change, *arguments):
    """A code whose fields of blocks are changed."""
    spec = spec_of(codec)
    parts = spec.split(code)
    return spec.join({n: p if spec.field(n).constant else change(p, *arguments) for n, p in parts.items()})


def flipped_code(codec, code, axis):
    return by_field(codec, code, flip_blocks, axis)


def blocks_of(codec, code):
    """Coefficients of each component, ``(N, rows, columns, 8, 8)``."""
    fields = [field for field in spec_of(codec).fields if not field.constant]
    return [spec_of(codec).split(code)[field.name].movedim(1, -1).unflatten(-1, (8, 8)) for field in fields]


def tables(codec):
    """Quantization tables of the components, ``(3, 8, 8)``."""
    return torch.stack(list(JPEG(codec.quality, dequantize=codec.dequantize).steps().values())).view(3, 8, 8)


def real_image(codec, code, subsampling):
    """Decoded in floating point: neither rounded nor clipped."""
    h, v = FACTORS[subsampling]
    parts = [c.double() * s for c, s in zip(blocks_of(codec, code), tables(codec).double(), strict=True)]
    return inverse_jpeg_transform(parts, (8 * v * code.shape[-2], 8 * h * code.shape[-1]), (h, v))


def luma_plane(codec, code, subsampling):
    """Samples of luma, by SciPy."""
    blocks = blocks_of(codec, code)[0].double().numpy() * tables(codec)[0].double().numpy()
    samples = idctn(blocks, axes=(-2, -1), norm="ortho").swapaxes(-3, -2)
    return torch.from_numpy(samples.reshape(len(code), 8 * samples.shape[1], -1))
