import pytest
import torch

from lossy_lightning.codecs import VQ, Decoded, Lyra, MelSpectrogram, Spectrogram, TransformCodec, Uniform
from lossy_lightning.testing import check_codec
from tests.codecs.speech import some_clips


def noise(count=4, samples=2000, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (3000 * torch.randn(count, 1, samples, generator=generator)).to(torch.int16)


@pytest.mark.parametrize(
    ("analysis", "quantizer"),
    [
        (Spectrogram(), VQ((2, 2), 16)),
        (Spectrogram(log=False), Uniform(8)),
        (MelSpectrogram(n_mels=31), VQ((2, 3), 4)),
    ],
)
def test_contract(analysis, quantizer):
    check_codec(TransformCodec(analysis, quantizer), (1, 2000), noise())


def test_the_quantizer_fetches_what_it_needs():
    class Fetching(Uniform):
        fetched = False

        def prepare(self):
            self.fetched = True

    codec = TransformCodec(Spectrogram(), Fetching(8))
    codec.prepare()
    assert codec.quantizer.fetched


def test_one_second_is_64_x_64_codes_of_4_bits():
    spec = TransformCodec(Spectrogram(), VQ((2, 2), 16)).spec((1, 16_000))
    assert (spec.shape, spec.num_bits, spec.fields[0].ordinal) == ((1, 64, 64), 4 * 64 * 64, False)
    spec = TransformCodec(Spectrogram(), Uniform(8)).spec((1, None))
    assert (spec.shape, spec.bit_widths, spec.fields[0].ordinal) == ((1, 128, None), (8,), True)


def test_it_is_the_quantizer_on_the_values():
    codec = TransformCodec(Spectrogram(), VQ((2, 2), 16))
    assert not codec.fitted
    values = Spectrogram()(noise())
    alone = VQ((2, 2), 16).fit([values])
    assert codec.fit(noise().split(3)) is codec
    assert codec.fitted
    assert torch.equal(codec.encode(noise()), alone.encode(values))
    assert torch.equal(codec.codebooks(), alone.codebooks())
    other = TransformCodec(Spectrogram(), VQ((2, 2), 16))
    other.load_state_dict(codec.state_dict())
    assert other.fingerprint() == codec.fingerprint()
    assert torch.equal(other.encode(noise(seed=1)), codec.encode(noise(seed=1)))


def test_the_fingerprint_knows_the_analysis():
    analyses = [Spectrogram(), Spectrogram(log=False), Spectrogram(floor=0.01), Spectrogram(128, 64), MelSpectrogram()]
    prints = {TransformCodec(analysis, Uniform(8, -7.0, 4.0)).fingerprint() for analysis in analyses}
    assert len(prints) == len(analyses)


def test_nothing_to_fit_is_fitted_and_the_rate_is_the_analysis():
    codec = TransformCodec(MelSpectrogram(sample_rate=8000), Uniform(8, -7.0, 4.0))
    assert codec.fitted
    assert codec.sample_rate == 8000
    assert not codec.keeps_phase
    assert TransformCodec(Spectrogram(), Uniform(8)).sample_rate is None


@pytest.mark.parametrize(("analysis", "quantizer"), [(Spectrogram, Uniform(8)), (Uniform(8), Spectrogram())])
def test_classes_and_exchanged_arguments_are_refused(analysis, quantizer):
    with pytest.raises(ValueError, match=r"takes an analysis and a codec, such as .*, or a dict"):
        TransformCodec(analysis, quantizer)


def test_the_decode_first_control(data_root):
    if not (data_root / "lyra_v2").is_dir():
        pytest.skip("needs lyra_v2/ in $LOSSY_DATA")
    clips = some_clips(data_root, 3)
    lyra, view = Lyra(bit_rate=3200), TransformCodec(Spectrogram(), Uniform(8))
    control = Decoded(lyra, view=view).fit([clips])
    heard = lyra.decode(lyra.encode(clips), (1, 16_000))
    expected = TransformCodec(Spectrogram(), Uniform(8)).fit([heard]).encode(heard)
    assert torch.equal(control.encode(clips), expected)
    assert control.spec((1, 16_000)).shape == (1, 128, 128)
    assert control.sample_rate == 16_000
    assert not control.on_device
    assert Decoded(Lyra(bit_rate=6000), view=view).fingerprint() != control.fingerprint()
