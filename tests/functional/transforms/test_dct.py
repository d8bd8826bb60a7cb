import numpy as np
import pytest
import torch
from scipy.fft import dctn, idctn

from lossy_lightning.functional import dct, dct_islow, double_blocks, halve_blocks, idct, idct_islow


@pytest.fixture
def blocks():
    return torch.randint(-128, 128, (500, 8, 8), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [(8, 8), (4, 16), (1, 3)])
def test_dct_is_scipys(size):
    values = torch.randn(3, *size, dtype=torch.float64)
    np.testing.assert_allclose(dct(values), dctn(values, axes=(1, 2), norm="ortho"), atol=1e-12)
    np.testing.assert_allclose(idct(values), idctn(values, axes=(1, 2), norm="ortho"), atol=1e-12)


def test_integer_dct_is_eight_times_the_exact_one_nearly(blocks):
    want = dctn(blocks.numpy(), axes=(1, 2), norm="ortho")
    got = dct_islow(blocks)
    assert got.dtype == torch.int32
    assert np.abs(got.numpy() / 8 - want).max() < 0.25


def test_integer_inverse_is_the_exact_one_nearly(blocks):
    coefficients = dctn(blocks.numpy(), axes=(1, 2), norm="ortho").round()
    want = idctn(coefficients, axes=(1, 2), norm="ortho")
    # The accuracy that IEEE 1180 asks of an inverse DCT: at most one off, a mean square of at most 0.02.
    errors = np.abs(idct_islow(torch.from_numpy(coefficients)).numpy() - want.round())
    assert errors.max() <= 1
    assert errors.mean() <= 0.02


def _butterflies(line: list[int]) -> list[int]:
    """One pass of libjpeg's jfdctint.c, unscaled."""
    even = [line[i] + line[7 - i] for i in range(4)]
    t7, t6, t5, t4 = (line[i] - line[7 - i] for i in range(4))
    t10, t13, t11, t12 = even[0] + even[3], even[0] - even[3], even[1] + even[2], even[1] - even[2]
    z1 = (t12 + t13) * 4433
    out = [8192 * (t10 + t11), 0, z1 + 6270 * t13, 0, 8192 * (t10 - t11), 0, z1 - 15137 * t12, 0]
    z5 = (t4 + t6 + t5 + t7) * 9633
    z1, z2 = (t4 + t7) * -7373, (t5 + t6) * -20995
    z3, z4 = (t4 + t6) * -16069 + z5, (t5 + t7) * -3196 + z5
    out[1::2] = 12299 * t7 + z1 + z4, 25172 * t6 + z2 + z3, 16819 * t5 + z2 + z4, 2446 * t4 + z1 + z3
    return out


def test_integer_dct_is_libjpegs_butterflies(blocks):
    for block in blocks[:20]:
        rows = [[(x + 1024) >> 11 for x in _butterflies(row)] for row in block.tolist()]
        columns = [[(x + 16384) >> 15 for x in _butterflies(list(column))] for column in zip(*rows, strict=True)]
        assert dct_islow(block).mT.tolist() == columns


def test_gradients():
    values = torch.randn(2, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(dct, values)
    assert torch.autograd.gradcheck(idct, values)


def _samples(coefficients):
    """Image of blocks of coefficients, decoded by SciPy."""
    blocks = idctn(coefficients, axes=(-2, -1), norm="ortho").swapaxes(-3, -2)
    return blocks.reshape(*blocks.shape[:-4], 8 * blocks.shape[-4], 8 * blocks.shape[-2])


def _coefficients(samples):
    rows, columns = (size // 8 for size in samples.shape[-2:])
    blocks = samples.reshape(*samples.shape[:-2], rows, 8, columns, 8).swapaxes(-3, -2)
    return dctn(blocks, axes=(-2, -1), norm="ortho")


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_halving_is_averaging_pixels(axis, batch):
    coefficients = torch.randn(*batch, 4, 6, 8, 8, dtype=torch.float64)
    image = np.moveaxis(_samples(coefficients.numpy()), axis - 2, 0)
    want = _coefficients(np.moveaxis((image[0::2] + image[1::2]) / 2, 0, axis - 2))
    np.testing.assert_allclose(halve_blocks(coefficients, axis), want, atol=1e-12)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_doubling_is_repeating_pixels(axis, batch):
    coefficients = torch.randn(*batch, 3, 2, 8, 8, dtype=torch.float64)
    want = _coefficients(_samples(coefficients.numpy()).repeat(2, axis - 2))
    np.testing.assert_allclose(double_blocks(coefficients, axis), want, atol=1e-12)


@pytest.mark.parametrize("axis", [0, 1])
def test_halving_an_odd_number_of_blocks_adds_one_of_the_last_ones_mean(axis):
    coefficients = torch.randn(3, 3, 8, 8, dtype=torch.float64)
    image = np.moveaxis(_samples(coefficients.numpy()), axis, 0)
    last = image[16:].reshape(8, 3, 8).mean((0, 2)).repeat(8)
    padded = np.concatenate([image, np.broadcast_to(last, (8, 24))])
    want = _coefficients(np.moveaxis((padded[0::2] + padded[1::2]) / 2, 0, axis))
    np.testing.assert_allclose(halve_blocks(coefficients, axis), want, atol=1e-12)
