import pytest
import torch

from lossy_lightning.codecs import PCM
from lossy_lightning.core import CodeSpec, Field

DTYPES = {8: torch.uint8, 16: torch.int16}


@pytest.mark.parametrize("bit_width", [8, 16])
def test_samples_stay_as_they_are(bit_width):
    info = torch.iinfo(DTYPES[bit_width])
    signal = torch.tensor([[info.min, -1 if info.min else 1, info.max]], dtype=DTYPES[bit_width])
    codec = PCM(bit_width)
    assert torch.equal(codec.encode(signal), signal)
    assert torch.equal(codec.decode(codec.encode(signal), (1, 3)), signal)
    assert codec.spec((1, None)) == CodeSpec([Field("code", (info.min,), (info.max,), ordinal=True)], (None,))
    assert codec.spec((2, 3)).dtype is DTYPES[bit_width]
    assert codec.spec((2, 3)).bit_widths == (bit_width,) * 2


def test_pixels_have_no_codebook():
    assert PCM().codebooks() is None


@pytest.mark.parametrize(("bit_width", "dtype"), [(8, torch.int16), (8, torch.float32), (16, torch.uint8)])
def test_another_dtype_is_refused(bit_width, dtype):
    with pytest.raises(ValueError, match=f"takes signals of {DTYPES[bit_width]}; got {dtype}"):
        PCM(bit_width).encode(torch.zeros(1, 2, dtype=dtype))


@pytest.mark.parametrize("bit_width", [0, 12, 32])
def test_another_bit_width_is_refused(bit_width):
    with pytest.raises(ValueError, match=f"8 or 16 bits; got bit_width={bit_width}"):
        PCM(bit_width)
