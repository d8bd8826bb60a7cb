import math

import pytest
import torch
from torchaudio.functional import mu_law_decoding, mu_law_encoding

from lossy_lightning.codecs import ALaw, Companded, DeadZone, LloydMax, MuLaw, Power, Uniform
from lossy_lightning.testing import check_codec


def values(count=4, seed=0):
    return torch.rand(count, 1, 6, 5, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize(
    "codec",
    [
        Companded(ALaw(peak=2.0), Uniform(6, -1.0, 1.0)),
        Companded(Power(0.5), DeadZone(0.1)),
        Companded(MuLaw(100), LloydMax(3)),
    ],
)
def test_contract(codec):
    check_codec(codec, (1, 6, 5), values())


def test_mu_law_is_that_of_torchaudio():
    codec = Companded(MuLaw(), Uniform(8, -1.0, 1.0))
    samples = torch.linspace(-1, 1, 4001)[None]
    code = codec.encode(samples)
    expected = mu_law_encoding(samples, 256)
    assert (code != expected).float().mean() < 1e-3  # ties of two roundings
    assert (code - expected).abs().max() <= 1
    assert torch.allclose(codec.decode(code), mu_law_decoding(code.long(), 256), atol=1e-5)


@pytest.mark.parametrize("law", [MuLaw(), ALaw(), MuLaw(50.0, 7.0), ALaw(10.0, 0.5), Power(), Power(1.5)])
def test_expanding_undoes_compressing(law):
    x = values().double()
    assert torch.allclose(law.expand(law.compress(x)), x, atol=1e-12)
    assert (law.compress(x.flatten().sort().values).diff() >= 0).all()


def test_a_law_is_the_formula_of_the_standard():
    for x in (1e-4, 0.01, 0.2, 1.0):
        bent = 87.6 * x if x < 1 / 87.6 else 1 + math.log(87.6 * x)
        assert ALaw().compress(torch.tensor(-x)).item() == pytest.approx(-bent / (1 + math.log(87.6)), rel=1e-5)


def test_small_values_are_finer_than_large_ones():
    x = torch.cat([torch.full((1, 50), 0.01), torch.full((1, 50), 0.9)], 1) * (1 + 0.1 * values().flatten()[:100])
    even, bent = Uniform(8, -1.0, 1.0), Companded(MuLaw(), Uniform(8, -1.0, 1.0))
    error = {name: (q.decode(q.encode(x)) - x).abs() for name, q in (("even", even), ("bent", bent))}
    assert error["bent"][:, :50].mean() < error["even"][:, :50].mean() / 5


def test_bad_input():
    with pytest.raises(ValueError, match="Companded takes a compander and a quantizer"):
        Companded("mu", Uniform(8, -1.0, 1.0))
    for law, name in ((MuLaw, "mu"), (MuLaw, "peak"), (ALaw, "a"), (ALaw, "peak"), (Power, "exponent")):
        for number in (0.0, 1e-40, 1e39, float("inf")):
            with pytest.raises(ValueError, match=f"{name} is a number"):
                law(**{name: number})
    with pytest.raises(ValueError, match="a is a number"):
        ALaw(1.0)
    with pytest.raises(RuntimeError, match="not fitted"):
        Companded(MuLaw(), LloydMax(2)).encode(values())
