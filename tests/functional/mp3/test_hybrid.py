import math

import numpy as np
import pytest
import torch

from lossy_lightning.functional.mp3 import alias_introduction, alias_reduction, lines_to_subbands, subbands_to_lines

# A walk through all kinds of blocks whose windows fit.
TYPES = torch.tensor([0, 1, 2, 2, 3, 0, 0, 1, 2, 3, 1, 2, 2, 3, 0, 0])


def _window(block_type):
    n = np.arange(36)
    long, steep = np.sin(np.pi / 36 * (n + 0.5)), np.sin(np.pi / 12 * (n % 12 + 0.5))
    match block_type:
        case 1:
            return np.concatenate([long[:18], np.ones(6), steep[6:12], np.zeros(6)])
        case 3:
            return np.concatenate([np.zeros(6), steep[:6], np.ones(6), long[18:]])
    return long


def _imdct(lines):
    size = 2 * len(lines)
    i, k = np.arange(size)[:, None], np.arange(size // 2)
    return np.cos(np.pi / (2 * size) * (2 * i + 1 + size / 2) * (2 * k + 1)) @ lines


def _frame(lines, block_type):
    """36 samples of the 18 lines of a subband, as ISO 11172-3, 2.4.3.4.10.2 and 3 describe them."""
    if block_type != 2:
        return _imdct(lines) * _window(block_type)
    frame = np.zeros(36)
    for w in range(3):
        frame[6 * w + 6 : 6 * w + 18] += _imdct(lines[w::3]) * np.sin(np.pi / 12 * (np.arange(12) + 0.5))
    return frame


@pytest.mark.parametrize("mixed", [0, 1])
def test_subbands_are_those_of_the_standard(mixed):
    lines = torch.randn(len(TYPES), 1, 576, dtype=torch.float64)
    want = np.zeros((32, 18 * (len(TYPES) + 1)))
    for g, block_type in enumerate(TYPES.tolist()):
        for band in range(32):
            own = 0 if mixed and band < 2 else block_type
            part = lines[g, 0, 18 * band : 18 * band + 18].numpy()
            want[band, 18 * g : 18 * g + 36] += _frame(part, own)
    want[1::2, 1::2] *= -1
    types = TYPES[:, None]
    got = lines_to_subbands(lines, types, torch.full_like(types, mixed), 44_100)
    np.testing.assert_allclose(got[0], want[:, :-18].T, atol=1e-12)


@pytest.mark.parametrize("mixed", [0, 1])
def test_aliasing_in_time_cancels(mixed):
    subbands = torch.randn(2, 1, 18 * len(TYPES), 32, dtype=torch.float64)
    types = TYPES.view(-1, 1).expand(2, -1, 1)
    arguments = types, torch.full_like(types, mixed), 44_100
    again = lines_to_subbands(subbands_to_lines(subbands, *arguments), *arguments)
    torch.testing.assert_close(again[..., 18:, :], subbands[..., :-18, :])


@pytest.mark.parametrize(
    ("block_type", "mixed", "rate", "borders"),
    [(0, 0, 44_100, 31), (2, 0, 44_100, 0), (2, 1, 44_100, 1), (2, 1, 8_000, 3)],
)
def test_alias_reduction_is_that_of_the_standard(block_type, mixed, rate, borders):
    lines = torch.randn(1, 1, 576, dtype=torch.float64)
    want = lines.flatten().tolist()
    for band in range(1, borders + 1):
        for i, c in enumerate((-0.6, -0.535, -0.33, -0.185, -0.095, -0.041, -0.0142, -0.0037)):
            cosine, sine = 1 / math.sqrt(1 + c * c), c / math.sqrt(1 + c * c)
            below, above = want[18 * band - 1 - i], want[18 * band + i]
            want[18 * band - 1 - i] = below * cosine - above * sine
            want[18 * band + i] = above * cosine + below * sine
    kind = torch.tensor([[block_type]]), torch.tensor([[mixed]]), rate
    np.testing.assert_allclose(alias_reduction(lines, *kind).flatten(), want, atol=1e-12)
    torch.testing.assert_close(alias_introduction(alias_reduction(lines, *kind), *kind), lines)
