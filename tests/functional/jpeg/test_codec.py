import numpy as np
import pytest
import torch

from lossy_lightning.functional import (
    coefficients_to_image,
    image_to_coefficients,
    inverse_jpeg_transform,
    jpeg_transform,
    pad_to_mcus,
    quality_tables,
    quantize,
    round_divide,
)

FACTORS = [(1, 1), (2, 1), (2, 2), (1, 2), (4, 1)]


@pytest.mark.parametrize("quality", [0, 101])
def test_qualities_out_of_range(quality):
    with pytest.raises(ValueError, match=f"1 to 100; got {quality}"):
        quality_tables(quality)


def test_division_is_libjpegs_reciprocal():
    """Of jcdctmgr.c: multiply by a 16-bit reciprocal and shift."""
    number = np.arange(1 << 14)
    for step in range(1, 256):
        divisor = 8 * step
        bits = divisor.bit_length() - 1
        shift = 16 + bits
        reciprocal, remainder = divmod(1 << shift, divisor)
        correction = divisor // 2
        if remainder == 0:
            reciprocal, shift = reciprocal >> 1, shift - 1
        elif remainder <= divisor // 2:
            correction += 1
        else:
            reciprocal += 1
        want = ((number + correction) * reciprocal) >> shift
        got = round_divide(torch.from_numpy(number), torch.tensor(divisor))
        np.testing.assert_array_equal(got, want)
        assert torch.equal(round_divide(torch.from_numpy(-number), torch.tensor(divisor)), -got)


def test_padding_blocks_repeat_dc():
    blocks = torch.arange(1, 1 + 3 * 3 * 64).view(3, 3, 8, 8)
    padded = pad_to_mcus(blocks, (2, 2))
    assert torch.equal(padded[:3, :3], blocks)
    dc = blocks[..., 0, 0]
    want = [dc[0, 2], dc[1, 2], dc[2, 2], dc[2, 2], dc[2, 1], dc[2, 1], dc[2, 2]]
    got = [padded[at] for at in [(0, 3), (1, 3), (2, 3), (3, 3), (3, 0), (3, 1), (3, 2)]]
    assert [block[0, 0] for block in got] == want
    assert all(block.count_nonzero() == 1 for block in got)


@pytest.mark.parametrize("factors", FACTORS)
@pytest.mark.parametrize("channels", [1, 3])
def test_float_transform_agrees_with_the_integer_one(factors, channels):
    image = torch.randint(0, 256, (2, channels, 21, 35), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    tables = torch.ones(2, 8, 8, dtype=torch.int32)
    integers = image_to_coefficients(image, tables, factors)
    floats = jpeg_transform(image.double(), factors)
    assert all((a - b).abs().max() < 4 for a, b in zip(integers, floats, strict=True))
    assert all((a - b).abs().mean() < 1 for a, b in zip(integers, floats, strict=True))
    want = inverse_jpeg_transform([c.double() for c in integers], (21, 35), factors).clamp(0, 255)
    got = coefficients_to_image(integers, [tables[0]] * channels, (21, 35), factors)
    assert (got - want).abs().max() < 3.5


def test_full_resolution_comes_back():
    image = torch.rand(3, 17, 9, dtype=torch.float64) * 255
    assert torch.allclose(inverse_jpeg_transform(jpeg_transform(image, (1, 1)), (17, 9), (1, 1)), image, atol=1e-4)


@pytest.mark.parametrize("factors", [(1, 1), (2, 1), (2, 2)])
def test_gradients(factors):
    image = torch.rand(3, 3, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: jpeg_transform(255 * x, factors), image, fast_mode=True)
    blocks = [c.detach().requires_grad_() for c in jpeg_transform(image, factors)]
    assert torch.autograd.gradcheck(lambda *c: inverse_jpeg_transform(c, (3, 5), factors), blocks, fast_mode=True)


def test_quantizer_rounds_and_passes_gradients():
    values = torch.randn(4, 8, 8) * 50
    values[0, 0, 0] = 25
    table = torch.full((8, 8), 10.0, requires_grad=True)
    values.requires_grad_()
    levels = quantize(values, table)
    assert torch.equal(levels, levels.round())
    assert (levels * table - values).abs().max() <= 5
    assert levels[0, 0, 0] == 3
    got = torch.autograd.grad(levels.sum(), (values, table))
    want = torch.autograd.grad((values / table).sum(), (values, table))
    assert all(map(torch.equal, got, want))
