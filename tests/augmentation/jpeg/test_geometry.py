"""Augmentations of JPEG codes, against the same done to pixels."""

import numpy as np
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from scipy.fft import idctn

from lossy_lightning.augmentation import (
    Chain,
    CoefficientBrightness,
    CoefficientContrast,
    FrequencyDropout,
    MCUCrop,
    MCUFlip,
    MCUShift,
    MCUTurn,
    MCUZoom,
)
from lossy_lightning.codecs import JPEG, PCM
from lossy_lightning.functional import (
    flip_mcus,
    inverse_jpeg_transform,
    mcu_layout,
    transpose_mcus,
    unstack_mcus,
)

FACTORS = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2), "4:4:0": (1, 2), "4:1:1": (4, 1)}
SQUARE = ["4:4:4", "4:2:0"]


def images(count=6, size=(32, 64), channels=3):
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (count, channels, size[0] // 4, size[1] // 4)).repeat(4, 2).repeat(4, 3)
    return torch.from_numpy((coarse * 0.7 + rng.integers(0, 77, (count, channels, *size))).astype(np.uint8))


def adapted(augmentation, codec):
    augmentation.adapt(codec, None)
    return augmentation


def tables(codec):
    """Quantization tables of the components, ``(3, 8, 8)``."""
    return torch.stack(list(JPEG(codec.quality, dequantize=codec.dequantize).steps().values())).view(3, 8, 8)


def real_image(codec, code, subsampling):
    """Decoded in floating point: neither rounded nor clipped."""
    layout = mcu_layout(code.shape[1], subsampling)
    h, v = layout.factors
    steps = tables(codec)[: layout.components].double()
    split = 64 * len(layout.block_components)
    parts = [c.double() * s for c, s in zip(unstack_mcus(code[:, :split], (h, v)), steps, strict=True)]
    return inverse_jpeg_transform(parts, (8 * v * code.shape[-2], 8 * h * code.shape[-1]), (h, v))


def luma_plane(codec, code, subsampling):
    """Samples of luma, by SciPy."""
    blocks = unstack_mcus(code, FACTORS[subsampling])[0].double().numpy() * tables(codec)[0].double().numpy()
    samples = idctn(blocks, axes=(-2, -1), norm="ortho").swapaxes(-3, -2)
    return torch.from_numpy(samples.reshape(len(code), 8 * samples.shape[1], -1))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


# Flips and turns.


@pytest.mark.parametrize("axis", [-1, -2])
@pytest.mark.parametrize("subsampling", FACTORS)
def test_a_flipped_code_decodes_to_the_flipped_image(subsampling, axis):
    codec = JPEG(60, subsampling)
    code = codec.encode(images())
    flipped = flip_mcus(code, mcu_layout(code.shape[1], subsampling), axis)
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
    assert torch.equal(flip_mcus(flipped, mcu_layout(code.shape[1], subsampling), axis), code)


@pytest.mark.parametrize("axis", [-1, -2])
def test_grey_and_tables(axis):
    codec = JPEG(60, tables=True)
    grey = codec.encode(images(channels=1))
    want = codec.decode(grey).int().flip(axis)
    difference = (codec.decode(flip_mcus(grey, mcu_layout(128, "4:2:0"), axis)).int() - want).abs()
    assert difference.max() <= (axis == -1)
    assert difference.float().mean() < 1e-3
    colour = codec.encode(images())
    flipped = flip_mcus(colour, mcu_layout(576, "4:2:0"), axis)
    assert torch.equal(flipped[:, 384:], colour[:, 384:])


@pytest.mark.parametrize("subsampling", SQUARE)
@pytest.mark.parametrize("tables", [True, False])
def test_a_transposed_code_decodes_to_the_transposed_image(subsampling, tables):
    codec = JPEG(60, subsampling, tables=tables, dequantize=not tables)
    code = codec.encode(images())
    turned = transpose_mcus(code, mcu_layout(code.shape[1], subsampling))
    want, got = (codec.decode(c).int() for c in (code, turned))
    assert got.shape[-2:] == (64, 32)
    # libjpeg transforms columns before rows, each rounded.
    assert (got - want.mT).abs().max() <= 3
    if not tables:
        torch.testing.assert_close(real_image(codec, turned, subsampling), real_image(codec, code, subsampling).mT)


def which_flips(code, got, layout):
    """Of each example, which of four it became."""
    chosen = []
    for before, after in zip(code, got, strict=True):
        flips = {
            (x, y): flip_mcus(flip_mcus(before, layout, -1) if x else before, layout, -2)
            if y
            else (flip_mcus(before, layout, -1) if x else before)
            for x in (0, 1)
            for y in (0, 1)
        }
        (one,) = [name for name, flipped in flips.items() if torch.equal(flipped, after)]
        chosen.append(one)
    return chosen


def test_each_example_is_flipped_by_its_own_draw():
    codec = JPEG(75)
    code = codec.encode(images(1)).repeat(400, 1, 1, 1)
    got = adapted(MCUFlip(horizontal=0.5, vertical=0.25), codec)(code)
    chosen = which_flips(code, got, mcu_layout(384, "4:2:0"))
    assert 150 < sum(x for x, _ in chosen) < 250
    assert 65 < sum(y for _, y in chosen) < 135
    assert len(set(chosen)) == 4
    assert torch.equal(adapted(MCUFlip(horizontal=0), codec)(code), code)


def test_the_least_level_stays_in_the_spec():
    codec = JPEG(100, "4:4:4")
    code = torch.full((2, 192, 1, 1), -1024, dtype=torch.int16)
    got = adapted(MCUFlip("4:4:4", horizontal=1), codec)(code)
    codec.spec((3, 8, 8)).check(got)
    assert set(got.unique().tolist()) == {-1024, 1023}


@pytest.mark.parametrize("subsampling", SQUARE)
def test_quarter_turns_are_those_of_the_image(subsampling):
    codec = JPEG(60, subsampling, dequantize=True)
    code = codec.encode(images(1, (32, 32))).repeat(60, 1, 1, 1)
    got = adapted(MCUTurn(subsampling), codec)(code)
    codec.spec((3, 32, 32)).check(got)
    image, turned = real_image(codec, code[:1], subsampling)[0], real_image(codec, got, subsampling)
    turns = {k: sum(torch.allclose(one, image.rot90(k, (-2, -1))) for one in turned) for k in range(4)}
    assert sum(turns.values()) == 60
    assert min(turns.values()) >= 5


def test_levels_turned_without_their_tables_keep_their_meaning():
    codec = JPEG(60, "4:4:4")
    augmentation = adapted(MCUTurn("4:4:4"), codec)
    code = codec.encode(images(4, (32, 32)))
    turned = augmentation.transposed(code, mcu_layout(192, "4:4:4"))
    want = unstack_mcus(code, (1, 1))
    for component, other, steps in zip(unstack_mcus(turned, (1, 1)), want, tables(codec), strict=True):
        error = (component * steps - (other * steps).transpose(-4, -3).mT).abs()
        assert (error <= steps / 2 + 1e-3).all()
    with pytest.raises(ValueError, match=r"takes square images; got a grid of \(4, 8\) MCUs"):
        augmentation(codec.encode(images()))
    with pytest.raises(ValueError, match="only codes of 4:4:4 and 4:2:0 keep their layout when turned; got '4:2:2'"):
        MCUTurn("4:2:2")


# Shifts and crops.


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


def test_a_crop_is_a_part_of_the_image():
    codec = JPEG(75, "4:4:4")
    image = images(1, (32, 64))
    code = codec.encode(image).repeat(80, 1, 1, 1)
    got = codec.decode(adapted(MCUCrop(2, 3, "4:4:4"), codec)(code))
    whole = codec.decode(code)[0]
    places = set()
    for part in got:
        (place,) = [
            (y, x)
            for y in range(3)
            for x in range(6)
            if torch.equal(part, whole[:, 8 * y : 8 * y + 16, 8 * x : 8 * x + 24])
        ]
        places.add(place)
    assert len(places) > 12
    with pytest.raises(ValueError, match=r"a part of \(5, 1\) MCUs does not fit into codes of \(4, 8\)"):
        adapted(MCUCrop(5, 1, "4:4:4"), codec)(code)


# Levels.


@pytest.mark.parametrize("arguments", [{}, {"tables": True}, {"dequantize": True}])
def test_brightness_adds_to_all_samples(arguments):
    codec = JPEG(60, "4:4:4", **arguments)
    image = torch.full((200, 3, 16, 16), 100, dtype=torch.uint8)
    code = codec.encode(image)
    got = adapted(CoefficientBrightness("4:4:4", most=40), codec)(code)
    codec.spec((3, 16, 16)).check(got)
    decoded = codec.decode(got)
    values = decoded.flatten(1).float()
    assert (values.std(1) < 1).all()  # all samples of an image alike
    step = 1 if arguments.get("dequantize") else tables(codec)[0, 0, 0] / 8
    assert 60 - step - 1 <= values.min() < 66
    assert 134 < values.max() <= 140 + step + 1
    changed = (got != code).any(0).flatten(1).any(1)
    assert changed.nonzero().flatten().tolist() == [0]


def test_contrast_multiplies_the_distance_from_mid_grey():
    codec = JPEG(100, "4:2:0", dequantize=True)
    code = codec.encode(images(1, (32, 32))).repeat(100, 1, 1, 1)
    got = adapted(CoefficientContrast(most=0.5), codec)(code)
    codec.spec((3, 32, 32)).check(got)
    before, after = (real_image(codec, c, "4:2:0").flatten(1) - 128 for c in (code, got))
    factor = (before * after).sum(1, keepdim=True) / before.square().sum(1, keepdim=True)
    assert (after - factor * before).abs().max() < 5  # 64 roundings of up to a half, twice interpolated
    assert 0.5 <= factor.min() < 0.6
    assert 1.4 < factor.max() <= 1.5
    tables = JPEG(50, tables=True)
    code = tables.encode(images())
    assert torch.equal(adapted(CoefficientContrast(), tables)(code)[:, 384:], code[:, 384:])


def test_dropped_frequencies_are_missing_in_all_blocks():
    codec = JPEG(100, tables=True)
    code = torch.ones(300, 576, 2, 2, dtype=torch.int16)
    got = adapted(FrequencyDropout(probability=0.3), codec)(code)
    assert (got[:, 384:] == 1).all()
    levels = got[:, :384].view(300, 6, 64, 2, 2)
    first = levels[:, 0, :, 0, 0]
    assert (levels == first.view(300, 1, 64, 1, 1)).all()
    assert (first[:, 0] == 1).all()
    assert (first[:, 1:] == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0", "4:2:2"])
@pytest.mark.parametrize("size", [(64, 64), (48, 80)])
def test_zoom_repeats_or_averages_samples(subsampling, size):
    codec = JPEG(100, subsampling, dequantize=True)
    code = codec.encode(images(12, size))
    rows, columns = code.shape[-2:]
    h, v = FACTORS[subsampling]
    zoom = adapted(MCUZoom(subsampling), codec)
    layout = mcu_layout(code.shape[1], subsampling)
    before = luma_plane(codec, code, subsampling)
    larger, smaller = (luma_plane(codec, f(code, layout), subsampling) for f in (zoom.enlarged, zoom.reduced))
    half = -(-rows // 2), -(-columns // 2)
    averaged = before[:, : rows // 2 * 16 * v, : columns // 2 * 16 * h]
    averaged = averaged.unflatten(1, (-1, 2)).unflatten(3, (-1, 2)).mean((2, 4))
    for one, big, small, mean in zip(before, larger, smaller, averaged, strict=True):
        fits = [
            (
                big
                - one.repeat_interleave(2, 0).repeat_interleave(2, 1)[16 * v * y :, 16 * h * x :][
                    : len(big), : big.shape[1]
                ]
            )
            .abs()
            .max()
            < 4
            for y in range(rows - half[0] + 1)
            for x in range(columns - half[1] + 1)
        ]
        assert sum(fits) == 1
        places = [
            (8 * v * y, 8 * h * x) for y in range(rows - rows // 2 + 1) for x in range(columns - columns // 2 + 1)
        ]
        fits = []
        for top, left in places:
            want = torch.zeros_like(one)
            want[top : top + len(mean), left : left + mean.shape[1]] = mean
            fits.append((small - want).abs().max() < 4)
        assert sum(fits) == 1


@pytest.mark.parametrize("arguments", [{}, {"tables": True}])
def test_zoom_works_on_levels(arguments):
    codec, plain = JPEG(90, **arguments), JPEG(90, dequantize=True)
    image = images(8, (64, 64))
    results = []
    for each in (codec, plain):
        torch.manual_seed(3)
        code = adapted(MCUZoom(enlarge=0.5, reduce=0.5), each)(each.encode(image))
        each.spec((3, 64, 64)).check(code)
        results.append(each.decode(code).float())
    assert (results[0] - results[1]).abs().mean() < 3.5
    assert (results[0] - codec.decode(codec.encode(image)).float()).flatten(1).abs().mean(1).min() > 10
    nothing = adapted(MCUZoom(enlarge=0, reduce=0), codec)
    assert torch.equal(nothing(codec.encode(image)), codec.encode(image))


# All of them.

ALL = [
    MCUFlip(vertical=0.5),
    MCUTurn(),
    MCUShift(max_mcus=2),
    MCUCrop(2, 2),
    CoefficientBrightness(),
    CoefficientContrast(),
    FrequencyDropout(),
    MCUZoom(),
]


@pytest.mark.parametrize("augmentation", ALL, ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("arguments", [{}, {"tables": True}, {"dequantize": True}])
def test_codes_stay_in_their_spec_and_random_numbers_are_torchs(augmentation, arguments):
    codec = JPEG(50, **arguments)
    adapted(augmentation, codec)
    code = codec.encode(images(4, (64, 64)))
    kept = code.clone()
    torch.manual_seed(5)
    first = augmentation(code)
    torch.manual_seed(5)
    again = augmentation(code)
    assert first.dtype == torch.int16
    assert torch.equal(first, again)
    assert torch.equal(code, kept)
    assert any(not torch.equal(augmentation(code), first) for _ in range(4))
    codec.spec((3, 8 * 2 * first.shape[-2], 8 * 2 * first.shape[-1])).check(first)
    assert not augmentation.state_dict()


def test_a_chain_runs_on_any_batch():
    codec = JPEG(75, "4:4:4")
    chain = Chain([MCUFlip("4:4:4"), MCUShift("4:4:4"), CoefficientBrightness("4:4:4"), CoefficientContrast("4:4:4")])
    for module in chain.modules():
        if hasattr(module, "adapt"):
            module.adapt(codec, None)
    code = codec.encode(images(5, (32, 32)))
    codec.spec((3, 32, 32)).check(chain(code))


def test_wrong_wiring_is_named():
    with pytest.raises(MisconfigurationException, match="MCUFlip does not know the range of levels; hand it to"):
        MCUFlip()(torch.zeros(1, 384, 1, 1, dtype=torch.int16))
    with pytest.raises(MisconfigurationException, match=r"chroma_subsampling='4:2:0'; got JPEG\(.*pass the codec's"):
        MCUShift().adapt(JPEG(75, "4:4:4"), None)
    with pytest.raises(MisconfigurationException, match=r"got PCM\("):
        MCUShift().adapt(PCM(), None)
    with pytest.raises(ValueError, match="have 64, 128, 384, 576 channels; got 192"):
        adapted(MCUFlip(), JPEG())(torch.zeros(1, 192, 1, 1, dtype=torch.int16))
    with pytest.raises(ValueError, match=r"takes codes \(N, C, rows, columns\); got \(384, 1, 1\)"):
        adapted(MCUFlip(), JPEG())(torch.zeros(384, 1, 1, dtype=torch.int16))


@pytest.mark.parametrize(
    "make",
    [
        lambda: MCUFlip(horizontal=1.5),
        lambda: FrequencyDropout(probability=1.1),
        lambda: CoefficientContrast(most=2),
        lambda: MCUZoom(enlarge=0.7, reduce=0.7),
    ],
)
def test_shares(make):
    with pytest.raises(ValueError, match="is from 0 to 1; got"):
        make()


@pytest.mark.parametrize("make", [CoefficientBrightness, MCUZoom])
def test_dequantized_codes_that_carry_tables_are_coefficients(make):
    """The same as without tables, which are left alone."""
    made = []
    for tables in (False, True):
        codec = JPEG(60, dequantize=True, tables=tables)
        torch.manual_seed(0)
        made.append(adapted(make(), codec)(codec.encode(images())))
    assert torch.equal(made[1][:, :384], made[0])
    assert torch.equal(made[1][:, 384:], codec.encode(images())[:, 384:])


@pytest.mark.parametrize("make", [lambda: MCUShift(max_mcus=-1), lambda: CoefficientBrightness(most=-1)])
def test_negative_numbers(make):
    with pytest.raises(ValueError, match="is at least 0; got -1"):
        make()
