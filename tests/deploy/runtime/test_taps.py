"""Which positions an output position sees."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lossy_lightning.deploy.runtime._taps import taps


@pytest.mark.parametrize(
    ("grid", "kernel", "stride", "padding", "dilation"),
    [
        ((9,), (3,), (2,), (1,), (1,)),
        ((7, 6), (3, 2), (2, 1), (1, 1), (1, 2)),
        ((5, 4), (5, 4), (1, 1), (0, 0), (1, 1)),
    ],
)
def test_taps_are_those_of_a_convolution(grid, kernel, stride, padding, dilation):
    image = torch.arange(1.0, 1 + np.prod(grid)).view(1, 1, *grid)
    if len(grid) == 1:
        image, kernel2, sizes = image.unsqueeze(2), (1, *kernel), ((1, *dilation), (0, *padding), (1, *stride))
    else:
        kernel2, sizes = kernel, (dilation, padding, stride)
    patches = F.unfold(image, kernel2, *sizes)[0].T.numpy()
    told = {"grid": grid, "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    assert np.array_equal(taps(told) + 1, patches)
