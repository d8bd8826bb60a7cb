import math

import pytest
import torch

from lossy_lightning.codecs import RVQ, VQ, Spectrogram
from lossy_lightning.core import CodeSpec, Field
from lossy_lightning.functional import perplexity
from lossy_lightning.nn import CodebookSum
from lossy_lightning.testing import check_codec
from tests.codecs.speech import some_clips


def values(size=36):
    """Correlated values, as of spectrograms."""
    noise = torch.randn(16, 1, size + 4, size + 4, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.avg_pool2d(noise, 5, 1)


def error(codec, signal):
    return float((codec.decode(codec.encode(signal)).float() - signal).square().mean())


def test_each_stage_codes_what_those_before_it_left():
    codec, first = RVQ((4, 4), 16, num_stages=3).fit([values()]), VQ((4, 4), 16).fit([values()])
    assert torch.equal(codec.codebooks()[0], first.codebook)
    code = codec.encode(values())
    assert torch.equal(code[:, :1], first.encode(values()))
    left = values() - first.decode(code[:, :1])
    second = VQ((4, 4), 16).fit([left])
    assert torch.equal(codec.codebooks()[1], second.codebook)
    assert torch.equal(code[:, 1:2], second.encode(left))
    assert error(codec, values()) < error(first, values()) / 2


def test_the_code_is_a_field_of_stages_whose_words_a_stem_adds():
    codec = RVQ((4, 4), 16, num_stages=3)
    assert codec.codebooks() is None
    spec = codec.spec((1, 34, None))
    assert spec == CodeSpec([Field("stages", (0,) * 3, (15,) * 3, ordinal=False)], (9, None))
    codec.fit([values()])
    stem = CodebookSum(spec, 16)
    stem.adapt([codec], spec, None)
    features, signal = stem(codec.encode(values())), codec.decode(codec.encode(values()))
    torch.testing.assert_close(features[:, :, 2, 3], signal[:, 0, 8:12, 12:16].flatten(1))


def test_the_contract_of_codecs():
    check_codec(RVQ((4, 4), 8, num_stages=2), (1, 12, 9), (64 * values(12)[..., :9] + 128).clamp(0, 255).byte())


def test_sums_of_whole_samples_are_clipped():
    dark = (values() * 40).clamp(0, 255).to(torch.uint8)
    codec = RVQ((4, 4), 4, num_stages=2).fit([dark])
    codec.codebook[1] = -1000.0
    assert not codec.decode(codec.encode(dark)).any()


@pytest.mark.parametrize("codec", [VQ((4, 4), 8), RVQ((4, 4), 8, num_stages=2)])
@pytest.mark.parametrize("index", [8, -1])
def test_indices_of_no_word_are_refused(codec, index):
    code = codec.fit([values()]).encode(values()).short()
    code[0, 0, 0, 0] = index
    with pytest.raises(ValueError, match=r"channel 0 of field .* ranges from 0 to 7; got"):
        codec.decode(code)


def test_stages_are_at_least_one():
    with pytest.raises(ValueError, match="num_stages"):
        RVQ((4, 4), 16, num_stages=0)


# How a processor rounds decides whether one of the 512 words ends without a vector.
@pytest.mark.filterwarnings("ignore:.* codewords of this RVQ are unused:UserWarning")
def test_speech_loses_less_than_by_one_codebook_at_the_same_bits(data_root):
    """Log-spectral distance at least 15 % lower, and more than half of the words at work in every stage."""
    spectra = Spectrogram()(some_clips(data_root, 60))
    fitted, tested = spectra[:40], spectra[40:]
    one, residual = VQ((2, 2), 16).fit([fitted]), RVQ((4, 4), 256, num_stages=2).fit([fitted])
    assert one.spec((1, 128, 128)).num_bits == residual.spec((1, 128, 128)).num_bits
    distances = []
    for codec in (one, residual):
        difference = codec.decode(codec.encode(tested)) - tested
        distances.append(float(20 / math.log(10) * difference.square().mean(-2).sqrt().mean()))
    assert distances[1] < 0.85 * distances[0]
    counts = [stage.bincount(minlength=256) for stage in residual.encode(tested).movedim(1, 0).flatten(1).long()]
    assert perplexity(torch.stack(counts)).min() > 128
