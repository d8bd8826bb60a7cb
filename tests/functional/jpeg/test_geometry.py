"""Blocks flipped and transposed, against samples."""

import pytest
import torch

from lossy_lightning.functional import dct, flip_blocks, idct, round_half_away, transpose_blocks


def samples(blocks):
    """``(N, 64, rows, columns)`` to images ``(N, 8 * rows, 8 * columns)``."""
    image = idct(blocks.movedim(1, -1).unflatten(-1, (8, 8))).transpose(2, 3)
    return image.flatten(3, 4).flatten(1, 2)


@pytest.fixture
def blocks():
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(3, 2, 4, 8, 8, dtype=torch.float64, generator=generator)
    return dct(image).flatten(-2).movedim(-1, 1)


@pytest.mark.parametrize("axis", [-1, -2])
def test_flipped_blocks_are_those_of_the_flipped_image(blocks, axis):
    kept = blocks.clone()
    torch.testing.assert_close(samples(flip_blocks(blocks, axis)), samples(blocks).flip(axis))
    assert torch.equal(flip_blocks(flip_blocks(blocks, axis), axis), blocks)
    assert torch.equal(blocks, kept)


def test_transposed_blocks_are_those_of_the_transposed_image(blocks):
    turned = transpose_blocks(blocks)
    torch.testing.assert_close(samples(turned), samples(blocks).mT)
    assert torch.equal(transpose_blocks(turned), blocks)


def test_dtype_and_leading_dimensions_stay():
    blocks = torch.randint(-9, 9, (2, 5, 64, 3, 1), dtype=torch.int16)
    assert flip_blocks(blocks, -2).dtype == transpose_blocks(blocks).dtype == torch.int16
    assert torch.equal(flip_blocks(blocks, -2)[1], flip_blocks(blocks[1], -2))
    assert torch.equal(transpose_blocks(blocks)[1], transpose_blocks(blocks[1]))


def test_blocks_are_flipped_along_rows_or_columns():
    with pytest.raises(ValueError, match="flipped along -1"):
        flip_blocks(torch.zeros(64, 2, 2), 0)


def test_halves_are_rounded_away_from_zero():
    number = torch.tensor([-1.5, -0.5, -0.4, 0.0, 0.4999, 0.5, 1.5])
    assert round_half_away(number).tolist() == [-2, -1, 0, 0, 0, 1, 2]
    assert number[0] == -1.5
