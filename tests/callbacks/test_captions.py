import torch

from lossy_lightning.callbacks._captions import captioned


def test_pictures_are_enlarged_alike_and_keep_their_pixels():
    red, grey = torch.zeros(3, 10, 30, dtype=torch.uint8), torch.full((1, 10, 60), 100, dtype=torch.uint8)
    red[0] = 255
    shown = captioned([("original", red), ("decoded\n1 bit", grey)])
    scale, top = 6, shown.shape[1] - 60
    assert shown.shape == (3, top + 60, 90 * scale)
    assert (shown[:, top:, : 30 * scale] == torch.tensor([255, 0, 0]).view(3, 1, 1)).all()
    assert (shown[:, top:, 30 * scale :] == 100).all()
    assert all((part == 0).any() and (part == 255).any() for part in shown[:, :top].split((180, 360), 2))


def test_one_above_the_other():
    black = torch.zeros(1, 200, 200, dtype=torch.uint8)
    shown = captioned([("a", black), ("b", black)], vertical=True)
    above, below = shown.chunk(2, 1)
    assert not torch.equal(above, below)
    assert torch.equal(above[:, -200:], below[:, -200:])
