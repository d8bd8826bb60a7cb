import pytest
import torch

from lossy_lightning.codecs import (
    MDCT,
    VQ,
    BandShapes,
    DeadZone,
    Decoded,
    HEVCQuantizer,
    HEVCTransform,
    Lyra,
    MelSpectrogram,
    Psychoacoustic,
    Spectrogram,
    TransformCodec,
    Uniform,
    Wavelet,
)
from lossy_lightning.codecs.transform import _fields
from lossy_lightning.testing import check_codec
from tests.codecs.speech import some_clips
from tests.codecs.transform.images import smooth


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


IMAGES = [
    lambda: TransformCodec(Wavelet(2), DeadZone(0.5)),
    lambda: TransformCodec(Wavelet(1, "5/3"), DeadZone(1.0, reconstruction=0.0)),
    lambda: TransformCodec(HEVCTransform(4, sine=True), HEVCQuantizer(20, size=4)),
]
SOUNDS = [
    lambda: TransformCodec(MDCT(64), DeadZone(4.0)),
    lambda: TransformCodec(MDCT(64), Psychoacoustic(64, 16_000)),
    lambda: TransformCodec(MDCT(64), BandShapes(64, 16_000)),
    lambda: TransformCodec(Spectrogram(), Uniform(8, -7.0, 4.0)),
]
EACH = [(make, smooth(5, 3, 20, 25)) for make in IMAGES] + [(make, noise(5, 700)) for make in SOUNDS]


@pytest.mark.parametrize(("make", "signals"), EACH[:-1])
def test_batches_in_parts_are_those_of_single_signals(make, signals, monkeypatch):
    monkeypatch.setattr(_fields, "_AT_ONCE", 2 * signals[0].numel())
    codec = make()
    code = codec.encode(signals)
    alone = torch.stack([codec.encode(signal) for signal in signals])
    assert torch.equal(code, alone)
    assert torch.equal(codec.encode(signals[:4].unflatten(0, (2, 2))).flatten(0, 1), code[:4])
    assert codec.encode(signals[:0]).shape == (0, *code.shape[1:])
    decoded = codec.decode(code, tuple(signals.shape))
    assert torch.equal(decoded, torch.stack([codec.decode(one, tuple(signals.shape[1:])) for one in code]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("make", "signals"), EACH)
def test_codes_on_a_gpu_are_those_on_the_host(make, signals):
    codec = make()
    code = codec.encode(signals)
    moved = codec.to("cuda")
    made = moved.encode(signals.cuda())
    assert made.device.type == "cuda"
    assert (made.cpu() != code).double().mean() < 0.01
    decoded = moved.decode(code.cuda(), tuple(signals.shape))
    assert decoded.device.type == "cuda"


@pytest.mark.parametrize("quantizer", [Psychoacoustic(128, 16_000), BandShapes(4, 16_000)])
def test_quantizers_of_other_lines_are_told(quantizer):
    name = type(quantizer).__name__
    with pytest.raises(ValueError, match=rf"makes 256 lines, and {name} takes \d+: give it MDCT\({quantizer.size}\)"):
        TransformCodec(MDCT(256), quantizer)
    for analysis in (Wavelet(1), Spectrogram()):
        with pytest.raises(ValueError, match="makes no spectral lines of sound"):
            TransformCodec(analysis, quantizer)
