"""Every stem and every backbone packs, or says in one sentence which layer does not."""

import numpy as np
import pytest
import torch

from lossy_lightning.core import CodeSpec
from lossy_lightning.deploy import pack
from tests.deploy import networks
from tests.nn.architectures import BACKBONES, CROPPED, FIXED, STEMS, fits

REFUSED = {
    "FeatureHash": "there is no kernel for torch's 'new_zeros'",
    "OneHot": "there is no kernel for torch's 'new_zeros'",
    "LearnedBits": "its rows are not numbered by codes plus a constant",
    "Concat": "its rows are not numbered by codes plus a constant",
    "Spectral": "(it picks values by other values|torch's .* has no kernel|there is no kernel)",
    "Embed": "codes whose channels have different ranges",
    "LookupConv": "codes whose channels have different ranges",
    "Frequency": "torch's 'mul' of tensors of different shape has no kernel",
    "InverseDCT": "torch's 'mul' of tensors of different shape has no kernel",
    "BlockDCT": "there is no kernel for torch's 'cat' of several tensors",
    "Packed": "there is no kernel for torch's 'sum'",
    "CoefficientPlanes": "torch's .* has no kernel",
}
"""Stems that are refused on the codes of these tests, by how their names begin, and why."""
REFUSED_BACKBONES = {
    "MobileNet": "there is no kernel for torch's 'hardtanh'",
    "Tree3": "it multiplies with other weights at each position",
    "VisionTransformer": "(torch's .* has no kernel|there is no kernel)",
    "Wav2Vec2": "(torch's .* has no kernel|there is no kernel)",
    "YAMNet": "there is no kernel for torch's '_fft_r2c'",
}
STEMS, BACKBONES = STEMS | FIXED, BACKBONES | CROPPED
FAST = ("Bits", "SpectralBands", "SpectralLines", "SpectralLines, magnitudes", "ResidualNet, binary")


def marked(names):
    return [pytest.param(name, marks=[] if name in FAST else pytest.mark.slow) for name in names]


def check(make, spec, backbone, why, size=8):
    """Whether a pair fits; if so it packs and gives the same logits, or is refused for that reason."""
    spec = CodeSpec(spec.fields, [own or size for own in spec.grid])
    model = fits(make, spec, backbone)
    if model is None:
        return False
    torch.manual_seed(0)
    model, code = networks.settled(model), networks.codes(spec, 8)
    if why is not None:
        with pytest.raises(ValueError, match=rf"^layer '[\w.]+' cannot be packed: .*{why}"):
            pack(model, spec)
        return True
    with torch.no_grad():
        expected = model(code).numpy()
    np.testing.assert_allclose(pack(model, spec).predict(code), expected, rtol=1e-4, atol=1e-4)
    return True


@pytest.mark.parametrize("stem", marked(STEMS))
def test_every_stem(stem):
    make, spec, *_ = STEMS[stem]
    why = next((why for start, why in REFUSED.items() if stem.startswith(start)), None)
    assert any(check(make, spec, backbone, why) for backbone in BACKBONES.values())


@pytest.mark.parametrize("backbone", marked(BACKBONES))
def test_every_backbone(backbone):
    by_field = backbone.startswith(("LateConcat", "UpSampling"))  # their stems read tables, which are refused
    make, *specs = STEMS["FrequencyNorm, by field" if by_field else "Scale"]
    specs = [*specs, *STEMS["Scale, waves"][1:]]
    why = REFUSED["Frequency"] if by_field else REFUSED_BACKBONES.get(backbone)
    assert any(check(make, spec, BACKBONES[backbone], why, size) for size in (8, 32) for spec in specs)
