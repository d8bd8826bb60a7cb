import numpy as np
import pytest
import torch
import torchaudio
from scipy.signal import stft

from lossy_lightning.codecs import MelSpectrogram, Spectrogram


def sound(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-(2**15), 2**15, shape, dtype=torch.int16, generator=generator)


def tone(hertz, samples=16_000, amplitude=2**14):
    return (amplitude * torch.sin(2 * torch.pi * hertz * torch.arange(samples) / 16_000)).to(torch.int16)[None]


def scipy_magnitudes(signal, n_fft, hop):
    """SciPy's spectra, which are divided by the window's sum, of the signal reflected at its ends."""
    reflected = np.pad(signal.numpy() / 2**15, n_fft // 2, mode="reflect")
    options = {"nperseg": n_fft, "noverlap": n_fft - hop, "boundary": None, "padded": False}
    return np.abs(stft(reflected, window="hann", **options)[2]) * (n_fft / 2)


@pytest.mark.parametrize(("n_fft", "hop", "samples"), [(256, 125, 16_000), (64, 32, 1001), (512, 200, 512)])
def test_magnitudes_are_those_of_scipy(n_fft, hop, samples):
    signal = sound(1, samples)
    values = Spectrogram(n_fft, hop, log=False)(signal)
    expected = scipy_magnitudes(signal[0], n_fft, hop)[: n_fft // 2, : samples // hop]
    np.testing.assert_allclose(values[0].numpy(), expected, rtol=1e-4, atol=1e-4)
    assert tuple(values.shape) == Spectrogram(n_fft, hop).shape((1, samples))
    np.testing.assert_allclose(Spectrogram(n_fft, hop)(signal)[0], np.log(np.maximum(expected, 1e-3)), atol=1e-2)


def test_silence_is_the_floor():
    assert torch.equal(
        Spectrogram(floor=0.25)(torch.zeros(1, 4000, dtype=torch.int16)).unique().exp(), torch.tensor([0.25])
    )
    assert not Spectrogram(log=False)(torch.zeros(1, 4000, dtype=torch.int16)).any()


def test_a_full_scale_sine_has_a_quarter_of_the_window():
    peak = Spectrogram(log=False)(tone(1000, amplitude=2**15 - 1))[0, :, 20].max()
    assert peak == pytest.approx(64, rel=1e-3)


@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize("analysis", [Spectrogram, MelSpectrogram])
def test_the_inverse_has_about_the_spectrum_and_no_chance(analysis, log):
    signal = tone(440) + tone(2500) // 4
    transform = analysis(log=log)
    state = torch.get_rng_state()
    again = transform.inverse(transform(signal), (1, 16_000))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(again, transform.inverse(transform(signal), (1, 16_000)))
    assert again.dtype == torch.int16
    assert again.shape == (1, 16_000)
    linear = Spectrogram(log=False)
    error = (linear(again) - linear(signal)).square().mean() / linear(signal).square().mean()
    assert error < 0.05


def test_values_beyond_the_signal_are_cropped():
    transform = Spectrogram()
    values = transform(sound(1, 16_000))
    longer = torch.nn.functional.pad(values, (0, 3, 0, 5))
    assert torch.equal(transform.inverse(longer, (1, 16_000)), transform.inverse(values, (1, 16_000)))
    assert transform.inverse(values).shape == (1, 16_000)


def test_bands_are_those_of_torchaudio():
    bank = torchaudio.functional.melscale_fbanks(257, 0.0, 8000.0, 64, 16_000)
    assert torch.allclose(MelSpectrogram().bands, bank.T[:, :256], atol=1e-4)
    values = MelSpectrogram(log=False)(sound(2, 16_000))
    expected = torch.einsum("fm,cft->cmt", bank[:256], Spectrogram(512, log=False)(sound(2, 16_000)))
    assert torch.allclose(values, expected, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("analysis", [Spectrogram(), MelSpectrogram()])
def test_shapes(analysis):
    bands = 128 if type(analysis) is Spectrogram else 64
    assert analysis.shape((1, 16_000)) == (1, bands, 128)
    assert analysis.shape((2, None)) == (2, bands, None)
    assert analysis(sound(3, 2, 16_000)).shape == (3, 2, bands, 128)


def test_bad_input():
    with pytest.raises(ValueError, match="at least one frame of 256 samples; got 255"):
        Spectrogram()(sound(1, 255))
    with pytest.raises(ValueError, match="int16"):
        Spectrogram()(torch.zeros(1, 16_000))
    with pytest.raises(ValueError, match="channels, samples"):
        Spectrogram().shape((1, 28, 28))
    for arguments in ({"n_fft": 255}, {"hop_length": 129}, {"hop_length": 0}, {"floor": 0.0}):
        with pytest.raises(ValueError, match=r"a spectrogram needs|is a (whole )?number of at least"):
            Spectrogram(**arguments)
    with pytest.raises(ValueError, match="too many"):
        MelSpectrogram(n_fft=256, n_mels=120)
    with pytest.raises(ValueError, match=r"1 to n_fft / 2 bands|n_mels is a whole number of at least 1"):
        MelSpectrogram(n_mels=0)
