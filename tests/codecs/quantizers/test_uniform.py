import numpy as np
import pytest
import torch

from lossy_lightning.codecs import Uniform
from lossy_lightning.testing import check_codec


def values(count=4, seed=0):
    return 3 * torch.randn(count, 1, 6, 5, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("limits", [(None, None), (-2.0, 1.5)])
def test_contract(limits):
    check_codec(Uniform(5, *limits), (1, 6, 5), values())


@pytest.mark.parametrize("bits", [1, 4, 8, 12, 16])
def test_codes_are_the_nearest_of_even_levels(bits):
    codec = Uniform(bits, low=-4.0, high=4.0)
    levels = np.linspace(-4, 4, 2**bits)
    given = values(1)[0, 0].numpy()
    nearest = np.abs(given[..., None] - levels).argmin(-1)
    code = codec.encode(torch.from_numpy(given))
    np.testing.assert_array_equal(code.numpy(), nearest)
    np.testing.assert_allclose(codec.decode(code).numpy(), levels[nearest], rtol=1e-5, atol=1e-5)
    assert code.dtype == codec.spec((1, 2)).dtype


def test_what_is_not_given_is_the_range_of_the_values():
    fitted = Uniform(8).fit(values().split(3))
    assert torch.equal(fitted.limits, torch.stack(values().aminmax()))
    assert Uniform(8, low=-100.0).fit([values()]).limits.tolist() == [-100.0, float(values().max())]
    assert not Uniform(8, low=0.0).fitted
    assert Uniform(8, low=0.0, high=1.0).fitted
    other = Uniform(8)
    other.load_state_dict(fitted.state_dict())
    assert other.fingerprint() == fitted.fingerprint() != Uniform(8).fingerprint()


def test_bad_input():
    with pytest.raises(ValueError, match="low < high"):
        Uniform(8, low=1.0, high=1.0)
    for ends in ((-1e39, 1e39), (-3e38, 3e38), (1.0, 1.0 + 1e-9), (0.0, 1e-39)):
        with pytest.raises(ValueError, match="are no different numbers of float32: take fewer bits"):
            Uniform(8, *ends)
    for bits in (0, 17, "8", 8.5):
        with pytest.raises(ValueError, match=r"1 to 16 bits|bits is a whole number"):
            Uniform(bits)
    with pytest.raises(RuntimeError, match="not fitted yet"):
        Uniform(8).encode(values())
    with pytest.raises(ValueError, match="finite"):
        Uniform(8).fit([torch.tensor([[float("nan")]])])
    with pytest.raises(ValueError, match="finite"):
        Uniform(8).fit([])
    with pytest.raises(ValueError, match="are no different numbers of float32: take fewer bits"):
        Uniform(8).fit([torch.tensor([[1.0, 1.0 + 1e-6]])])
    with pytest.raises(ValueError, match="some range"):
        Uniform(8).fit([torch.ones(2, 1, 3)])
    with pytest.raises(ValueError, match="float32"):
        Uniform(8, 0.0, 1.0).encode(torch.ones(1, 3, dtype=torch.int16))
    with pytest.raises(ValueError, match="NaN"):
        Uniform(8, 0.0, 1.0).encode(torch.full((1, 3), float("nan")))
