"""A small vision transformer on coefficients, and on pixels."""

import pytest
import torch

from lossy_lightning.codecs import JPEG
from lossy_lightning.nn import FrequencyBatchNorm, VisionTransformer
from lossy_lightning.profiling import count_macs


@pytest.mark.parametrize(("shape", "patch"), [((192, 4, 4), (1, 1)), ((192, 4, 4), (2, 2)), ((3, 32, 32), (8, 8))])
def test_costs_stay_below_three_million(shape, patch):
    """Blocks of coefficients and of pixels make the same tokens, at the same cost."""
    macs = count_macs(VisionTransformer(shape, 10, patch).eval(), torch.zeros(1, *shape))
    assert sum(macs.values()) < 3e6
    if patch != (2, 2):
        assert macs == {32: 16 * (192 * 64 + 3 * 12 * 64**2) + 3 * 2 * 16 * 16 * 64 + 10 * 64}


def test_tokens_know_their_place():
    """Blocks that change places change the logits; blocks of a larger token stand between its own."""
    torch.manual_seed(0)
    stem = FrequencyBatchNorm(JPEG(chroma_subsampling="4:4:4").spec((3, 32, 32))).eval()
    network = VisionTransformer(stem.shape, 10).eval()
    features = stem(torch.randint(-9, 10, (1, 192, 4, 4)))
    assert not torch.allclose(network(features), network(features.flip(2)), atol=1e-3)
    from lossy_lightning.nn.backbones.vision_transformer import sine_positions

    fine, coarse = sine_positions(torch.zeros(1, 8, 4, 4), 1), sine_positions(torch.zeros(1, 8, 2, 2), 2)
    slow = coarse[[1, 3, 5, 7]]  # sines and cosines of the lowest rate are all but straight
    torch.testing.assert_close(slow, torch.nn.functional.avg_pool2d(fine, 2)[[1, 3, 5, 7]], rtol=0, atol=1e-6)


def test_what_does_not_fit_is_told():
    for arguments in ({"dim": 6}, {"dim": 12, "heads": 5}):
        with pytest.raises(ValueError, match="multiple of 4 and of heads"):
            VisionTransformer((3, 8, 8), 2, **arguments)
