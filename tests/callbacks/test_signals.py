"""Pictures of signals."""

import torch

from lossy_lightning.callbacks._signals import waveforms


def test_waveforms_reach_from_least_to_greatest_on_one_scale():
    loud, soft = torch.zeros(2, 1, 300, dtype=torch.int16)
    loud[0, 0], loud[0, 1] = 1000, -1000
    soft[0, 200] = 500
    first, second = (picture[0] == 0 for picture in waveforms([loud, soft]))
    assert first.shape == second.shape == (65, 3)
    assert first.sum(0).tolist() == [65, 1, 1]  # 300 samples are two steps of 128 and a part of one
    assert second.sum(0).tolist() == [1, 17, 1]
    assert second[16, 1]
    assert second[32].all()


def test_silence_is_a_line():
    (picture,) = waveforms([torch.zeros(2, 128, dtype=torch.int16)])
    assert (picture[0] == 0).sum() == 1
