from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lossy_lightning.functional import crop, from_blocks, pad_codes, to_blocks


@st.composite
def signals(draw):
    """A signal of one to three axes, of any size, with up to two batch dimensions; and a block."""
    rank = draw(st.integers(1, 3))
    block = tuple(draw(st.lists(st.integers(1, 4), min_size=rank, max_size=rank)))
    size = draw(st.lists(st.integers(1, 7), min_size=rank, max_size=rank))
    batch = draw(st.lists(st.integers(1, 2), max_size=2))
    shape = (*batch, draw(st.integers(1, 3)), *size)
    return torch.arange(int(np.prod(shape))).view(shape), block


@given(signals())
def test_blocks_are_numpy_slices_of_the_padded_signal(case):
    signal, block = case
    rank = len(block)
    blocks = to_blocks(signal, block)
    size = signal.shape[-rank:]
    grid = [-(-length // width) for length, width in zip(size, block, strict=True)]
    margins = [(0, 0)] * (signal.ndim - rank)
    margins += [(0, cells * width - length) for cells, width, length in zip(grid, block, size, strict=True)]
    padded = np.pad(signal.numpy(), margins, mode="edge")
    batch = signal.shape[: -rank - 1]
    assert blocks.shape == (*batch, *grid, signal.shape[-rank - 1] * np.prod(block))
    for cell in product(*map(range, grid)):
        where = tuple(slice(i * width, (i + 1) * width) for i, width in zip(cell, block, strict=True))
        want = padded[(..., slice(None), *where)].reshape(*batch, -1)
        np.testing.assert_array_equal(blocks[(..., *cell, slice(None))].numpy(), want)


@given(signals())
def test_blocks_go_together_again(case):
    signal, block = case
    again = from_blocks(to_blocks(signal, block), block)
    assert torch.equal(crop(again, signal.shape), signal)
    assert all(length % width == 0 for length, width in zip(again.shape[-len(block) :], block, strict=True))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.float32])
def test_the_dtype_stays(dtype):
    signal = torch.ones(2, 1, 5, 5, dtype=dtype)
    assert from_blocks(to_blocks(signal, (2, 3)), (2, 3)).dtype is dtype


def test_crop_takes_the_first_samples_of_the_last_axes():
    signal = torch.arange(24).view(2, 3, 4)
    assert torch.equal(crop(signal, (2, 1)), signal[:, :2, :1])
    assert torch.equal(crop(signal, ()), signal)


def test_crop_does_not_pad():
    with pytest.raises(ValueError, match=r"a signal of sizes \(3,\) is cropped to at most these; got \(4,\)"):
        crop(torch.zeros(1, 3), (4,))


@given(st.lists(st.lists(st.integers(1, 5), min_size=2, max_size=2), min_size=1, max_size=5), st.integers(1, 3))
def test_padded_codes_are_numpys(grids, channels):
    rng = np.random.default_rng(0)
    codes = [torch.from_numpy(rng.integers(-9, 9, (channels, *grid), dtype=np.int16)) for grid in grids]
    batch, grid_size = pad_codes(codes)
    assert grid_size.tolist() == grids
    assert batch.dtype is torch.int16
    largest = np.max(grids, axis=0)
    for code, row in zip(codes, batch, strict=True):
        for channel, got in zip(code.numpy(), row.numpy(), strict=True):
            margins = [(0, most - size) for most, size in zip(largest, channel.shape, strict=True)]
            np.testing.assert_array_equal(got, np.pad(channel, margins, constant_values=channel[0, 0]))


def test_codes_of_one_size_are_stacked():
    codes = [torch.randint(0, 9, (2, 7)) for _ in range(3)]
    batch, grid_size = pad_codes(codes)
    assert torch.equal(batch, torch.stack(codes))
    assert grid_size.tolist() == [[7]] * 3


def test_a_batch_of_extreme_shapes_is_refused_by_a_budget():
    """A very wide and a very high image, of few bytes each."""
    codes = [torch.zeros(384, 1, 1000, dtype=torch.int16), torch.zeros(384, 1000, 1, dtype=torch.int16)]
    with pytest.raises(
        ValueError, match=r"takes 1536000000 padded to the grid \(1000, 1000\), more than the budget of"
    ):
        pad_codes(codes)
    assert pad_codes([code[:, :100, :100] for code in codes])[0].shape == (2, 384, 100, 100)
