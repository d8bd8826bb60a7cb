import math

import pytest
import torch

from lossy_lightning.functional.mp3 import joint_stereo
from lossy_lightning.functional.mp3._bands import _LONG, _SHORT


def _joint(lines, mid_side=0, intensity=None, scale=0, block_type=0, mixed=0, rate=44_100):
    positions = torch.full((1, 39), -1) if intensity is None else torch.tensor([intensity])
    kind = torch.full((1, 2), block_type), torch.full((1, 2), mixed)
    return joint_stereo(lines[None], torch.tensor([mid_side]), positions, torch.tensor([scale]), *kind, rate)[0]


def _lines(zero_from):
    lines = torch.randn(2, 576, dtype=torch.float64)
    lines[1, zero_from:] = 0
    return lines


def test_sum_and_difference_are_undone():
    lines = _lines(576)
    sums = torch.stack([lines.sum(0), lines[0] - lines[1]]) / math.sqrt(2)
    torch.testing.assert_close(_joint(sums, mid_side=1), lines)
    assert torch.equal(_joint(lines), lines)


@pytest.mark.parametrize("mid_side", [0, 1])
def test_bands_above_the_last_line_of_the_right_channel_have_positions(mid_side):
    edges = [sum(_LONG[44_100][:band]) for band in range(23)]
    lines = _lines(edges[10] + 1)  # band 10 has a line
    positions = [band % 7 for band in range(22)] + [0] * 17
    positions[12] = -1
    got = _joint(lines, mid_side, positions)
    plain = _joint(lines, mid_side)
    for band in range(22):
        part = slice(edges[band], edges[band + 1])
        want = plain[:, part]
        if band > 10 and band != 12:
            ratio = math.tan(positions[band] * math.pi / 12) if positions[band] != 6 else math.inf
            left = 1.0 if ratio == math.inf else ratio / (1 + ratio)
            want = lines[0, part] * torch.tensor([[left], [1 - left]])
        torch.testing.assert_close(got[:, part], want)


def test_windows_of_short_blocks_end_on_their_own():
    lines = _lines(576)
    lines[1, 1::3] = 0  # window 1 is silent
    got = _joint(lines, intensity=[3] * 39, block_type=2)
    want = lines.clone()
    want[:, 1::3] = lines[0, 1::3] / 2
    torch.testing.assert_close(got, want)


def test_long_bands_of_mixed_blocks_have_positions_if_no_window_has_a_line():
    silent, loud = _lines(0), _lines(0)
    loud[1, 575] = 1
    torch.testing.assert_close(_joint(silent, intensity=[3] * 39, block_type=2, mixed=1), silent[:1].expand(2, -1) / 2)
    got = _joint(loud, intensity=[3] * 39, block_type=2, mixed=1)
    torch.testing.assert_close(got[:, :36], loud[:, :36])
    torch.testing.assert_close(got[0, 36:39], loud[0, 36:39] * torch.tensor([0.5, 0.5, 1]))


def test_the_last_band_has_no_position_if_the_band_below_has_lines():
    edges = [sum(_LONG[44_100][:band]) for band in range(23)]
    lines = _lines(edges[21])
    torch.testing.assert_close(_joint(lines, intensity=[0] * 39), lines)
    short = sum(_SHORT[44_100][:12]) * 3
    lines = _lines(short)
    torch.testing.assert_close(_joint(lines, intensity=[0] * 39, block_type=2), lines)


@pytest.mark.parametrize("scale", [0, 1])
def test_ratios_of_mpeg_2_are_powers_of_a_root_of_two(scale):
    lines = _lines(0)
    positions = [band % 8 for band in range(20)] + [4, 4] + [0] * 17
    got = _joint(lines, intensity=positions, scale=scale, rate=22_050)
    root, at = (2 ** (-1 / 4), 2 ** (-1 / 2))[scale], 0
    for band, width in enumerate(_LONG[22_050]):
        position = positions[band]
        gains = (root ** ((position + 1) // 2), 1) if position % 2 else (1, root ** (position // 2))
        want = lines[0, at : at + width] * torch.tensor(gains, dtype=torch.float64)[:, None]
        torch.testing.assert_close(got[:, at : at + width], want)
        at += width
