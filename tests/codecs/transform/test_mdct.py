import numpy as np
import pytest
import torch
from scipy.fft import dct
from scipy.signal.windows import kaiser_bessel_derived

from lossy_lightning.codecs import MDCT, DeadZone, TransformCodec
from lossy_lightning.testing import check_codec


def noise(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (5000 * torch.randn(shape, generator=generator)).clamp(-32768, 32767).to(torch.int16)


def scipy_mdct(frame, window):
    """SciPy's DCT-IV of the folded frame, a definition without the cosine of the MDCT."""
    a, b, c, d = np.split(frame * window, 4)
    return dct(np.concatenate([-c[::-1] - d, a - b[::-1]]), type=4, norm="ortho")


def test_contract():
    check_codec(TransformCodec(MDCT(32, "kbd"), DeadZone(50.0)), (2, 301), noise(3, 2, 301))


@pytest.mark.parametrize("window", ["sine", "kbd"])
@pytest.mark.parametrize("size", [4, 30, 256])
def test_lines_are_those_of_scipy_and_the_sound_comes_back(size, window):
    sound = noise(2, 1000)
    analysis = MDCT(size, window)
    lines = analysis(sound)
    shape = np.sin(np.pi / 2 / size * (np.arange(2 * size) + 0.5))
    if window == "kbd":
        shape = kaiser_bessel_derived(2 * size, beta=4 * np.pi)
    frames = -(-1000 // size) + 1
    assert lines.shape == analysis.shape((2, 1000)) == (2 * size, frames)
    padded = np.pad(sound.numpy().astype(float), ((0, 0), (size, (frames + 1) * size)))
    for channel in range(2):
        for t in (0, 1, frames - 1):
            expected = scipy_mdct(padded[channel, t * size : (t + 2) * size], shape)
            np.testing.assert_allclose(lines[channel * size : (channel + 1) * size, t], expected, rtol=1e-5, atol=0.02)
    assert torch.equal(analysis.inverse(lines, (2, 1000)), sound)


def test_energy_is_kept():
    sound = noise(1, 4096)
    assert MDCT(64)(sound).double().square().sum() == pytest.approx(sound.double().square().sum().item(), rel=1e-5)


def test_full_scale_stays_in_range():
    square = torch.where(torch.arange(4000) % 7 < 3, 32767, -32768).to(torch.int16)[None]
    for size in (16, 256):
        analysis = MDCT(size)
        assert analysis(square).abs().max() <= analysis.layout((1, 4000)).high[0]
    constant = torch.full((1, 4000), -32768, dtype=torch.int16)
    assert MDCT(16)(constant).abs().max() <= MDCT(16).layout((1, 4000)).high[0]


def test_bad_input():
    for arguments in ((3,), (8192,), (64, "hann"), (64.0,)):
        with pytest.raises(ValueError, match=r"MDCT has 4 to 4096 lines|size is a whole number"):
            MDCT(*arguments)
    with pytest.raises(ValueError, match="256 or more samples; got 255: pad them"):
        MDCT(256)(noise(1, 255))
    with pytest.raises(ValueError, match=r"int16 samples; got torch.float32"):
        MDCT(16)(torch.zeros(1, 100))
    with pytest.raises(ValueError, match=r"\(channels, samples\); got \(3, 8, 8\)"):
        MDCT(16).layout((3, 8, 8))
    with pytest.raises(ValueError, match="are expected here"):
        MDCT(16).inverse(torch.zeros(17, 5), (1, 64))
