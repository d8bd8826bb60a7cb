"""Flips, turns and shifts of JPEG codes, against the same done to pixels."""

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from lossy_lightning.augmentation import (
    MCUFlip,
    MCUShift,
    MCUTurn,
)
from lossy_lightning.codecs import JPEG
from lossy_lightning.core import CodeSpec, Field
from lossy_lightning.functional import flip_blocks, transpose_blocks
from tests.augmentation.jpeg.blocks import (
    FACTORS,
    adapted,
    blocks_of,
    flipped_code,
    images,
    real_image,
    spec_of,
    tables,
)

SQUARE = ["4:4:4", "4:2:0"]


@pytest.mark.parametrize("axis", [-1, -2])
@pytest.mark.parametrize("subsampling", FACTORS)
def test_a_flipped_code_decodes_to_the_flipped_image(subsampling, axis):
    codec = JPEG(60, subsampling)
    code = codec.encode(images())
    flipped = flipped_code(codec, code, axis)
    assert flipped.dtype == code.dtype
    want, got = (codec.decode(c).int() for c in (code, flipped))
    difference = (got - want.flip(axis)).abs()
    if axis == -2 and subsampling != "4:4:0":
        assert difference.max() == 0
    else:
        # A unit of luma and one of chroma are at most three of blue.
        assert difference.max() <= 3
        exact = subsampling in ("4:4:4", "4:1:1")
        assert (difference > 0).float().mean() < (1e-3 if exact else 0.5)
    torch.testing.assert_close(real_image(codec, flipped, subsampling), real_image(codec, code, subsampling).flip(axis))
    assert torch.equal(flipped_code(codec, flipped, axis), code)


@pytest.mark.parametrize("axis", [-1, -2])
def test_grey_and_tables(axis):
    codec = JPEG(60, tables=True)
    grey = codec.encode(images(channels=1))
    flip = MCUFlip(horizontal_probability=axis == -1, vertical_probability=axis == -2)
    flip.adapt([codec], spec_of(codec, channels=1), None)
    want = codec.decode(grey).int().flip(axis)
    difference = (codec.decode(flip(grey)).int() - want).abs()
    assert difference.max() <= (axis == -1)
    assert difference.float().mean() < 1e-3
    colour = codec.encode(images())
    flipped = adapted(flip, codec)(colour)
    assert not torch.equal(flipped[:, :384], colour[:, :384])
    assert torch.equal(flipped[:, 384:], colour[:, 384:])


@pytest.mark.parametrize("subsampling", SQUARE)
@pytest.mark.parametrize("tables", [True, False])
def test_a_transposed_code_decodes_to_the_transposed_image(subsampling, tables):
    codec = JPEG(60, subsampling, tables=tables, dequantize=not tables)
    code = codec.encode(images())
    spec = spec_of(codec)
    turned = spec.join({name: transpose_blocks(part) for name, part in spec.split(code).items()})
    want, got = (codec.decode(c).int() for c in (code, turned))
    assert got.shape[-2:] == (64, 32)
    # libjpeg transforms columns before rows, each rounded.
    assert (got - want.mT).abs().max() <= 3
    if not tables:
        torch.testing.assert_close(real_image(codec, turned, subsampling), real_image(codec, code, subsampling).mT)


def which_flips(codec, code, got):
    """Of each example, which of four it became."""
    chosen = []
    for before, after in zip(code, got, strict=True):
        flips = {
            (x, y): flipped_code(codec, flipped_code(codec, before, -1) if x else before, -2)
            if y
            else (flipped_code(codec, before, -1) if x else before)
            for x in (0, 1)
            for y in (0, 1)
        }
        (one,) = [name for name, flipped in flips.items() if torch.equal(flipped, after)]
        chosen.append(one)
    return chosen


def test_each_example_is_flipped_by_its_own_draw():
    codec = JPEG(75)
    code = codec.encode(images(1)).repeat(400, 1, 1, 1)
    got = adapted(MCUFlip(horizontal_probability=0.5, vertical_probability=0.25), codec)(code)
    chosen = which_flips(codec, code, got)
    assert 150 < sum(x for x, _ in chosen) < 250
    assert 65 < sum(y for _, y in chosen) < 135
    assert len(set(chosen)) == 4
    assert torch.equal(adapted(MCUFlip(horizontal_probability=0), codec)(code), code)


def test_the_least_level_stays_in_the_spec():
    codec = JPEG(100, "4:4:4")
    code = torch.full((2, 192, 1, 1), -1024, dtype=torch.int16)
    got = adapted(MCUFlip(horizontal_probability=1), codec)(code)
    codec.spec((3, 8, 8)).check(got)
    assert set(got.unique().tolist()) == {-1024, 1023}


