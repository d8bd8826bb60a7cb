import numpy as np
import torch

from lossy_lightning.functional.mp3 import polyphase_analysis, polyphase_synthesis
from lossy_lightning.functional.mp3.polyphase import _window


def test_window_is_that_of_the_standard():
    window = _window(torch.zeros((), dtype=torch.float64)).flatten()
    # Values as the standard prints them.
    printed = {1: -0.000015259, 64: 0.003250122, 128: 0.031082153, 192: 0.100311279, 256: 1.144989014}
    printed |= {257: 1.144287109, 320: 0.100311279, 321: 0.108856201, 313: -0.016510010, 448: 0.003250122}
    printed |= {511: 0.000015259}
    for place, value in printed.items():
        assert abs(window[place] - value) < 1e-9, place
    torch.testing.assert_close(window[1:].abs(), window[1:].flip(0).abs(), rtol=0, atol=0)
    # The subbands of a cosine-modulated bank add up to a flat response, so no value is far off.
    signs = (-1) ** (np.arange(512) // 64)
    power = np.abs(np.fft.fft(window.numpy() * signs, 8192)) ** 2
    total = sum(np.roll(power, shift * 64) for shift in range(-63, 64, 2))
    assert total.max() / total.min() - 1 < 2e-4


def test_synthesis_is_the_flow_chart_of_the_standard():
    subbands = torch.randn(40, 32, dtype=torch.float64)
    window = _window(subbands).flatten().numpy()
    cosines = np.cos((16 + np.arange(64)[:, None]) * (2 * np.arange(32) + 1) * np.pi / 64)
    vector, sound = np.zeros(1024), []
    for slot in subbands.numpy():
        vector = np.concatenate([cosines @ slot, vector[:-64]])
        values = np.concatenate([vector[128 * i + 96 * j : 128 * i + 96 * j + 32] for i in range(8) for j in range(2)])
        sound.append((values * window).reshape(16, 32).sum(0))
    np.testing.assert_allclose(polyphase_synthesis(subbands), np.concatenate(sound), atol=1e-12)


def test_analysis_is_the_flow_chart_of_the_standard():
    sound = torch.randn(40 * 32, dtype=torch.float64)
    window = _window(sound).flatten().numpy() / 32
    cosines = np.cos((2 * np.arange(32)[:, None] + 1) * (np.arange(64) - 16) * np.pi / 64)
    vector, subbands = np.zeros(512), []
    for block in sound.view(-1, 32).numpy():
        vector = np.concatenate([block[::-1], vector[:-32]])
        subbands.append(cosines @ (vector * window).reshape(8, 64).sum(0))
    np.testing.assert_allclose(polyphase_analysis(sound), np.stack(subbands), atol=1e-12)


def test_both_give_the_sound_back_481_samples_later():
    sound = torch.randn(2, 3, 32 * 50, dtype=torch.float64)
    again = polyphase_synthesis(polyphase_analysis(sound))
    assert (again[..., 481:] - sound[..., :-481]).std() < 1e-4


def test_gradients_are_right():
    subbands = torch.randn(17, 32, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(polyphase_synthesis, subbands, fast_mode=True)
    sound = torch.randn(17 * 32, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(polyphase_analysis, sound, fast_mode=True)
