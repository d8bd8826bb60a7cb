import pytest
import torch
from sklearn.cluster import KMeans

from lossy_lightning.codecs import LloydMax, Uniform
from lossy_lightning.testing import check_codec


def values(count=4, seed=0):
    return 3 * torch.randn(count, 1, 6, 5, generator=torch.Generator().manual_seed(seed))


def test_contract():
    check_codec(LloydMax(4), (1, 6, 5), values())


def test_levels_of_a_normal_distribution_are_those_of_max():
    """Max 1960, table I: four levels at ±0.4528 and ±1.510, mean squared error 0.1175."""
    x = torch.erfinv(2 * (torch.arange(200_000) + 0.5) / 200_000 - 1)[None].float() * 2**0.5
    codec = LloydMax(2).fit([x])
    assert torch.allclose(codec.values, torch.tensor([-1.510, -0.4528, 0.4528, 1.510]), atol=2e-3)
    assert (codec.decode(codec.encode(x)) - x).square().mean() == pytest.approx(0.1175, abs=1e-3)


def test_no_level_moves_any_more():
    x = values(40)
    codec = LloydMax(3).fit(x.split(8))
    code = codec.encode(x)
    for level in range(8):
        assert x[code == level].mean() == pytest.approx(codec.values[level].item(), abs=1e-5)
    start = codec.values.numpy()[:, None]
    again = KMeans(8, init=start, n_init=1).fit(x.reshape(-1, 1).numpy())
    assert again.inertia_ == pytest.approx(((codec.decode(code) - x) ** 2).sum().item(), rel=1e-3)
    even = Uniform(3).fit([x])
    assert (codec.decode(code) - x).square().mean() < (even.decode(even.encode(x)) - x).square().mean()


def test_bad_input():
    for bits in (0, 13, "2"):
        with pytest.raises(ValueError, match=r"1 to 12 bits|bits is a whole number"):
            LloydMax(bits)
    with pytest.raises(ValueError, match="needs 4 different values; got 2"):
        LloydMax(2).fit([torch.tensor([[1.0, 1.0, 2.0, 2.0, 2.0]])])
    with pytest.raises(ValueError, match="got 0"):
        LloydMax(2).fit([])
    with pytest.raises(ValueError, match="finite"):
        LloydMax(2).fit([torch.tensor([[1.0, float("inf")]])])
    with pytest.raises(RuntimeError, match="not fitted"):
        LloydMax(2).encode(values())
    with pytest.raises(RuntimeError, match="not fitted"):
        LloydMax(2).decode(torch.zeros(1, 2, dtype=torch.uint8))
