import numpy as np
import pytest
import torch
from scipy.fft import dct

from lossy_lightning.functional import imdct, mdct, overlap_add


def _sine(size):
    return torch.sin(torch.pi / (2 * size) * (torch.arange(2 * size, dtype=torch.float64) + 0.5))


@pytest.mark.parametrize("size", [6, 18, 120])
def test_is_the_definition(size):
    frames = torch.randn(3, 2 * size, dtype=torch.float64)
    n, k = np.arange(2 * size)[:, None] + 0.5 + size / 2, np.arange(size) + 0.5
    basis = np.sqrt(2 / size) * np.cos(np.pi / size * n * k)
    np.testing.assert_allclose(mdct(frames, torch.ones(2 * size)), frames.numpy() @ basis, atol=1e-12)
    np.testing.assert_allclose(
        imdct(frames[:, ::2], torch.ones(2 * size)), frames.numpy()[:, ::2] @ basis.T, atol=1e-12
    )


def test_is_scipys_dct_of_folded_frames():
    frames = torch.randn(5, 4, 64, dtype=torch.float64)
    a, b, c, d = np.split(frames.numpy(), 4, -1)
    folded = np.concatenate([-c[..., ::-1] - d, a - b[..., ::-1]], -1)
    np.testing.assert_allclose(mdct(frames, torch.ones(64)), dct(folded, 4, norm="ortho"), atol=1e-12)


@pytest.mark.parametrize("size", [1, 6, 18, 128])
def test_aliasing_of_neighbours_cancels(size):
    sound = torch.randn(2, 9 * size, dtype=torch.float64)
    window = _sine(size)
    frames = imdct(mdct(sound.unfold(-1, 2 * size, size), window), window)
    torch.testing.assert_close(overlap_add(frames)[:, size:-size], sound[:, size:-size])


def test_gradients_reach_frames_and_window():
    frames, window = torch.randn(2, 8, dtype=torch.float64), _sine(4)
    for function, values in ((mdct, frames), (imdct, frames[:, :4].clone())):
        assert torch.autograd.gradcheck(function, (values.requires_grad_(), window.clone().requires_grad_()))


def test_odd_frames_are_refused():
    with pytest.raises(ValueError, match="even number of samples; got 7"):
        mdct(torch.ones(7), torch.ones(7))
