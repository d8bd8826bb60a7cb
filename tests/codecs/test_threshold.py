"""Pixels as bits."""

import pytest
import torch

from lossy_lightning.codecs import Threshold
from lossy_lightning.testing import check_codec


@pytest.mark.parametrize(("thresholds", "error"), [([128], 64**2), ([32, 64, 192], 48**2)])
def test_contract(thresholds, error):
    check_codec(Threshold(thresholds), (3, 9, 7), max_distortion=error)


def test_bits():
    image = torch.tensor([0, 63, 64, 127, 128, 255], dtype=torch.uint8).view(1, 1, 6)
    assert Threshold([64, 128]).encode(image).view(2, 6).tolist() == [[0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1]]


@pytest.mark.parametrize("thresholds", [[], [0], [256], [9, 9], [9, 3], [1.5], 128])
def test_mistakes(thresholds):
    with pytest.raises(ValueError, match="thresholds are whole numbers"):
        Threshold(thresholds)


def test_samples_of_another_kind_are_told():
    with pytest.raises(ValueError, match="uint8"):
        Threshold().encode(torch.zeros(1, 4, 4))
