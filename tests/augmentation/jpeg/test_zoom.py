"""JPEG codes doubled and halved, against the same done to samples."""

import pytest
import torch

from lossy_lightning.augmentation import (
    MCUZoom,
)
from lossy_lightning.codecs import JPEG
from tests.augmentation.jpeg.blocks import FACTORS, adapted, images, luma_plane


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0", "4:2:2"])
@pytest.mark.parametrize("size", [(64, 64), (48, 80)])
def test_zoom_repeats_or_averages_samples(subsampling, size):
    codec = JPEG(100, subsampling, dequantize=True)
    code = codec.encode(images(12, size))
    rows, columns = code.shape[-2:]
    h, v = FACTORS[subsampling]
    zoom = adapted(MCUZoom(), codec)
    before = luma_plane(codec, code, subsampling)
    larger, smaller = (luma_plane(codec, f(code), subsampling) for f in (zoom.enlarged, zoom.reduced))
    half = -(-rows // 2), -(-columns // 2)
    averaged = before[:, : rows // 2 * 16 * v, : columns // 2 * 16 * h]
    averaged = averaged.unflatten(1, (-1, 2)).unflatten(3, (-1, 2)).mean((2, 4))
    for one, big, small, mean in zip(before, larger, smaller, averaged, strict=True):
        fits = [
            (
                big
                - one.repeat_interleave(2, 0).repeat_interleave(2, 1)[16 * v * y :, 16 * h * x :][
                    : len(big), : big.shape[1]
                ]
            )
            .abs()
            .max()
            < 4
            for y in range(rows - half[0] + 1)
            for x in range(columns - half[1] + 1)
        ]
        assert sum(fits) == 1
        places = [
            (8 * v * y, 8 * h * x) for y in range(rows - rows // 2 + 1) for x in range(columns - columns // 2 + 1)
        ]
        fits = []
        for top, left in places:
            want = torch.zeros_like(one)
            want[top : top + len(mean), left : left + mean.shape[1]] = mean
            fits.append((small - want).abs().max() < 4)
        assert sum(fits) == 1


@pytest.mark.parametrize("arguments", [{}, {"tables": True}])
def test_zoom_works_on_levels(arguments):
    codec, plain = JPEG(90, **arguments), JPEG(90, dequantize=True)
    image = images(8, (64, 64))
    results = []
    for each in (codec, plain):
        torch.manual_seed(3)
        code = adapted(MCUZoom(enlarge_probability=0.5, reduce_probability=0.5), each)(each.encode(image))
        each.spec((3, 64, 64)).check(code)
        results.append(each.decode(code).float())
    assert (results[0] - results[1]).abs().mean() < 3.5
    assert (results[0] - codec.decode(codec.encode(image)).float()).flatten(1).abs().mean(1).min() > 10
    nothing = adapted(MCUZoom(enlarge_probability=0, reduce_probability=0), codec)
    assert torch.equal(nothing(codec.encode(image)), codec.encode(image))
