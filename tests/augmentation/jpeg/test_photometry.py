"""Brightness, contrast and missing frequencies of JPEG codes, against samples."""

import pytest
import torch

from lossy_lightning.augmentation import (
    CoefficientBrightness,
    CoefficientContrast,
    FrequencyDropout,
)
from lossy_lightning.codecs import JPEG
from tests.augmentation.jpeg.blocks import adapted, images, real_image, tables


@pytest.mark.parametrize("arguments", [{}, {"tables": True}, {"dequantize": True}])
def test_brightness_adds_to_all_samples(arguments):
    codec = JPEG(60, "4:4:4", **arguments)
    image = torch.full((200, 3, 16, 16), 100, dtype=torch.uint8)
    code = codec.encode(image)
    got = adapted(CoefficientBrightness(max_change=40), codec)(code)
    codec.spec((3, 16, 16)).check(got)
    decoded = codec.decode(got)
    values = decoded.flatten(1).float()
    assert (values.std(1) < 1).all()  # all samples of an image alike
    step = 1 if arguments.get("dequantize") else tables(codec)[0, 0, 0] / 8
    assert 60 - step - 1 <= values.min() < 66
    assert 134 < values.max() <= 140 + step + 1
    changed = (got != code).any(0).flatten(1).any(1)
    assert changed.nonzero().flatten().tolist() == [0]


def test_contrast_multiplies_the_distance_from_mid_grey():
    codec = JPEG(100, "4:2:0", dequantize=True)
    code = codec.encode(images(1, (32, 32))).repeat(100, 1, 1, 1)
    got = adapted(CoefficientContrast(max_change=0.5), codec)(code)
    codec.spec((3, 32, 32)).check(got)
    before, after = (real_image(codec, c, "4:2:0").flatten(1) - 128 for c in (code, got))
    factor = (before * after).sum(1, keepdim=True) / before.square().sum(1, keepdim=True)
    assert (after - factor * before).abs().max() < 5  # 64 roundings of up to a half, twice interpolated
    assert 0.5 <= factor.min() < 0.6
    assert 1.4 < factor.max() <= 1.5
    tables = JPEG(50, tables=True)
    code = tables.encode(images())
    assert torch.equal(adapted(CoefficientContrast(), tables)(code)[:, 384:], code[:, 384:])


def test_dropped_frequencies_are_missing_in_all_blocks():
    codec = JPEG(100, tables=True)
    code = torch.ones(300, 576, 2, 2, dtype=torch.int16)
    got = adapted(FrequencyDropout(probability=0.3), codec)(code)
    assert (got[:, 384:] == 1).all()
    levels = got[:, :384].view(300, 6, 64, 2, 2)
    first = levels[:, 0, :, 0, 0]
    assert (levels == first.view(300, 1, 64, 1, 1)).all()
    assert (first[:, 0] == 1).all()
    assert (first[:, 1:] == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
