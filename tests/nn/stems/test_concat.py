from functools import partial

import pytest
import torch
from torch import nn

from lossy_lightning.codecs import JPEG
from lossy_lightning.core import CodeSpec, CodeStatistics, Field
from lossy_lightning.nn import Concat, Embed, FrequencyNorm, InverseDCT, LookupConv, Scale

SPEC = CodeSpec(
    [Field("mean", (0,), (255,), True), Field("word", (0,), (15,), False), Field("fine", (0,), (3,), True, (2, 2))],
    (4, 6),
)
MEANS, WORDS = partial(Scale, fields=["mean"]), partial(Embed, dim=4, fields=["word"])


def code(count=3):
    mean, word = (
        torch.randint(high, (count, 1, 4, 6), generator=torch.Generator().manual_seed(0)) for high in (256, 16)
    )
    return torch.cat([mean, word, torch.zeros(count, 4, 4, 6, dtype=torch.long)], 1)


def test_features_come_stem_after_stem():
    stem = Concat(SPEC, [WORDS, MEANS])
    features = stem(code())
    assert features.shape[1:] == stem.shape == (5, 4, 6)
    torch.testing.assert_close(features[:, 4:], code()[:, :1] / 127.5 - 1)
    table = stem.stems[0].table.weight
    torch.testing.assert_close(features[:, :4], table[code()[:, 1]].movedim(-1, 1))
    features.square().sum().backward()
    assert table.grad.any()


def test_sizes_are_those_of_the_features():
    stem = Concat(
        SPEC, [partial(LookupConv, kernel_size=2, stride=2, out_channels=3, fields=[name]) for name in ("mean", "word")]
    )
    features, own = stem(code(), torch.tensor([[4, 6], [2, 6], [3, 4]]))
    assert features.shape == (3, 6, 2, 3)
    assert own.tolist() == [[2, 3], [1, 3], [1, 2]]


def test_each_stem_adapts():
    codec = JPEG(50)
    spec = codec.spec((3, 16, 16))
    stem = Concat(spec, [partial(FrequencyNorm, fields=["cb"]), partial(FrequencyNorm, fields=["cr", "luma"][:1])])
    stem.adapt([codec], spec, CodeStatistics(torch.arange(384.0), torch.ones(384)))
    assert torch.equal(stem.stems[0].steps[0], codec.steps()["cb"])
    torch.testing.assert_close(stem.stems[1].mean[0], torch.arange(320.0, 384) * codec.steps()["cr"])


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(ValueError, match=r"one grid; got the shapes \(1, 4, 6\), \(3, 3, 5\): choose fields"):
        Concat(SPEC, [MEANS, partial(LookupConv, kernel_size=2, stride=1, out_channels=3, fields=["word"])])
    with pytest.raises(ValueError, match="got the shapes of none"):
        Concat(SPEC, [])
    with pytest.raises(ValueError, match=r"got Scale\(...\), which is made already: pass Scale, or functools"):
        Concat(SPEC, [Scale(SPEC)])
    photos = JPEG().spec((3, 16, 16))
    with pytest.raises(ValueError, match=r"one grid; got the shapes \{'luma': \(64, 2, 2\)"):
        Concat(photos, [partial(FrequencyNorm, by_field=True)])
    varying = JPEG().spec((3, None, None))
    stem = Concat(varying, [Scale, partial(InverseDCT, factor=2)])
    with pytest.raises(ValueError, match=r"one grid; got the shapes \(384, 2, 3\), \(24, 8, 12\)"):
        stem(torch.zeros(1, 384, 2, 3, dtype=torch.int16))
    assert isinstance(stem.stems, nn.ModuleList)
