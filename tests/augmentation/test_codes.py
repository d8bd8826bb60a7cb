import pytest
import torch

from lossy_lightning.augmentation import BitFlip


def test_each_bit_flips_with_the_probability():
    torch.manual_seed(0)
    code = torch.randint(0, 16, (200, 1, 7, 7), dtype=torch.uint8)
    flipped = BitFlip(0.1, bit_width=4)(code) ^ code
    assert int(flipped.max()) < 16
    for bit in range(4):
        assert ((flipped >> bit) & 1).float().mean() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64])
def test_dtype_and_shape_stay_and_the_code_is_left_alone(dtype):
    code = torch.full((2, 3, 5), 6, dtype=dtype)
    noisy = BitFlip(1.0, bit_width=4)(code)
    assert noisy.dtype == dtype
    assert noisy.eq(9).all()
    assert code.eq(6).all()
    assert torch.equal(BitFlip(0.0, bit_width=4)(code), code)


@pytest.mark.parametrize(("probability", "bit_width"), [(-0.1, 4), (1.1, 4), (0.5, 0), (0.5, 9)])
def test_mistakes(probability, bit_width):
    with pytest.raises(ValueError, match=f"got probability={probability}, bit_width={bit_width}"):
        BitFlip(probability, bit_width)
