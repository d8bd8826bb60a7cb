import numpy as np
import pytest
import torch

from lossy_lightning.functional import downsample, rgb_to_ycbcr, upsample, ycbcr_to_rgb


def _every(step: int) -> torch.Tensor:
    """Every ``step``-th colour, with both ends, as one image."""
    values = torch.arange(0, 256, step, dtype=torch.uint8)
    return torch.stack(torch.meshgrid(values, values, values, indexing="ij")).flatten(2)


def _exact(matrix: list[list[float]], image: torch.Tensor, before: int, after: int) -> np.ndarray:
    offset = np.array([0, 128, 128]).reshape(3, 1, 1)
    return np.einsum("ij,jhw->ihw", np.array(matrix), image.numpy() - before * offset) + after * offset


# T.871, section 7, to the decimals that make it exact: R'G'B' weights .299, .587, .114.
_FORWARD = [
    [0.299, 0.587, 0.114],
    [-0.299 / 1.772, -0.587 / 1.772, 0.886 / 1.772],
    [0.701 / 1.402, -0.587 / 1.402, -0.114 / 1.402],
]


def test_ycbcr_is_the_standards_rounded():
    rgb = _every(5)
    want = _exact(_FORWARD, rgb, 0, 1)
    got = rgb_to_ycbcr(rgb)
    assert got.dtype == torch.uint8
    assert np.abs(got.numpy() - np.minimum(want, 255)).max() < 0.51


def test_rgb_is_the_standards_rounded_and_clipped():
    ycbcr = _every(5)
    want = _exact(np.linalg.inv(_FORWARD).tolist(), ycbcr, 1, 0).clip(0, 255)
    assert np.abs(ycbcr_to_rgb(ycbcr).numpy() - want).max() < 1.01


def test_float_colours_agree_and_come_back():
    rgb = _every(15)
    assert (rgb_to_ycbcr(rgb.double()) - rgb_to_ycbcr(rgb)).abs().max() < 0.51
    assert torch.allclose(ycbcr_to_rgb(rgb_to_ycbcr(rgb.double())), rgb.double(), atol=1e-4)


@pytest.mark.parametrize(
    ("factors", "plane", "want"),
    [
        ((2, 1), [[1, 2, 3, 4, 5, 6]], [[1, 4, 5]]),  # halves go down and up by turns
        ((2, 2), [[1, 2, 3, 4, 5, 6], [3, 4, 5, 6, 7, 8]], [[2, 5, 6]]),  # halves likewise
        ((1, 2), [[1, 2, 3], [2, 2, 4]], [[2, 2, 4]]),  # halves go up
        ((4, 1), [[1, 2, 3, 4, 5, 5, 5, 5]], [[3, 5]]),  # halves go up
        ((1, 1), [[1, 2]], [[1, 2]]),
    ],
)
def test_means_round_as_libjpeg(factors, plane, want):
    got = downsample(torch.tensor(plane, dtype=torch.uint8), factors)
    assert torch.equal(got, torch.tensor(want, dtype=torch.uint8))


def _triangle(plane: np.ndarray, axis: int) -> np.ndarray:
    """Interpolation at quarter distances, ends held."""
    size = plane.shape[axis]
    where = (np.arange(2 * size) - 0.5) / 2
    return np.apply_along_axis(lambda line: np.interp(where, np.arange(size), line), axis, plane)


@pytest.mark.parametrize("factors", [(2, 1), (1, 2), (2, 2)])
def test_upsampling_interpolates(factors):
    plane = torch.randint(0, 256, (5, 7), generator=torch.Generator().manual_seed(0))
    want = plane.numpy().astype(float)
    for axis, factor in ((1, factors[0]), (0, factors[1])):
        want = _triangle(want, axis) if factor == 2 else want
    np.testing.assert_allclose(upsample(plane.double(), factors).numpy(), want)
    assert np.abs(upsample(plane.to(torch.uint8), factors).numpy() - want).max() <= 0.5


@pytest.mark.parametrize(("size", "factors"), [((3, 2), (2, 2)), ((3, 1), (2, 1)), ((3, 5), (4, 1))])
def test_narrow_planes_are_repeated(size, factors):
    plane = torch.arange(size[0] * size[1], dtype=torch.uint8).view(size)
    want = np.kron(plane.numpy(), np.ones((factors[1], factors[0])))
    np.testing.assert_array_equal(upsample(plane, factors).numpy(), want)


@pytest.mark.parametrize("factors", [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1)])
def test_gradients(factors):
    plane = torch.rand(2, 4, 8, dtype=torch.float64, requires_grad=True) * 255
    assert torch.autograd.gradcheck(lambda x: downsample(x, factors), plane)
    assert torch.autograd.gradcheck(lambda x: upsample(x, factors), plane)
    image = torch.rand(3, 2, 2, dtype=torch.float64, requires_grad=True) * 255
    assert torch.autograd.gradcheck(lambda x: ycbcr_to_rgb(rgb_to_ycbcr(x) * 2), image)
