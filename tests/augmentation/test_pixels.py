import pytest
import torch

from lossy_lightning.augmentation import PixelAffine, PixelFlip, PixelShift


def test_pixels_are_flipped_each_by_its_own_draw():
    torch.manual_seed(0)
    image = torch.randint(0, 256, (1, 3, 8, 16), dtype=torch.uint8).repeat(400, 1, 1, 1)
    got = PixelFlip(horizontal_probability=0.5, vertical_probability=0.25)(image)
    flips = {(x, y): image[0].flip([-1] * x + [-2] * y) for x in (0, 1) for y in (0, 1)}
    counts = {name: sum(torch.equal(one, flipped) for one in got) for name, flipped in flips.items()}
    assert sum(counts.values()) == 400
    assert 100 < counts[0, 0] < 200 > counts[1, 0] > 100
    assert 25 < counts[0, 1] < 75 > counts[1, 1] > 25
    with pytest.raises(ValueError, match="horizontal_probability is a number from 0 to 1; got 2"):
        PixelFlip(horizontal_probability=2)


def test_pixels_move_by_one_number_an_axis_and_edges_repeat():
    image = torch.arange(30, dtype=torch.uint8).view(1, 1, 5, 6)
    padded = torch.nn.functional.pad(image.float(), (2, 2, 2, 2), mode="replicate").to(torch.uint8)
    allowed = {padded[..., i : i + 5, j : j + 6].numpy().tobytes() for i in range(5) for j in range(5)}
    moved = PixelShift(2)(image.repeat(400, 1, 1, 1))
    assert {row.numpy().tobytes() for row in moved} == allowed


def test_pixel_shift_needs_images():
    with pytest.raises(ValueError, match=r"images \(N, channels, height, width\); got \(2, 1, 8\)"):
        PixelShift(1)(torch.zeros(2, 1, 8))
    with pytest.raises(ValueError, match="at least 0"):
        PixelShift(-1)


@pytest.mark.parametrize("axis", [2, 3])
def test_affine_moves_by_whole_pixels_as_shifts_do(monkeypatch, axis):
    image = torch.arange(30, dtype=torch.uint8).view(1, 1, 5, 6)
    draws = torch.full((4, 1, 1, 1), 0.5)
    draws[axis] = 1.0  # the greatest move down or right
    monkeypatch.setattr(torch, "rand", lambda *shape, device: draws)
    padded = torch.nn.functional.pad(image.float(), (2, 0, 2, 0), mode="replicate").to(torch.uint8)
    want = padded[:, :, :5, 2:] if axis == 2 else padded[:, :, 2:, :6]
    assert torch.equal(PixelAffine(max_degrees=30, max_scale=0.5, max_pixels=2)(image), want)


def test_affine_turns_and_scales_about_the_middle(monkeypatch):
    image = torch.arange(50, dtype=torch.int16).view(1, 2, 5, 5)
    monkeypatch.setattr(torch, "rand", lambda *shape, device: torch.tensor([1.0, 0.5, 0.5, 0.5]).view(4, 1, 1, 1))
    assert torch.equal(PixelAffine(max_degrees=90)(image), image.rot90(-1, (2, 3)))
    monkeypatch.setattr(torch, "rand", lambda *shape, device: torch.tensor([0.5, 0.0, 0.5, 0.5]).view(4, 1, 1, 1))
    want = torch.nn.functional.pad(image[..., ::2, ::2].float(), (1, 1, 1, 1), mode="replicate").to(torch.int16)
    assert torch.equal(PixelAffine(max_scale=0.5)(image), want)


def test_affine_draws_for_each_image_and_needs_images():
    torch.manual_seed(0)
    image = torch.randint(0, 2, (1, 1, 28, 28), dtype=torch.uint8)
    got = PixelAffine(max_degrees=8, max_scale=0.1, max_pixels=1)(image.repeat(50, 1, 1, 1))
    assert got.dtype == torch.uint8
    assert len(got.flatten(1).unique(dim=0)) > 40
    assert torch.equal(PixelAffine()(image), image)
    with pytest.raises(ValueError, match=r"images \(N, channels, height, width\); got \(2, 1, 8\)"):
        PixelAffine()(torch.zeros(2, 1, 8))
    for wrong in ({"max_degrees": 181}, {"max_scale": 1.0}, {"max_pixels": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            PixelAffine(**wrong)