def test_cells_and_ranges_are_those_of_each_field():
    """Three rows and one column of cells; each frequency has a range of its own."""
    low, high = tuple(range(-70, -6)), (70,) * 64
    once = Field("quality", (0,), (100,), True, constant=True)
    spec = CodeSpec([Field("a", low, high, True, (3, 1)), once, Field("b", low, high, True)], (2, 2))
    code = torch.randint(0, 71, (5, 257, 2, 2))
    code[:, spec.channels("quality")] = 75
    flip = MCUFlip(horizontal_probability=1, vertical_probability=1)
    flip.adapt([], spec, None)
    got = flip(code)
    spec.check(got)
    assert (got[:, spec.channels("quality")] == 75).all()
    for name in ("a", "b"):
        want = spec.split(code)[name]
        for axis in (-1, -2):
            want = flip_blocks(want, axis).clamp(torch.tensor(low).view(-1, 1, 1), torch.tensor(high).view(-1, 1, 1))
        assert torch.equal(spec.split(got)[name], want)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_flipped_codes_lie_in_memory_as_the_codes_do(layout):
    """So that what trains on them computes the same, to the last digit."""
    codec = JPEG(60)
    code = codec.encode(images()).contiguous(memory_format=layout)
    got = adapted(MCUFlip(), codec)(code)
    assert got.is_contiguous(memory_format=layout)


def test_a_half_turn_keeps_the_least_level_that_a_flip_cannot():
    codec = JPEG(100, "4:4:4")
    code = torch.full((200, 192, 1, 1), -1024, dtype=torch.int16)
    got = adapted(MCUTurn(), codec)(code)
    codec.spec((3, 8, 8)).check(got)
    levels = {tuple(one[0, 9:10].tolist()) for one in got[..., 0].movedim(1, 2)}  # of odd frequencies along both axes
    assert levels == {(-1024,), (1023,)}
    halves = got[(got[:, 1, 0, 0] == 1023) & (got[:, 8, 0, 0] == 1023)]  # odd along one axis
    assert len(halves) > 30
    assert (halves[:, 9] == -1024).all()


@pytest.mark.parametrize("subsampling", SQUARE)
def test_quarter_turns_are_those_of_the_image(subsampling):
    codec = JPEG(60, subsampling, dequantize=True)
    code = codec.encode(images(1, (32, 32))).repeat(60, 1, 1, 1)
    got = adapted(MCUTurn(), codec)(code)
    codec.spec((3, 32, 32)).check(got)
    image, turned = real_image(codec, code[:1], subsampling)[0], real_image(codec, got, subsampling)
    turns = {k: sum(torch.allclose(one, image.rot90(k, (-2, -1))) for one in turned) for k in range(4)}
    assert sum(turns.values()) == 60
    assert min(turns.values()) >= 5


def test_levels_turned_without_their_tables_keep_their_meaning():
    codec = JPEG(60, "4:4:4")
    augmentation, spec = adapted(MCUTurn(), codec), spec_of(codec)
    code = codec.encode(images(4, (32, 32)))
    parts = {name: augmentation.transposed(spec.field(name), part) for name, part in spec.split(code).items()}
    turned, want = blocks_of(codec, spec.join(parts)), blocks_of(codec, code)
    for component, other, steps in zip(turned, want, tables(codec), strict=True):
        error = (component * steps - (other * steps).transpose(-4, -3).mT).abs()
        assert (error <= steps / 2 + 1e-3).all()
    with pytest.raises(ValueError, match=r"takes square images; got a grid of \(4, 8\) MCUs"):
        augmentation(codec.encode(images()))
    with pytest.raises(MisconfigurationException, match=r"such as 4:4:4 and 4:2:0; field 'luma' .* has cells \(1, 2\)"):
        adapted(MCUTurn(), JPEG(60, "4:2:2"))


@pytest.mark.parametrize("tables", [False, True])
def test_a_shift_moves_whole_mcus_and_fills_with_grey(tables):
    codec = JPEG(75, tables=tables)
    code = codec.encode(images(1, (64, 64))).repeat(60, 1, 1, 1)
    got = adapted(MCUShift(max_mcus=2), codec)(code)
    codec.spec((3, 64, 64)).check(got)
    moves = set()
    for before, after in zip(code, got, strict=True):
        for dy in range(-2, 3):
            for dx in range(-2, 3):
                want = torch.zeros_like(before)
                want[384:] = before[384:]
                rows, columns = (range(max(0, d), min(4, 4 + d)) for d in (dy, dx))
                for r in rows:
                    for c in columns:
                        want[:, r, c] = before[:, r - dy, c - dx]
                if torch.equal(want, after):
                    moves.add((dy, dx))
    assert len(moves) > 15
    assert {dy for dy, _ in moves} == {dx for _, dx in moves} == set(range(-2, 3))
    grey = codec.decode(adapted(MCUShift(max_mcus=0), codec)(code * 0 + 1 if tables else code * 0))
    assert tables or (grey == 128).all()
