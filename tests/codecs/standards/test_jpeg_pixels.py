"""The compiled arithmetic against that of tensors, which is the definition."""

import pytest
import torch

from lossy_lightning.codecs import JPEG
from lossy_lightning.functional import SAMPLING_FACTORS

SIZES = [(1, 1), (5, 4), (9, 15), (8, 16), (17, 33)]


class Uncompiled(torch.Tensor):
    """A tensor that compiled code leaves to torch."""


@pytest.fixture(autouse=True)
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def draw(*shape, low=0, high=256, seed=0):
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(seed))


def both(call, tensor, *arguments):
    """What tensors compute, checked to be what compiled code computes."""
    want = call(tensor.as_subclass(Uncompiled), *arguments)
    got = call(tensor, *arguments)
    assert type(want) is Uncompiled
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    assert torch.equal(got, want.as_subclass(torch.Tensor))
    return got


@pytest.mark.parametrize("subsampling", SAMPLING_FACTORS)
@pytest.mark.parametrize(
    "options",
    [
        {"quality": 100},
        {"quality": 60, "dequantize": True},
        {"quality": 1, "tables": True},
        {"quantization_tables": draw(2, 8, 8, low=1), "dequantize": True, "tables": True},
    ],
    ids=["fine", "dequantized", "carried", "custom"],
)
def test_compiled_code_computes_what_tensors_do(subsampling, options):
    codec = JPEG(chroma_subsampling=subsampling, **options)
    for i, size in enumerate(SIZES):
        for channels in (1, 3):
            noise = draw(3, channels, *size, seed=i).to(torch.uint8)
            for images in (noise, noise // 128 * 255, noise // 16 + 100):
                both(codec.decode, both(codec.encode, images), images.shape)


@pytest.mark.parametrize(("low", "high"), [(-4, 5), (-90, 90), (-1024, 1024), (-(2**15), 2**15)])
def test_any_levels_are_decoded_as_tensors_do(low, high):
    """Sums of the greatest ones do not fit into 32 bits."""
    for codec in (JPEG(100), JPEG(5), JPEG(tables=True)):
        code = draw(2, codec.spec((3, 20, 20)).shape[0], 2, 2, low=low, high=high).to(torch.int16)
        both(codec.decode, code, (3, 20, 20))
        code[:, 384:] = 255
        both(codec.decode, code, (3, 20, 20))


def test_any_batch_and_memory():
    codec = JPEG()
    images = draw(2, 3, 20, 30, 3).to(torch.uint8).movedim(-1, -3)[..., 2:]
    code = both(codec.encode, images)
    assert code.stride(-3) == 1
    both(codec.decode, code.contiguous()[..., 1:], (3, 20, 14))
    both(codec.decode, code.int(), (3, 20, 28))
    assert codec.decode(codec.encode(images[:0]), (3, 20, 28)).shape == (0, 3, 3, 20, 28)
    assert torch.equal(codec.encode(images[1, 2]), code[1, 2])
